"""Rent from looks to claims: four anchors look at three nodes over links, nodes claim on chain.

The anchors, their desks, the frames and the nodes' earners are real; links, chain and the nodes'
journals are in memory.
"""

from dataclasses import dataclass
from random import Random
from typing import Any, cast

import pytest

from node.core.journal import JournalState, Phase
from node.core.members import Member, MemberJoined
from node.core.placement import ANCHOR, SERVICE
from node.errors import PeerRefused
from node.ports.network import MemoryNetwork
from node.protocol.frames import CLASSES_PER_FRAME, HoldingQuery, PlacementAnnounce
from node.protocol.messages import Placement
from node.services.chain_view import ChainView
from node.services.dispatch import Dispatch
from node.services.instances import Instances
from node.services.looking import Looking, serve_holdings
from node.services.table import Table
from node.services.uptimes import LinkUptimes, serve_uptimes
from settlement.chain.abi import artifact, build, decode_inputs
from settlement.chain.deployment import Deployment
from settlement.chain.stake_calls import StakeCalls
from settlement.core.uptime import ActionLooked
from settlement.ports.chain import Call
from settlement.ports.chain_events import ChainEvent, ClassRegistered, RentStarted, TokenMoved
from settlement.ports.chain_records import PeriodRent, UptimeRow
from settlement.ports.chain_terms import MONTH
from settlement.ports.clock import VirtualClock
from settlement.ports.memory_chain import GENESIS, MemoryChain, MemoryWriter
from settlement.ports.stake_events import RentEarned
from settlement.ports.store import MemoryStore
from settlement.protocol.messages import UptimeAcknowledgement
from settlement.protocol.signing import SigningKey
from settlement.services.calendar import Calendar
from settlement.services.engine import Engine, Outbox
from settlement.services.rent_earner import WAKE_MS, RentEarner
from settlement.services.uptime_desk import UptimeDesk
from settlement.types import ZERO_ADDRESS, Address, Hash, Signature, TokenClass, TokenId, keccak

ANCHORS = [SigningKey(keccak(b"anchor %d" % n)) for n in range(4)]
NODES = [SigningKey(keccak(b"node %d" % n)) for n in range(3)]
CONTRACT = Address(b"c" * 20)
CHAIN_ID = 31_337
CLASS = TokenClass(chain_id=CHAIN_ID, contract=CONTRACT)
TOKENS = [TokenId(chain_id=CHAIN_ID, contract=CONTRACT, number=n) for n in range(1, 7)]
DEPLOYMENT = Deployment(
    chain_id=CHAIN_ID,
    first_block=0,
    **{
        name: Address(keccak(name.encode())[12:])
        for name in (
            "stake_token",
            "service_token",
            "parameters",
            "registry",
            "issuers",
            "rent",
            "hub",
            "disputes",
        )
    },
)
DOMAIN = DEPLOYMENT.domain


class Journals:
    """A node's instances: one state for each token that it has not lost."""

    def __init__(self) -> None:
        self.states = {token.id: b"state of %d" % token.number for token in TOKENS}

    async def state(self, token: Hash) -> JournalState:
        if token not in self.states:
            return JournalState(token=token)
        state = self.states[token]
        return JournalState(token=token, phase=Phase.ACTIVE, version=2, state=state)


class Placed:
    """A table in which all three nodes hold every token."""

    async def lookup(self, token: Hash) -> PlacementAnnounce:
        placement = Placement(
            token=token,
            token_class=CLASS.id,
            number=1,
            activation_block=1,
            seed=keccak(b"seed"),
            holders=tuple(key.address for key in NODES),
            version=1,
        )
        return PlacementAnnounce(
            placement=placement, anchor=ANCHORS[0].address, signature=Signature(bytes(65))
        )


@dataclass(kw_only=True)
class AnchorSide:
    desk: UptimeDesk
    looking: Looking
    calendar: Calendar


@dataclass(kw_only=True)
class NodeSide:
    journals: Journals
    earner: RentEarner
    outbox: Outbox
    calendar: Calendar


