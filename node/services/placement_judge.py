"""Judges placement records: what the chain, the beacon and the script give is valid, no more."""

from collections.abc import Awaitable, Callable

from node.core.placement import ANCHOR, Rules, verify_announcement, verify_placement
from node.errors import PlacementInvalid
from node.ports.beacon import Beacon
from node.protocol.frames import PlacementAnnounce
from node.services.chain_view import ChainView
from node.services.script_library import ScriptLibrary
from settlement.protocol.typed_data import Domain
from settlement.types import Hash

RulesOf = Callable[[Hash], Awaitable[Rules]]
"""The placement rules of a token class, by its id."""


class PlacementJudge:
    """Recomputes a record from the mint, the beacon and the members: no anchor's word suffices."""

    def __init__(
        self, *, domain: Domain, view: ChainView, beacon: Beacon, rules_of: RulesOf
    ) -> None:
        self._domain = domain
        self._view = view
        self._beacon = beacon
        self._rules_of = rules_of

    async def __call__(self, record: PlacementAnnounce) -> None:
        """Raise PlacementInvalid, SignatureInvalid, or why it cannot be judged now."""
        placement, members = record.placement, self._view.members
        anchors = [member.key for member in members.active(ANCHOR)]
        verify_announcement(self._domain, placement, record.anchor, record.signature, anchors)
        minted = self._view.tokens.get(placement.token)
        if minted is None:
            raise PlacementInvalid(problem="this node has not seen the token's mint")
        if placement.activation_block != minted.minted_in:
            raise PlacementInvalid(problem="the token was minted in another block")
        if placement.seed != await self._beacon.value(placement.activation_block):
            raise PlacementInvalid(problem="the seed is not the beacon's")
        rules = await self._rules_of(minted.token.token_class.id)
        verify_placement(placement, minted.token, members, rules)


def rules_by_script(scripts: ScriptLibrary, rules: Rules) -> RulesOf:
    """The network's rules, with as many replicas as the class's script asks for."""

    async def rules_of(class_id: Hash) -> Rules:
        level = (await scripts.of_class(class_id)).service.level
        if level is None:
            return rules
        return Rules(replicas=level.replicas, minimum_stake=rules.minimum_stake)

    return rules_of
