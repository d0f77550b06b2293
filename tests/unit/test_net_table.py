"""The anchors' hash table over an in-memory network: publish, look up, repair, hand over."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from node.core.members import Member, MemberJoined, MemberList
from node.core.placement import ANCHOR, SERVICE, Rules, homes, place
from node.core.records import RECORDS, ReceiveRecord, RecordState, newer
from node.errors import PeerUnreachable, PlacementInvalid
from node.ports.beacon import FixedBeacon
from node.ports.network import MemoryNetwork
from node.protocol.frames import AnyBody, PlacementAnnounce, PlacementQuery, PlacementReply
from node.protocol.messages import Placement
from node.services.chain_view import ChainView, TokenView
from node.services.dispatch import Dispatch
from node.services.placement_judge import PlacementJudge
from node.services.script_library import ScriptLibrary
from node.services.table import ROUND_MS, Table
from settlement.core.machine import Transition
from settlement.errors import SignatureInvalid
from settlement.ports.clock import VirtualClock
from settlement.ports.store import MemoryStore
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.engine import Engine, Outbox
from settlement.types import Address, Hash, TokenId

DOMAIN = Domain.of(31337, Address(bytes(20)))
BEACON = FixedBeacon()
RULES = Rules(replicas=3)
MINTED_IN = 50
TOKEN = TokenId(chain_id=31337, contract=Address(b"t" * 20), number=7)
ANCHORS = [SigningKey(bytes([n]) * 32) for n in range(1, 6)]
NODES = [SigningKey(bytes([n]) * 32) for n in range(11, 16)]
BY_ADDRESS = {key.address: key for key in (*ANCHORS, *NODES)}
HOMES = homes(TOKEN.id, [key.address for key in ANCHORS])


def member(key: SigningKey, roles: int) -> Member:
    return Member(
        key=key.address,
        operator=key.address,
        roles=roles,
        api_url="",
        link_url="",
        stake=10**18,
        since_block=1,
        payout=key.address,
    )


def members_of(anchors: list[SigningKey]) -> MemberList:
    joined = [*((key, ANCHOR) for key in anchors), *((key, SERVICE) for key in NODES)]
    return MemberList().after_all(
        MemberJoined(block=1, member=member(key, roles)) for key, roles in joined
    )


async def the_placement() -> Placement:
    seed = await BEACON.value(MINTED_IN)
    return place(TOKEN, MINTED_IN, seed, members_of(ANCHORS), RULES)


def signed(placement: Placement, key: SigningKey) -> PlacementAnnounce:
    return PlacementAnnounce(
        placement=placement, anchor=key.address, signature=key.sign(DOMAIN, placement)
    )


class NoScripts:
    """Every class's script asks for nothing in particular."""

    async def of_token(self, _: object) -> SimpleNamespace:
        return SimpleNamespace(service=SimpleNamespace(level=None))


def judge_of(view: ChainView) -> PlacementJudge:
    scripts = cast("ScriptLibrary", NoScripts())
    return PlacementJudge(domain=DOMAIN, view=view, scripts=scripts, beacon=BEACON, rules=RULES)