class World:
    """All of them."""

    def __init__(self) -> None:
        self.clock, self.links = VirtualClock(), MemoryNetwork()
        self.chain = MemoryChain()
        self.chain.on_submit = self._paid
        self.chain.elected_by_period[0] = tuple(key.address for key in ANCHORS)
        self.chain.rents_by_period[CLASS.id, 0] = PeriodRent(instances=6, rent=900, spent=0)
        self.earned: list[tuple[Address, int, int, int]] = []
        self.anchors: list[AnchorSide] = []
        self.nodes: list[NodeSide] = []

    async def begin(self) -> "World":
        self.anchors = [await self._anchor(key) for key in ANCHORS]
        self.nodes = [await self._node(key) for key in NODES]
        return self

    async def _view(self) -> ChainView:
        view = ChainView(CHAIN_ID)
        view.members = view.members.after_all(
            MemberJoined(
                block=1,
                member=Member(
                    key=key.address,
                    operator=key.address,
                    roles=role,
                    api_url="https://a.example",
                    link_url="wss://a.example:1",
                    stake=1,
                    since_block=1,
                    payout=key.address,
                ),
            )
            for role, keys in ((ANCHOR, ANCHORS), (SERVICE, NODES))
            for key in keys
        )
        await view.follow(rented(), await self.chain.head())
        return view

    async def _anchor(self, key: SigningKey) -> AnchorSide:
        dispatch, network = Dispatch(), self.links.join(key.address)
        network.serve(dispatch)
        calendar = Calendar(self.chain)
        desk = UptimeDesk(
            engine=Engine(MemoryStore(), self.clock), domain=DOMAIN, key=key, calendar=calendar
        )
        serve_uptimes(dispatch, desk)
        looking = Looking(
            network=network,
            view=await self._view(),
            table=cast("Table", Placed()),
            desk=desk,
            calendar=calendar,
            clock=self.clock,
            random=Random(key.address),
            random_bytes=Random(key.address).randbytes,
            interval_ms=1_000,
        )
        return AnchorSide(desk=desk, looking=looking, calendar=calendar)

    async def _node(self, key: SigningKey) -> NodeSide:
        dispatch, network, journals = Dispatch(), self.links.join(key.address), Journals()
        network.serve(dispatch)
        serve_holdings(dispatch, cast("Instances", journals), await self._view())
        engine, calendar = Engine(MemoryStore(), self.clock), Calendar(self.chain)
        earner = RentEarner(
            engine=engine,
            domain=DOMAIN,
            node=key.address,
            anchors=LinkUptimes(network),
            chain=self.chain,
            writer=MemoryWriter(self.chain, key.address),
            calls=StakeCalls(DEPLOYMENT),
            calendar=calendar,
        )
        return NodeSide(
            journals=journals,
            earner=earner,
            outbox=Outbox(engine, earner.performers),
            calendar=calendar,
        )

    async def look(self) -> None:
        for anchor in self.anchors:
            await anchor.looking.look()

    async def month_passes(self) -> None:
        head = self.chain.advance(MONTH)
        for side in (*self.anchors, *self.nodes):
            side.calendar.observe(head)

    async def claim(self) -> None:
        for node in self.nodes:
            await node.earner.wake()
            while await node.outbox.perform_due():
                pass

    def _paid(self, _sender: Address, call: Call) -> list[ChainEvent]:
        """What the vault would say: every row that this test sends holds."""
        assert call.contract == DEPLOYMENT.rent
        found = decode_inputs(artifact("RentVault").functions["earn"], call.data[4:])
        told: list[ChainEvent] = []
        for row in found["rows"]:
            said = build(UptimeRow, row)
            assert len(said.r) == len(said.vs) >= 2
            amount = 900 * said.instances * said.availability // (6 * 3 * 10_000)
            self.earned.append((found["node"], said.instances, said.availability, amount))
            told.append(
                RentEarned(
                    token_class=CLASS.id,
                    node=found["node"],
                    period=found["period"],
                    payout=found["node"],
                    amount=amount,
                )
            )
        return told


def rented() -> list[ChainEvent]:
    registered = ClassRegistered(
        token_class=CLASS.id,
        token_contract=CONTRACT,
        issuer=CONTRACT,
        payout=CONTRACT,
        issuer_share=0,
        from_period=0,
    )
    started = RentStarted(
        token_class=CLASS.id,
        payer=CONTRACT,
        instances=6,
        from_period=0,
        paid_until=1,
        expiry=GENESIS + MONTH,
        amount=900,
    )
    minted = (
        TokenMoved(
            contract=CONTRACT, sender=ZERO_ADDRESS, receiver=CONTRACT, number=token.number, block=1
        )
        for token in TOKENS
    )
    return [registered, started, *minted]


@pytest.fixture
async def world() -> World:
    return await World().begin()


async def test_nodes_that_hold_everything_earn_a_third_each(world: World) -> None:
    await world.look()
    await world.month_passes()
    await world.claim()
    assert world.earned == [(key.address, 6, 10_000, 300) for key in NODES]


