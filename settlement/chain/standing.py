"""How an RPC endpoint has served, and for how long it is left alone after a fault."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from settlement.errors import ChainError
from settlement.ports.chain_errors import (
    AnswerMisshapen,
    EndpointBehind,
    QuotaExceeded,
    RpcUnreachable,
    WrongChain,
)

_LONGEST_STREAK = 10


class Fault(StrEnum):
    """What an endpoint did wrong."""

    OUTAGE = "outage"
    QUOTA = "quota"
    SLOW = "slow"
    BEHIND = "behind"
    OUTVOTED = "outvoted"
    WRONG_CHAIN = "wrong_chain"


@dataclass(frozen=True, slots=True)
class Bench:
    """How long a fault benches: ``first`` seconds, doubled for each further fault in a row, up to
    ``longest``. For up to ``closed`` seconds of it not even the last endpoint left is asked."""

    first: float
    longest: float
    closed: float = 0.0


BENCHES = {
    Fault.OUTAGE: Bench(0.5, 60.0),
    Fault.QUOTA: Bench(1.0, 60.0, closed=4.0),
    Fault.SLOW: Bench(1.0, 30.0),
    Fault.BEHIND: Bench(1.0, 15.0),
    Fault.OUTVOTED: Bench(5.0, 300.0),
    Fault.WRONG_CHAIN: Bench(60.0, 300.0),
}


@dataclass(kw_only=True, eq=False)
class Standing:
    """The record of one endpoint; ``now`` is always the event loop's time, in seconds.

    ``shown`` is its host and port: the rest of its address may hold a key.
    """

    shown: str
    answers: int = 0
    faults: Counter[Fault] = field(default_factory=Counter)
    streak: int = 0
    benched_until: float = 0.0
    closed_until: float = 0.0
    benched_for: Fault | None = None

    def answered(self) -> None:
        """An answer came; whether it is right shows when it is compared."""
        self.answers += 1
        if self.benched_for not in (Fault.OUTVOTED, Fault.BEHIND):
            self.confirmed()

    def confirmed(self) -> None:
        """What it answered is right."""
        self.streak = 0
        self.benched_for = None
        self.benched_until = self.closed_until = 0.0

    def failed(self, fault: Fault, now: float) -> None:
        """A fault: bench it, the longer the more faults came in a row."""
        bench = BENCHES[fault]
        self.faults[fault] += 1
        length = min(bench.first * 2 ** min(self.streak, _LONGEST_STREAK), bench.longest)
        self.streak += 1
        self.benched_for = fault
        self.benched_until = now + length
        self.closed_until = now + min(length, bench.closed)

    def benched(self, now: float) -> bool:
        """Whether others are to be asked first."""
        return now < self.benched_until

    def closed(self, now: float) -> bool:
        """Whether it is not to be asked at all."""
        return now < self.closed_until


def fault_of(error: ChainError) -> Fault | None:
    """The fault that an error shows; None where the endpoint did nothing wrong."""
    match error:
        case WrongChain():
            return Fault.WRONG_CHAIN
        case QuotaExceeded():
            return Fault.QUOTA
        case AnswerMisshapen():
            return Fault.OUTVOTED  # nobody else can say the same
        case EndpointBehind():
            return Fault.BEHIND
        case RpcUnreachable():
            return Fault.OUTAGE
        case _:
            return None
