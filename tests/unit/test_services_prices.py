"""What a node asks for a call: its floor, or what the script was measured to use, with a share of
what updates cost; fixed for a period, on disk."""

from dataclasses import dataclass, field, replace

from node.ports.sandbox import RunResult, Status
from node.services.prices import BATCH, PriceBook, Prices, Updated
from node.tokenscript.service import Access, Action, Read
from settlement.ports.chain_records import ExecutionRates
from settlement.ports.clock import VirtualClock
from settlement.ports.store import MemoryStore
from settlement.services.calendar import Calendar
from settlement.services.engine import Engine
from settlement.types import Hash, keccak

SCRIPT = keccak(b"script")
TOKEN = keccak(b"token")
READ = Read(name="status", price="read", access=Access.PRICED)
FREE = Read(name="status", price=None, access=Access.PUBLIC)
ACTION = Action(
    name="rebook", price="update", attempts=1, timeout_ms=1, rules=(), success=None, failure=None
)
RATES = ExecutionRates(read_gas=1_000, update_gas=4_000, output_byte=1, page=1)


@dataclass(slots=True)
class Periods(Calendar):
    """A calendar whose period and rates are set by hand."""

    now: int = 0
    voted: dict[int, ExecutionRates] = field(default_factory=dict)

    async def period(self) -> int:
        return self.now

    async def rates(self, period: int) -> ExecutionRates:
        return self.voted.get(period, RATES)


def book(periods: Periods, store: MemoryStore | None = None) -> PriceBook:
    engine = Engine(store or MemoryStore(), VirtualClock())
    return PriceBook(Prices(read=100, update=500), periods, engine)


def used(gas: int) -> RunResult:
    return RunResult(status=Status.OK, gas=gas, result=b"12345", pages=3)


def update(version: int = 0, token: Hash = TOKEN) -> Updated:
    return Updated(token=token, version=version)


# -- from what was measured ----------------------------------------------------------------------


async def test_a_script_that_was_never_run_costs_the_floor() -> None:
    prices = book(Periods())
    assert [await prices.of(SCRIPT, READ), await prices.of(SCRIPT, ACTION)] == [100, 500]


async def test_a_heavy_interface_costs_what_it_uses() -> None:
    prices = book(Periods())
    await prices.read(SCRIPT, "status", used(2_000_000))
    assert await prices.of(SCRIPT, READ) == 2_000 + 5 + 3


async def test_a_light_interface_costs_the_floor() -> None:
    prices = book(Periods())
    await prices.read(SCRIPT, "status", used(1_000))
    assert await prices.of(SCRIPT, READ) == 100


async def test_a_price_stays_for_its_period_and_follows_in_the_next() -> None:
    periods = Periods()
    prices = book(periods)
    assert await prices.of(SCRIPT, READ) == 100
    await prices.read(SCRIPT, "status", used(2_000_000))
    assert await prices.of(SCRIPT, READ) == 100
    periods.now = 1
    assert await prices.of(SCRIPT, READ) == 2_008


async def test_a_peak_is_forgotten_in_time() -> None:
    periods = Periods()
    prices = book(periods)
    await prices.read(SCRIPT, "status", used(2_000_000))
    periods.now = 4
    assert await prices.of(SCRIPT, READ) == 100


async def test_an_action_that_was_never_performed_costs_what_updates_use() -> None:
    prices = book(Periods())
    await prices.updated(SCRIPT, update(), used(3_000_000))
    assert await prices.of(SCRIPT, ACTION) == 12_008


async def test_an_action_costs_what_the_update_that_hears_of_it_uses() -> None:
    periods = Periods()
    prices = book(periods)
    await prices.updated(SCRIPT, update(0), used(3_000_000))
    await prices.updated(SCRIPT, replace(update(1), action=ACTION), used(1_000_000))
    periods.now = 1
    assert await prices.of(SCRIPT, ACTION) == 4_008


async def test_another_script_with_the_same_interface_has_its_own_price() -> None:
    prices = book(Periods())
    await prices.read(keccak(b"other"), "status", used(2_000_000))
    assert await prices.of(SCRIPT, READ) == 100


async def test_an_interface_without_a_price_is_free() -> None:
    prices = book(Periods())
    await prices.read(SCRIPT, "status", used(2_000_000))
    assert await prices.of(SCRIPT, FREE) == 0


async def test_rates_are_those_that_hold_for_the_period() -> None:
    periods = Periods(voted={1: replace(RATES, read_gas=5_000)})
    prices = book(periods)
    await prices.read(SCRIPT, "status", used(2_000_000))
    first = await prices.of(SCRIPT, READ)
    periods.now = 1
    assert [first, await prices.of(SCRIPT, READ)] == [2_008, 10_008]


# -- who pays for updates ------------------------------------------------------------------------