async def test_a_node_that_lost_its_states_earns_nothing(world: World) -> None:
    world.nodes[1].journals.states.clear()
    await world.look()
    await world.month_passes()
    await world.claim()
    assert [node for node, *_ in world.earned] == [NODES[0].address, NODES[2].address]


async def test_a_node_that_was_away_for_half_of_the_looks_earns_half(world: World) -> None:
    away = NODES[2].address
    await world.look()
    cuts = {frozenset({away, key.address}) for key in ANCHORS}
    world.links.cut |= cuts
    await world.look()
    world.links.cut -= cuts
    await world.month_passes()
    await world.claim()
    assert world.earned[2] == (away, 6, 5_000, 150)


async def test_a_node_with_another_state_is_found_out(world: World) -> None:
    states = world.nodes[0].journals.states
    world.nodes[0].journals.states = dict.fromkeys(states, b"invented")
    await world.look()
    await world.month_passes()
    await world.claim()
    assert [node for node, *_ in world.earned] == [NODES[1].address, NODES[2].address]


async def test_one_anchors_invention_pays_nobody(world: World) -> None:
    invented = ActionLooked(token_class=CLASS.id, placed=6, asked=9, shown=9)
    await world.anchors[0].desk.looked(NODES[0].address, invented)
    await world.month_passes()
    await world.claim()
    assert world.earned == []


async def test_anchors_that_come_back_are_asked_again_while_the_window_is_open(
    world: World,
) -> None:
    await world.look()
    await world.month_passes()
    cuts = {frozenset({NODES[0].address, key.address}) for key in ANCHORS[:3]}
    world.links.cut |= cuts
    await world.claim()
    assert NODES[0].address not in {node for node, *_ in world.earned}
    world.links.cut -= cuts
    await world.clock.advance_ms(2 * WAKE_MS)
    await world.claim()
    assert NODES[0].address in {node for node, *_ in world.earned}


async def test_a_lost_transaction_is_sent_again_and_what_was_earned_is_not(world: World) -> None:
    await world.look()
    await world.month_passes()
    world.chain.on_submit = None  # mined, but its events have not reached us
    await world.claim()
    sent = len(world.chain.submitted)
    world.chain.on_submit = world._paid
    head = world.chain.advance(MONTH // 30)
    for node in world.nodes:
        node.calendar.observe(head)
    await world.claim()
    assert len(world.chain.submitted) == 2 * sent
    for node in world.nodes:
        events = await world.chain.events(0, 10_000, frozenset())
        await node.earner.receive(events)
        node.calendar.observe(world.chain.advance(MONTH // 30))
    await world.claim()
    assert len(world.chain.submitted) == 2 * sent


async def test_only_anchors_are_shown_what_a_node_holds(world: World) -> None:
    stranger = world.links.join(Address(b"s" * 20))
    body = HoldingQuery(token=TOKENS[0].id, nonce=keccak(b"nonce"))
    with pytest.raises(PeerRefused, match="SL-5102"):
        await stranger.request(NODES[0].address, body, 1_000)


async def test_a_class_that_is_suspended_is_not_looked_at(world: World) -> None:
    anchor = world.anchors[0]
    later = world.chain.advance(MONTH)
    anchor.calendar.observe(later)
    await anchor.looking._view.follow([], later)
    await anchor.looking.look()
    assert (await anchor.desk.measured(NODES[0].address, 1)).classes == ()


async def test_a_node_of_many_classes_reads_all_pages(world: World) -> None:
    desk, node = world.anchors[0].desk, NODES[0].address
    classes = [keccak(b"class %d" % n) for n in range(2 * CLASSES_PER_FRAME + 3)]
    for token_class in classes:
        look = ActionLooked(token_class=token_class, placed=1, asked=1, shown=1)
        await desk.looked(node, look)
    await world.month_passes()
    link = LinkUptimes(cast("Any", world.nodes[0].earner)._anchors._network)
    found = await link.ask(ANCHORS[0].address, 0, ())
    assert [each.token_class for each in found.measured] == sorted(classes)
    claims = [
        UptimeAcknowledgement(
            node=node, period=0, token_class=name, instances=1, availability=1 + 10_000 * (i % 2)
        )
        for i, name in enumerate(classes)
    ]
    words = (await link.ask(ANCHORS[0].address, 0, claims)).signatures
    assert [word is not None for word in words] == [i % 2 == 0 for i in range(len(classes))]
