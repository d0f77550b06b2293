"""How many reads may fail unpaid: whose failures count together, and what calls at once can do."""

import asyncio

import pytest

from node.errors import FailuresUsedUp, ReadFailed, RunFailed
from node.services.unpaid import FREE_FAILURES, RUNS_AT_ONCE, Interface, UnpaidRuns
from settlement.protocol.messages import Voucher
from settlement.types import Address, keccak

BROKEN, SOUND = (keccak(b"one script"), "status"), (keccak(b"another"), "status")


def by(name: bytes, period: int = 0) -> Voucher:
    return Voucher(
        signer=Address(keccak(name)[12:]),
        period=period,
        node=Address(b"n" * 20),
        token_class=keccak(b"class"),
        cumulative=1,
    )


async def fail(unpaid: UnpaidRuns, voucher: Voucher, interface: Interface = BROKEN) -> None:
    async with unpaid.turn(voucher, interface):
        await asyncio.sleep(0)
        raise ReadFailed(interface=interface[1], status="out_of_gas", problem="")


async def use_up(unpaid: UnpaidRuns, voucher: Voucher) -> None:
    for _ in range(FREE_FAILURES):
        with pytest.raises(ReadFailed):
            await fail(unpaid, voucher)


async def test_a_broken_script_shuts_its_callers_out_of_no_other() -> None:
    unpaid, caller = UnpaidRuns(), by(b"caller")
    await use_up(unpaid, caller)
    async with unpaid.turn(caller, SOUND):
        pass
    with pytest.raises(FailuresUsedUp):
        await fail(unpaid, caller)
    unpaid.paid(caller, SOUND)
    with pytest.raises(ReadFailed):
        await fail(unpaid, caller)


async def test_once_failures_are_used_up_another_interface_may_fail_once() -> None:
    unpaid, caller = UnpaidRuns(), by(b"caller")
    await use_up(unpaid, caller)
    with pytest.raises(ReadFailed):
        await fail(unpaid, caller, SOUND)
    with pytest.raises(FailuresUsedUp):
        await fail(unpaid, caller, SOUND)


async def test_one_callers_failures_are_not_anothers() -> None:
    unpaid = UnpaidRuns()
    await use_up(unpaid, by(b"caller"))
    await use_up(unpaid, by(b"another caller"))


async def test_many_calls_at_once_fail_no_oftener_than_take_turns() -> None:
    unpaid, caller = UnpaidRuns(), by(b"caller")
    calls = (fail(unpaid, caller) for _ in range(100))
    ended = await asyncio.gather(*calls, return_exceptions=True)
    ran = [error for error in ended if isinstance(error, ReadFailed)]
    assert FREE_FAILURES <= len(ran) < FREE_FAILURES + RUNS_AT_ONCE


async def test_what_this_node_could_not_run_is_nobodys_failure() -> None:
    unpaid, caller = UnpaidRuns(), by(b"caller")
    for _ in range(2 * FREE_FAILURES):
        with pytest.raises(RunFailed):
            async with unpaid.turn(caller, BROKEN):
                raise RunFailed(status="timeout", problem="too slow here")


async def test_payment_ahead_of_failures_is_not_saved_up() -> None:
    unpaid, caller = UnpaidRuns(), by(b"caller")
    for _ in range(100):
        unpaid.paid(caller, BROKEN)
    await use_up(unpaid, caller)
    with pytest.raises(FailuresUsedUp):
        await fail(unpaid, caller)


async def test_failures_of_an_earlier_period_are_forgotten() -> None:
    unpaid = UnpaidRuns()
    await use_up(unpaid, by(b"caller"))
    await use_up(unpaid, by(b"caller", period=1))
    with pytest.raises(FailuresUsedUp):
        await fail(unpaid, by(b"caller", period=1))
