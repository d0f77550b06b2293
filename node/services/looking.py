"""Anchors look whether nodes hold what they are placed to hold; nodes show it.

An anchor looks at random times at random tokens of rented classes: it asks all holders of a token
with one nonce and compares what they answer. What it saw goes to its uptime desk, by which rent is
paid. The answer proves a state and not service; how well reads are answered is measured elsewhere.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import structlog

from node.core.holding import Shown, holding_proof, judge_holding
from node.core.journal import JournalState, Phase
from node.core.placement import ANCHOR
from node.errors import SignerUnknown, TokenUnknown
from node.ports.network import Network
from node.protocol.frames import AnyBody, HoldingQuery, HoldingReply
from node.services.chain_view import ChainView
from node.services.dispatch import Dispatch
from node.services.instances import Instances
from node.services.table import Table
from settlement.core.uptime import ActionLooked
from settlement.errors import SmartLayerError
from settlement.ports.clock import Clock
from settlement.services.calendar import Calendar
from settlement.services.uptime_desk import UptimeDesk
from settlement.types import Address, Hash

ASK_TIMEOUT_MS = 3_000
TOKENS_A_LOOK = 16
LEARNED_A_LOOK = 256
"""Tokens whose holders are looked up before one look, at most."""


def serve_holdings(dispatch: Dispatch, instances: Instances, view: ChainView) -> None:
    """Show anchors, and only them, that this node holds its instances."""

    async def answer(peer: Address, body: HoldingQuery) -> AnyBody:
        if peer not in {member.key for member in view.members.active(ANCHOR)}:
            raise SignerUnknown(signer=peer, role="active anchor")
        state: JournalState = await instances.state(body.token)
        if state.phase is not Phase.ACTIVE:
            raise TokenUnknown(token="0x" + body.token.hex(), problem="this node does not hold it")
        proof = holding_proof(body.nonce, state.version, state.state)
        return HoldingReply(version=state.version, proof=proof)

    dispatch.on(HoldingQuery, answer)


class Looking:
    """One anchor's looks. ``random_bytes`` makes nonces that nobody can foresee."""

    def __init__(
        self,
        *,
        network: Network,
        view: ChainView,
        table: Table,
        desk: UptimeDesk,
        calendar: Calendar,
        clock: Clock,
        random: Random,
        random_bytes: Callable[[int], bytes],
        interval_ms: int,
    ) -> None:
        self._network = network
        self._view = view
        self._table = table
        self._desk = desk
        self._calendar = calendar
        self._clock = clock
        self._random = random
        self._random_bytes = random_bytes
        self._interval_ms = interval_ms
        self._holders: dict[Hash, tuple[Hash, Sequence[Address]]] = {}
        self._learned_in = -1
        self._log = structlog.get_logger("looking")

    async def run(self) -> None:
        """Look at unforeseeable times, on average once an interval, until cancelled."""
        while True:
            await self._clock.sleep_ms(self._random.randint(1, 2 * self._interval_ms))
            try:
                await self.look()
            except SmartLayerError as error:
                self._log.warning("not_looked", error=str(error))

    async def look(self) -> None:
        """Look once at some tokens, and keep what was seen."""
        await self._learn()
        placed = Counter(
            (node, token_class)
            for token_class, holders in self._holders.values()
            for node in holders
        )
        chosen = sorted(self._holders)
        if len(chosen) > TOKENS_A_LOOK:
            chosen = self._random.sample(chosen, TOKENS_A_LOOK)
        asked: Counter[tuple[Address, Hash]] = Counter()
        shown: Counter[tuple[Address, Hash]] = Counter()
        for token, verdicts in zip(
            chosen, await asyncio.gather(*map(self._ask_holders, chosen)), strict=True
        ):
            token_class, _ = self._holders[token]
            for node, verdict in verdicts.items():
                if verdict is not None:
                    asked[node, token_class] += 1
                    shown[node, token_class] += verdict
        for node, token_class in sorted(asked):
            look = ActionLooked(
                token_class=token_class,
                placed=placed[node, token_class],
                asked=asked[node, token_class],
                shown=shown[node, token_class],
            )
            await self._desk.looked(node, look)

    async def _learn(self) -> None:
        """Who holds the tokens of rented classes: asked once a period, some tokens at a time."""
        period = await self._calendar.period()
        if period != self._learned_in:
            self._holders, self._learned_in = {}, period
        now = self._view.now_s
        rented = {
            view.token_class.contract: name
            for name, view in self._view.classes.items()
            if view.rented_at(now)
        }
        wanted = {
            token: rented[view.token.contract]
            for token, view in self._view.tokens.items()
            if view.token.contract in rented
        }
        self._holders = {t: known for t, known in self._holders.items() if t in wanted}
        unknown = [token for token in wanted if token not in self._holders]
        for token in unknown[:LEARNED_A_LOOK]:
            record = await self._table.lookup(token)
            if record is not None:
                self._holders[token] = (wanted[token], record.placement.holders)

    async def _ask_holders(self, token: Hash) -> dict[Address, bool | None]:
        _, holders = self._holders[token]
        nonce = Hash(self._random_bytes(32))
        answers = await asyncio.gather(*(self._ask(node, token, nonce) for node in holders))
        return judge_holding(dict(zip(holders, answers, strict=True)))

    async def _ask(self, node: Address, token: Hash, nonce: Hash) -> Shown | None:
        body = HoldingQuery(token=token, nonce=nonce)
        try:
            reply = await self._network.request(node, body, ASK_TIMEOUT_MS)
        except SmartLayerError:
            return None  # it did not show it, whatever the reason
        if not isinstance(reply, HoldingReply):
            return None
        return Shown(version=reply.version, proof=reply.proof)