class World:
    """Five anchors and five service nodes, all with a table of their own."""

    def __init__(self) -> None:
        self.hub = MemoryNetwork()
        self.clock = VirtualClock()
        self.tables: dict[Address, Table] = {}
        self.views: dict[Address, ChainView] = {}
        self.delivered: list[tuple[Address, Hash]] = []
        self.outboxes: list[Outbox] = []
        self.runs: list[asyncio.Task[None]] = []
        for key in (*ANCHORS, *NODES):
            self.join(key)

    def join(self, key: SigningKey) -> None:
        view = ChainView(31337)
        view.members = members_of(ANCHORS)
        holder = Address(b"h" * 20)
        view.tokens[TOKEN.id] = TokenView(
            token=TOKEN, holder=holder, minted_in=MINTED_IN, minted_to=holder
        )
        engine, end = Engine(MemoryStore(), self.clock), self.hub.join(key.address)
        judge = judge_of(view).require
        table = Table(key=key, domain=DOMAIN, engine=engine, network=end, view=view, judge=judge)
        dispatch = Dispatch()
        table.register(dispatch)
        end.serve(dispatch)

        async def deliver(record: PlacementAnnounce) -> None:
            self.delivered.append((key.address, record.placement.token))

        table.on_placed(deliver)
        self.outboxes.append(Outbox(engine, table.performers()))
        self.tables[key.address], self.views[key.address] = table, view

    def crash(self, *keys: Address) -> None:
        for key in keys:
            self.hub.cut.update(frozenset({key, other}) for other in self.tables)

    def heal(self) -> None:
        self.hub.cut.clear()

    def drop_anchor(self, gone: Address) -> None:
        for view in self.views.values():
            view.members = members_of([key for key in ANCHORS if key.address != gone])

    async def publish(self, by: Address) -> Placement:
        placement = await the_placement()
        await self.tables[by].publish(placement, BY_ADDRESS[by].sign(DOMAIN, placement))
        return placement

    async def rounds(self, count: int = 1) -> None:
        if not self.runs:
            self.runs = [asyncio.create_task(table.run()) for table in self.tables.values()]
        for _ in range(count):
            # Requests take turns of the loop, not time; two ticks leave them enough of them.
            await self.clock.advance_ms(ROUND_MS // 2)
            await asyncio.sleep(0.001)
            await self.clock.advance_ms(ROUND_MS // 2)
            await asyncio.sleep(0.001)

    async def keepers(self) -> set[Address]:
        return {key for key, table in self.tables.items() if await table.held(TOKEN.id)}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    for run in made.runs:
        run.cancel()
    await asyncio.gather(*made.runs, return_exceptions=True)


def outside_home() -> Address:
    return next(key.address for key in ANCHORS if key.address not in HOMES)


async def test_a_published_record_is_kept_by_its_homes_and_holders(world: World) -> None:
    placement = await world.publish(HOMES[0])
    assert await world.keepers() == {*HOMES, *placement.holders}


async def test_every_node_looks_it_up_to_the_same_record(world: World) -> None:
    placement = await world.publish(HOMES[0])
    found = [await table.lookup(TOKEN.id) for table in world.tables.values()]

    assert [record.placement for record in found if record] == [placement] * 10


async def test_absence_is_an_answer(world: World) -> None:
    assert await world.tables[outside_home()].lookup(TOKEN.id) is None
    assert await world.tables[HOMES[0]].lookup(TOKEN.id) is None


async def test_no_answer_is_not_absence(world: World) -> None:
    world.crash(*HOMES)
    with pytest.raises(PeerUnreachable):
        await world.tables[outside_home()].lookup(TOKEN.id)


async def test_one_home_that_answers_is_enough(world: World) -> None:
    placement = await world.publish(HOMES[0])
    world.crash(HOMES[0], HOMES[1])
    found = await world.tables[outside_home()].lookup(TOKEN.id)

    assert found is not None
    assert found.placement == placement


async def test_publishing_with_every_home_away_is_a_retryable_error(world: World) -> None:
    world.crash(*HOMES)
    with pytest.raises(PeerUnreachable):
        await world.publish(outside_home())


async def test_who_was_away_gets_the_record_when_the_link_is_back(world: World) -> None:
    placement = await the_placement()
    away = [HOMES[2], placement.holders[0]]
    world.crash(*away)
    await world.publish(HOMES[0])
    await world.rounds()
    assert not set(away) & await world.keepers()

    world.heal()
    await world.rounds(2)
    assert set(away) <= await world.keepers()


async def test_a_peer_that_is_behind_the_chain_is_offered_the_record_again(world: World) -> None:
    late = world.views[HOMES[1]].tokens.pop(TOKEN.id)
    await world.publish(HOMES[0])
    assert HOMES[1] not in await world.keepers()

    await world.rounds(2)
    world.views[HOMES[1]].tokens[TOKEN.id] = late
    await world.rounds(2)
    assert HOMES[1] in await world.keepers()


async def test_a_new_home_gets_the_record_when_an_anchor_leaves(world: World) -> None:
    await world.publish(HOMES[0])
    await world.rounds()
    # The one that leaves signed the record: those who stay must vouch for it themselves.
    world.drop_anchor(HOMES[0])
    world.crash(HOMES[0])
    heirs = homes(TOKEN.id, [key.address for key in ANCHORS if key.address != HOMES[0]])
    await world.rounds(2)

    assert set(heirs) <= await world.keepers()
    assert await world.tables[NODES[0].address].lookup(TOKEN.id)


async def test_a_home_that_lies_is_outvoted_by_one_that_does_not(world: World) -> None:
    placement = await world.publish(HOMES[0])
    forged = replace(placement, version=9, holders=(NODES[0].address,) * 3)
    lie = signed(forged, BY_ADDRESS[HOMES[1]])

    async def answer(_peer: Address, body: AnyBody) -> AnyBody | None:
        assert isinstance(body, PlacementQuery)
        return PlacementReply(placement=lie.placement, anchor=lie.anchor, signature=lie.signature)

    world.hub.join(HOMES[1]).serve(answer)
    found = await world.tables[outside_home()].lookup(TOKEN.id)

    assert found is not None
    assert found.placement == placement


async def test_whoever_keeps_a_record_tells_its_services_once(world: World) -> None:
    await world.publish(HOMES[0])
    await world.publish(HOMES[0])
    for outbox in world.outboxes:
        await outbox.perform_due()

    assert sorted(key for key, _ in world.delivered) == sorted(await world.keepers())


async def test_a_record_from_the_wrong_seed_block_or_members_is_not_kept(world: World) -> None:
    placement = await the_placement()
    judge = judge_of(world.views[HOMES[0]])
    await judge.require(signed(placement, ANCHORS[0]))
    for wrong in (
        replace(placement, seed=Hash(b"s" * 32)),
        replace(placement, activation_block=MINTED_IN + 1),
        replace(placement, holders=placement.holders[::-1]),
        replace(placement, holders=placement.holders[:2]),
        replace(placement, version=2),
        replace(placement, number=8),
    ):
        with pytest.raises(PlacementInvalid):
            await judge.require(signed(wrong, ANCHORS[0]))


async def test_a_record_that_no_anchor_signed_is_not_kept(world: World) -> None:
    placement = await the_placement()
    judge = judge_of(world.views[HOMES[0]])
    with pytest.raises(PlacementInvalid, match="not signed by an anchor"):
        await judge.require(signed(placement, NODES[0]))
    signature = signed(placement, NODES[0]).signature
    forged = PlacementAnnounce(placement=placement, anchor=ANCHORS[0].address, signature=signature)
    with pytest.raises(SignatureInvalid):
        await judge.require(forged)


# --- the machine -------------------------------------------------------------------------------


def step(state: RecordState, record: PlacementAnnounce) -> Transition[RecordState, object]:
    anchors = tuple(key.address for key in ANCHORS)
    event = ReceiveRecord(record=record, domain=DOMAIN, anchors=anchors)
    return RECORDS.step(state, event, 0)


async def test_the_higher_version_wins_in_any_order() -> None:
    first = await the_placement()
    old, new = signed(first, ANCHORS[0]), signed(replace(first, version=2), ANCHORS[1])

    assert step(step(RecordState(), old).state, new).state.record == new
    assert step(step(RecordState(), new).state, old).state.record == new


async def test_two_records_on_one_version_end_the_same_in_any_order() -> None:
    first = await the_placement()
    one = signed(first, ANCHORS[0])
    other = signed(replace(first, holders=first.holders[::-1]), ANCHORS[1])

    assert (
        step(step(RecordState(), one).state, other).state
        == step(step(RecordState(), other).state, one).state
    )
    assert newer(one, other) != newer(other, one)


async def test_the_same_record_again_changes_and_tells_nothing() -> None:
    record = signed(await the_placement(), ANCHORS[0])
    again = step(step(RecordState(), record).state, record)

    assert again.state.record == record
    assert again.effects == ()


async def test_a_record_of_another_token_is_refused() -> None:
    placement = await the_placement()
    state = step(RecordState(), signed(placement, ANCHORS[0])).state
    with pytest.raises(PlacementInvalid, match="another token"):
        step(state, signed(replace(placement, token=Hash(b"o" * 32)), ANCHORS[0]))
