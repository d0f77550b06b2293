"""Judges a placement record: is it what the chain, the beacon and the script give?"""

from node.core.placement import ANCHOR, Rules, verify_announcement, verify_placement
from node.errors import PlacementInvalid, TokenUnknown
from node.ports.beacon import Beacon
from node.protocol.frames import PlacementAnnounce
from node.services.chain_view import ChainView
from node.services.script_library import ScriptLibrary, rules_of
from settlement.protocol.typed_data import Domain


class PlacementJudge:
    """Recomputes placements; anchors and holders judge alike."""

    def __init__(
        self,
        *,
        domain: Domain,
        view: ChainView,
        scripts: ScriptLibrary,
        beacon: Beacon,
        rules: Rules,
    ) -> None:
        self._domain = domain
        self._view = view
        self._scripts = scripts
        self._beacon = beacon
        self._rules = rules

    async def require(self, record: PlacementAnnounce) -> None:
        """Raise unless an active anchor signed the record and it can be recomputed.

        Raises PlacementInvalid, SignatureInvalid; TokenUnknown while this node's view of the
        chain is behind the mint; BlockNotFound, and the refusals of the class's script.
        """
        placement = record.placement
        anchors = tuple(member.key for member in self._view.members.active(ANCHOR))
        verify_announcement(self._domain, placement, record.anchor, record.signature, anchors)
        view = self._view.tokens.get(placement.token)
        if view is None:
            raise TokenUnknown(token="0x" + placement.token.hex(), problem="its mint is not seen")
        if placement.activation_block != view.minted_in:
            raise PlacementInvalid(problem="its activation block does not hold the mint")
        if placement.seed != await self._beacon.value(view.minted_in):
            raise PlacementInvalid(problem="its seed is not the beacon's")
        script = await self._scripts.of_token(view)
        rules = rules_of(script, self._rules)
        verify_placement(placement, view.token, self._view.members, rules)
