"""Which runs a node bills, to whom a read owes them, and at which rates: as the chain has them."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from node.core.canonical import to_bytes
from node.core.inputs import Activation, AnyInput, Outcome, Timer, encode_input
from node.core.pricing import Rates, Usage, bill_up
from node.core.tab import TAB, TabState
from node.devnet.rehearsal_people import People
from node.ports.sandbox import TableSandbox
from node.protocol.messages import ObservedResponse
from node.services.chain_view import ClassView, PublishedScript
from node.services.prices import PriceBook, Prices
from node.services.running import Base, Runner
from node.services.script_library import ClassScript, trusted_script
from settlement.ports.chain_errors import RpcUnreachable
from settlement.ports.clock import VirtualClock
from settlement.ports.memory_chain import MemoryChain
from settlement.ports.store import MemoryStore
from settlement.protocol.typed_data import Domain
from settlement.services.calendar import Calendar
from settlement.services.engine import Engine
from settlement.types import Address, Signature, hex_text, keccak

NOW_MS = 1_700_000_000_000
PEOPLE = People(Domain.of(31_337, Address(bytes(20))), 31_337)
BASE = Base(
    token=PEOPLE.token(7),
    version=4,
    root=keccak(b"root"),
    state=b"{}",
    attributes=to_bytes({"flightNumber": "SL123", "hotelBooking": "H-1"}),
)
ACTIVATION = Activation(
    token=BASE.token.id, block=9, block_hash=keccak(b"b"), time=NOW_MS, attributes=BASE.attributes
)
TIMER = Timer(name="boarding", version=3, due=NOW_MS)
FLOOR = 10**15
GAS = 1_000


def outcome() -> Outcome:
    response = ObservedResponse(
        token=BASE.token.id,
        action="rebookHotel",
        version=5,
        attempt=0,
        request_hash=keccak(b"request"),
        status=200,
        body_hash=keccak(b"{}"),
        time=NOW_MS,
    )
    return Outcome(
        key=keccak(b"key"),
        response=response,
        witness=Address(bytes(20)),
        signature=Signature(bytes(65)),
        body=b"{}",
    )


@pytest.fixture(scope="module")
def script() -> ClassScript:
    airline = PEOPLE.airline.address
    view = ClassView(token_class=PEOPLE.token_class, issuer=airline, payout=airline)
    uri = "https://airline.example/t"
    published = PublishedScript(block=1, uri=uri, hash=keccak(PEOPLE.script))
    return trusted_script(PEOPLE.script, view, published)


def nothing(*_: Any) -> None:
    """What a handler says that changes nothing."""


@dataclass(slots=True)
class Till:
    """A node that runs scripts and keeps their tabs."""

    script: ClassScript
    chain: MemoryChain

    async def owed_after(self, *inputs: AnyInput) -> int:
        engine = Engine(MemoryStore(), VirtualClock())
        prices = PriceBook(Prices(read=0, update=FLOOR), Calendar(self.chain), engine)
        handlers = dict.fromkeys(self.script.service.script.handlers, nothing)
        runner = Runner(TableSandbox(handlers=handlers, gas=GAS), prices)
        for number, given in enumerate(inputs):
            base = replace(BASE, version=number)
            await runner.apply(self.script, base, encode_input(given), NOW_MS)
        await prices.close()
        tab: TabState = await engine.state(TAB, hex_text(self.script.source_hash))
        return tab.added.amount


@pytest.fixture
def till(script: ClassScript) -> Till:
    return Till(script=script, chain=MemoryChain())


def bill(till: Till, gas: int) -> int:
    rates = till.chain.execution_rates
    at = Rates(million_gas=rates.update_gas, output_byte=rates.output_byte, page=rates.page)
    return bill_up(at, Usage(gas=gas))


async def test_an_activation_is_billed_with_the_loading_of_its_script(till: Till) -> None:
    assert await till.owed_after(ACTIVATION) == bill(till, 2 * GAS)


async def test_an_action_that_went_through_is_billed_at_what_was_quoted(till: Till) -> None:
    assert await till.owed_after(outcome()) == FLOOR


async def test_an_input_that_no_handler_hears_costs_nothing(till: Till) -> None:
    assert "onTimer" not in till.script.service.script.handlers
    assert await till.owed_after(TIMER) == 0


async def test_every_version_is_billed(till: Till) -> None:
    alone = await till.owed_after(outcome())
    assert await till.owed_after(ACTIVATION, outcome()) == bill(till, 2 * GAS) + alone


# -- rates ----------------------------------------------------------------------------------------


async def test_the_rates_of_the_next_period_are_read_ahead() -> None:
    chain = MemoryChain()
    later = replace(chain.execution_rates, read_gas=7)
    chain.rates_by_period[1] = later
    calendar = Calendar(chain)
    assert await calendar.rates(0) == chain.execution_rates
    chain.unreachable = RpcUnreachable(endpoint="gone", problem="gone")
    assert await calendar.rates(1) == later


async def test_rates_that_may_still_change_are_asked_for_again() -> None:
    chain = MemoryChain()
    calendar = Calendar(chain)
    assert await calendar.rates(2) == chain.execution_rates
    chain.rates_by_period[2] = later = replace(chain.execution_rates, page=9)
    assert await calendar.rates(2) == later