async def test_reads_of_the_next_period_carry_what_updates_cost() -> None:
    periods = Periods()
    prices = book(periods)
    assert await prices.of(SCRIPT, READ) == 100
    for _ in range(4):
        await prices.paid(SCRIPT, READ)
    await prices.updated(SCRIPT, update(), used(10_000))  # 40 for gas, 8 for output and pages
    assert await prices.of(SCRIPT, READ) == 100
    periods.now = 1
    assert await prices.of(SCRIPT, READ) == 100 + 48 // 4


async def test_what_reads_brought_in_is_owed_no_more() -> None:
    periods = Periods()
    prices = book(periods)
    await prices.paid(SCRIPT, READ)
    await prices.updated(SCRIPT, update(), used(10_000))
    periods.now = 1
    assert await prices.of(SCRIPT, READ) == 148
    await prices.paid(SCRIPT, READ)
    periods.now = 2
    assert await prices.of(SCRIPT, READ) == 100


async def test_a_read_carries_no_more_than_it_costs_itself_and_the_rest_stays_owed() -> None:
    periods = Periods()
    prices = book(periods)
    await prices.paid(SCRIPT, READ)
    await prices.updated(SCRIPT, update(), used(30_000))  # 128
    paid = []
    for periods.now in (1, 2, 3):
        paid.append(await prices.of(SCRIPT, READ))
        await prices.paid(SCRIPT, READ)
    assert paid == [200, 128, 100]


async def test_loading_is_billed_with_the_activation() -> None:
    periods = Periods()
    prices = book(periods)
    await prices.paid(SCRIPT, READ)
    await prices.updated(SCRIPT, replace(update(), load_gas=5_000), used(5_000))
    await prices.updated(SCRIPT, replace(update(token=keccak(b"b")), load_gas=1_000), None)
    periods.now = 1
    assert await prices.of(SCRIPT, READ) == 100 + 48 + 4


async def test_an_action_that_went_through_is_billed_at_its_quote() -> None:
    periods = Periods()
    prices = book(periods)
    await prices.paid(SCRIPT, READ)
    quoted = await prices.of(SCRIPT, ACTION)
    await prices.updated(SCRIPT, replace(update(), action=ACTION), used(1_000))
    owed = 0
    for periods.now in range(1, 8):
        owed += await prices.of(SCRIPT, READ) - 100
        await prices.paid(SCRIPT, READ)
    assert owed == quoted == 500


async def test_a_version_that_is_run_again_is_billed_once() -> None:
    periods = Periods()
    prices = book(periods)
    await prices.paid(SCRIPT, READ)
    for _ in range(3):
        await prices.updated(SCRIPT, update(), used(10_000))
    periods.now = 1
    assert await prices.of(SCRIPT, READ) == 148


async def test_more_reads_than_expected_pay_for_updates_to_come() -> None:
    periods = Periods()
    prices = book(periods)
    await prices.paid(SCRIPT, READ)
    await prices.updated(SCRIPT, update(), used(10_000))  # 48
    periods.now = 1
    for _ in range(3):
        await prices.paid(SCRIPT, READ)
    await prices.updated(SCRIPT, update(1), used(10_000))
    periods.now = 2
    assert await prices.of(SCRIPT, READ) == 100


async def test_before_any_read_is_paid_reads_carry_nothing() -> None:
    periods = Periods()
    prices = book(periods)
    await prices.updated(SCRIPT, update(), used(10_000))
    periods.now = 1
    assert await prices.of(SCRIPT, READ) == 100


# -- on disk -------------------------------------------------------------------------------------


async def test_a_restart_keeps_the_price_of_the_period() -> None:
    store, periods = MemoryStore(), Periods()
    prices = book(periods, store)
    await prices.read(SCRIPT, "status", used(2_000_000))
    assert await prices.of(SCRIPT, READ) == 2_008
    again = book(periods, store)
    await again.read(SCRIPT, "status", used(9_000_000))
    assert await again.of(SCRIPT, READ) == 2_008


async def test_an_orderly_end_keeps_what_was_measured() -> None:
    store, periods = MemoryStore(), Periods()
    prices = book(periods, store)
    await prices.read(SCRIPT, "status", used(2_000_000))
    await prices.close()
    assert await book(periods, store).of(SCRIPT, READ) == 2_008


async def test_a_sudden_end_forgets_no_more_than_a_batch() -> None:
    store, periods = MemoryStore(), Periods()
    prices = book(periods, store)
    for gas in range(BATCH):
        await prices.read(SCRIPT, "status", used(2_000_000 - gas))
    await prices.read(SCRIPT, "status", used(9_000_000))
    assert await book(periods, store).of(SCRIPT, READ) == 2_008


async def test_two_workers_with_one_store_ask_the_same() -> None:
    store, periods = MemoryStore(), Periods()
    one, other = book(periods, store), book(periods, store)
    await one.read(SCRIPT, "status", used(2_000_000))
    await other.read(SCRIPT, "status", used(1_000_000))
    assert [await one.of(SCRIPT, READ), await other.of(SCRIPT, READ)] == [2_008, 2_008]
