"""What a node asks for a call: its floor, or what the script was measured to use; pinned."""

from dataclasses import dataclass

from node.core.pricing import Rates
from node.ports.sandbox import RunResult, Status
from node.services.prices import UPDATES, PriceBook, Prices
from node.tokenscript.service import Access, Action, Read
from settlement.services.calendar import Calendar
from settlement.types import keccak

SCRIPT = keccak(b"script")
READ = Read(name="status", price="read", access=Access.PRICED)
FREE = Read(name="status", price=None, access=Access.PUBLIC)
ACTION = Action(
    name="rebook", price="update", attempts=1, timeout_ms=1, rules=(), success=None, failure=None
)
RATES = Rates(million_gas=1_000, output_byte=1, page=1)


@dataclass(slots=True)
class Periods(Calendar):
    """A calendar whose period is set by hand."""

    now: int = 0

    async def period(self) -> int:
        return self.now


def book(periods: Periods) -> PriceBook:
    return PriceBook(Prices(read=100, update=500), RATES, periods)


def used(gas: int) -> RunResult:
    return RunResult(status=Status.OK, gas=gas, result=b"12345", pages=3)


async def test_a_script_that_was_never_run_costs_the_floor() -> None:
    prices = book(Periods())
    assert [await prices.of(SCRIPT, READ), await prices.of(SCRIPT, ACTION)] == [100, 500]


async def test_a_heavy_interface_costs_what_it_uses() -> None:
    prices = book(Periods())
    await prices.ran(SCRIPT, "status", used(2_000_000))
    assert await prices.of(SCRIPT, READ) == 2_000 + 5 + 3


async def test_a_light_interface_costs_the_floor() -> None:
    prices = book(Periods())
    await prices.ran(SCRIPT, "status", used(1_000))
    assert await prices.of(SCRIPT, READ) == 100


async def test_a_price_stays_for_its_period_and_follows_in_the_next() -> None:
    periods = Periods()
    prices = book(periods)
    assert await prices.of(SCRIPT, READ) == 100
    await prices.ran(SCRIPT, "status", used(2_000_000))
    assert await prices.of(SCRIPT, READ) == 100
    periods.now = 1
    assert await prices.of(SCRIPT, READ) == 2_008


async def test_a_peak_is_forgotten_in_time() -> None:
    periods = Periods()
    prices = book(periods)
    await prices.ran(SCRIPT, "status", used(2_000_000))
    periods.now = 4
    assert await prices.of(SCRIPT, READ) == 100


async def test_an_action_costs_what_updates_use() -> None:
    prices = book(Periods())
    await prices.ran(SCRIPT, UPDATES, used(3_000_000))
    assert [await prices.of(SCRIPT, ACTION), await prices.of(SCRIPT, READ)] == [3_008, 100]


async def test_another_script_with_the_same_interface_has_its_own_price() -> None:
    prices = book(Periods())
    await prices.ran(keccak(b"other"), "status", used(2_000_000))
    assert await prices.of(SCRIPT, READ) == 100


async def test_an_interface_without_a_price_is_free() -> None:
    prices = book(Periods())
    await prices.ran(SCRIPT, "status", used(2_000_000))
    assert await prices.of(SCRIPT, FREE) == 0
