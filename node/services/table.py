"""The anchors' hash table: where every token lives, one hop away.

A record's homes are the anchors of highest rendezvous score for its token, so nobody searches.
Homes and holders keep the record; whoever was away when it was made gets it when the link is
back, and whoever becomes a home when the anchors change gets it then.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice

import structlog

from node.core.placement import ANCHOR, homes
from node.core.records import (
    RECORDS,
    DeliverPlacement,
    ReceiveRecord,
    newer,
    record_key,
)
from node.errors import PeerUnreachable, PlacementInvalid
from node.ports.network import Network
from node.protocol.frames import (
    AnyBody,
    Done,
    PlacementAnnounce,
    PlacementQuery,
    PlacementReply,
)
from node.protocol.messages import Placement
from node.services.chain_view import ChainView
from node.services.dispatch import Dispatch
from settlement.errors import SmartLayerError
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.engine import Effect, Engine, Performer
from settlement.types import Address, Hash, Signature

COPIES = 3
ASK_TIMEOUT_MS = 1_000
ROUND_MS = 1_000
"""Pause between two looks at who needs records that this node holds."""
ATTEMPTS = 60
"""Rounds in which a record is offered to a peer that refuses it: it may be behind the chain."""
AT_ONCE = 32
"""Records on their way to peers at the same time, at most."""
MAX_ROUND = 1_024
"""Records offered in one round, at most."""

Judge = Callable[[PlacementAnnounce], Awaitable[None]]
"""Raises a typed error unless the record is what the chain, the beacon and the script give."""

Subscriber = Callable[[PlacementAnnounce], Awaitable[None]]


class Table:
    """This node's part of the table. Any node may look up; homes and holders keep."""

    def __init__(
        self,
        *,
        key: SigningKey,
        domain: Domain,
        engine: Engine,
        network: Network,
        view: ChainView,
        judge: Judge,
        copies: int = COPIES,
    ) -> None:
        self._signing = key
        self._key = key.address
        self._domain = domain
        self._engine = engine
        self._network = network
        self._view = view
        self._judge = judge
        self._copies = copies
        self._owed: dict[tuple[Hash, Address], int] = {}
        self._subscribers: list[Subscriber] = []
        self._log = structlog.get_logger("table")

    def register(self, dispatch: Dispatch) -> None:
        """Answer for the table's frames."""
        dispatch.on(PlacementAnnounce, self._on_announce)
        dispatch.on(PlacementQuery, self._on_query)

    def performers(self) -> dict[type, Performer]:
        """The record machine's effects."""
        return {DeliverPlacement: self._deliver}

    def on_placed(self, subscriber: Subscriber) -> None:
        """Have every later record that this node keeps delivered to ``subscriber``, at least
        once; it must be idempotent by the record's version."""
        self._subscribers.append(subscriber)

    async def held(self, token: Hash) -> PlacementAnnounce | None:
        """The record that this node itself keeps."""
        return (await self._engine.state(RECORDS, record_key(token))).record

    async def held_tokens(self) -> list[Hash]:
        """The tokens whose records this node keeps."""
        keys = await self._engine.store.keys(RECORDS.kind)
        return [Hash(bytes.fromhex(key)) for key in keys]

    async def publish(self, placement: Placement, signature: Signature) -> None:
        """Keep a record signed by this anchor, and give it to its homes and holders.

        Returns once a home has it durably; the others get it in later rounds of :meth:`run`.
        Raises PeerUnreachable (retryable) when no home could be reached.
        """
        record = PlacementAnnounce(placement=placement, anchor=self._key, signature=signature)
        await self._keep(record)
        for peer in self._places(record):
            self._owed[placement.token, peer] = ATTEMPTS
        given = await self._offer_all((placement.token, p) for p in self._places(record))
        at_home = self._homes(placement.token)
        if self._key not in at_home and not given & set(at_home):
            raise PeerUnreachable(peer=b"", problem="none of the record's homes took it")

    async def lookup(self, token: Hash) -> PlacementAnnounce | None:
        """Where a token lives, or None: it has no record.

        This node's own copy, else the newest valid one of the homes. Raises PeerUnreachable
        (retryable) when no home answered.
        """
        own = await self.held(token)
        if own is not None:
            return own
        at_home = self._homes(token)
        asked = [home for home in at_home if home != self._key]
        answers = await asyncio.gather(*(self._ask(home, token) for home in asked))
        found = await self._newest_valid(answers)
        if found is None:
            # A home that gave an invalid record gave no answer at all.
            absent = any(reply is not None and reply.placement is None for reply in answers)
            if self._key not in at_home and not absent:
                raise PeerUnreachable(peer=b"", problem="none of the record's homes answers")
            return None
        if self._key in (*at_home, *found.placement.holders):
            await self._keep(found)
        return found

    async def run(self) -> None:
        """Give records to those who should have them and were away, until cancelled."""
        anchors: Sequence[Address] = ()
        linked: frozenset[Address] = frozenset()
        while True:
            anchors_now, linked_now = self._anchors(), frozenset(self._network.peers())
            await self._owe(linked_now if anchors_now != anchors else linked_now - linked)
            anchors, linked = anchors_now, linked_now
            due = (owed for owed in list(self._owed) if owed[1] in linked)
            await self._offer_all(islice(due, MAX_ROUND))
            await self._engine.clock.sleep_ms(ROUND_MS)

    # --- frames ----------------------------------------------------------------------------------

    async def _on_announce(self, _peer: Address, body: PlacementAnnounce) -> AnyBody:
        held = await self.held(body.placement.token)
        if newer(body, held):
            if self._key not in (*self._homes(body.placement.token), *body.placement.holders):
                raise PlacementInvalid(problem="this node is neither a home nor a holder")
            await self._judge(body)
            await self._keep(body)
        return Done()

    async def _on_query(self, _peer: Address, body: PlacementQuery) -> AnyBody:
        held = await self.held(body.token)
        if held is None:
            return PlacementReply(placement=None, anchor=None, signature=None)
        shown = self._resigned(held)
        return PlacementReply(
            placement=shown.placement, anchor=shown.anchor, signature=shown.signature
        )

    async def _ask(self, home: Address, token: Hash) -> PlacementReply | None:
        """A home's answer about this token, or None."""
        try:
            reply = await self._network.request(home, PlacementQuery(token=token), ASK_TIMEOUT_MS)
        except SmartLayerError:
            return None
        if not isinstance(reply, PlacementReply):
            return None
        if reply.placement is not None and reply.placement.token != token:
            return None
        return reply

    async def _newest_valid(
        self, replies: Iterable[PlacementReply | None]
    ) -> PlacementAnnounce | None:
        """The newest record that the judge accepts; homes mostly agree, so the first try does."""
        records = sorted(
            (record for reply in replies if reply and (record := _record_of(reply))),
            key=lambda record: (-record.placement.version, record.placement.struct_hash()),
        )
        for record in records:
            try:
                await self._judge(record)
            except SmartLayerError as error:
                anchor, token = record.anchor.hex(), record.placement.token.hex()
                self._log.warning("invalid_record", anchor=anchor, token=token, error=str(error))
            else:
                return record
        return None

    # --- keeping and giving ----------------------------------------------------------------------

    async def _keep(self, record: PlacementAnnounce) -> None:
        event = ReceiveRecord(record=record, domain=self._domain, anchors=self._anchors())
        await self._engine.apply(RECORDS, record_key(record.placement.token), event)

    async def _deliver(self, effect: Effect) -> None:
        assert isinstance(effect.request, DeliverPlacement)
        for subscriber in self._subscribers:
            await subscriber(effect.request.record)

    async def _owe(self, peers: frozenset[Address]) -> None:
        """Note for which of ``peers`` this node has records."""
        if not peers:
            return
        for token in await self.held_tokens():
            record = await self.held(token)
            if record is not None:
                for peer in peers.intersection(self._places(record)):
                    self._owed[token, peer] = ATTEMPTS

    async def _offer_all(self, owed: Iterable[tuple[Hash, Address]]) -> set[Address]:
        """Offer records, a bounded number at once; returns the peers that took one."""
        turn = asyncio.Semaphore(AT_ONCE)

        async def offer(token: Hash, peer: Address) -> Address | None:
            async with turn:
                return peer if await self._offer(token, peer) else None

        taken = await asyncio.gather(*(offer(token, peer) for token, peer in owed))
        return {peer for peer in taken if peer is not None}

    async def _offer(self, token: Hash, peer: Address) -> bool:
        record = await self.held(token)
        assert record is not None, "only records that are held are owed"
        try:
            await self._network.request(peer, self._resigned(record), ASK_TIMEOUT_MS)
        except SmartLayerError as error:
            left = self._owed.get((token, peer), 1) - 1
            if left > 0:
                self._owed[token, peer] = left
            else:
                self._owed.pop((token, peer), None)
                self._log.warning("record_refused", peer=peer.hex(), error=str(error))
            return False
        self._owed.pop((token, peer), None)
        return True

    def _resigned(self, record: PlacementAnnounce) -> PlacementAnnounce:
        """The record under a signature that counts now: its anchor may have left since."""
        anchors = self._anchors()
        if record.anchor in anchors or self._key not in anchors:
            return record
        signature = self._signing.sign(self._domain, record.placement)
        return PlacementAnnounce(placement=record.placement, anchor=self._key, signature=signature)

    def _places(self, record: PlacementAnnounce) -> list[Address]:
        """The peers that should have a record: its homes, then its holders."""
        wanted = (*self._homes(record.placement.token), *record.placement.holders)
        return [peer for peer in dict.fromkeys(wanted) if peer != self._key]

    def _homes(self, token: Hash) -> tuple[Address, ...]:
        return homes(token, self._anchors(), self._copies)

    def _anchors(self) -> tuple[Address, ...]:
        return tuple(member.key for member in self._view.members.active(ANCHOR))


def _record_of(reply: PlacementReply) -> PlacementAnnounce | None:
    if reply.placement is None or reply.anchor is None or reply.signature is None:
        return None
    return PlacementAnnounce(
        placement=reply.placement, anchor=reply.anchor, signature=reply.signature
    )
