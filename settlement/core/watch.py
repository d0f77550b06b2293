"""Another anchor's period, as whoever is owed something by it watches it.

::

    OPEN --the anchor commits a root--> COMMITTED --nobody disproves it--> FINAL
      |                                      `--disproved, or hidden--> VOID
      `--the settle window ends without a root--> LATE
    VOID, FINAL, LATE --the window of direct claims ends--> OVER

What is done in each: until it is final, leases are added up. OPEN, late in the grace: post vouchers
that are not acknowledged. COMMITTED: inspect the root until it is cleared, void it where a demand
is not answered. FINAL: collect what the anchor does not pay out. VOID: forfeit the bond, give the
debits back. LATE: give the debits back. Then, in the window: claim directly. What is given back are
the chunks that we have something to claim from; whoever performs it knows which.

Only the chain moves a period on; what we send is sent again after a pause for as long as the chain
does not show it, and every performer asks the chain first. So a process may die at any point.
"""

from dataclasses import dataclass, replace

from settlement.core.machine import Machine, Record, Transition
from settlement.core.watch_events import (
    ActionClear,
    ActionReopen,
    ContractReceiveBondGone,
    ContractReceiveClock,
    ContractReceiveDebited,
    ContractReceiveDemand,
    ContractReceiveForgotten,
    ContractReceiveGivenBack,
    ContractReceivePaidOut,
    ContractReceiveRoot,
    ContractReceiveShown,
    ContractReceiveVoided,
    ContractSendForfeit,
    ContractSendRestore,
    ContractSendVoidUnshown,
    DebitedChunk,
    Demand,
    PerformCheckLeases,
    PerformClaim,
    PerformCollect,
    PerformInspect,
    PerformPost,
    ShownPayout,
    WatchedChunk,
    WatchEffect,
    WatchEvent,
    WatchLog,
    WatchStage,
)
from settlement.types import ZERO_ADDRESS, ZERO_HASH, Address, Hash, Uint32, Uint64, Uint128

ANCHORS_PATIENCE = 8
"""After this part of a challenge window payouts are collected that the anchor did not pay."""

LOOKS_PER_WINDOW = 24
"""Looks in one challenge window; the pause between two follows from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchState:
    """One anchor's period. Times are chain seconds; ``look_at`` is when to act next.

    ``payouts`` are those of whom we watch for, with their proofs, until they are paid.
    ``kept`` names the chunks whose rows are in the log, which no reorganisation takes back.
    """

    anchor: Address
    period: Uint32
    stage: WatchStage = WatchStage.OPEN
    chunks: tuple[WatchedChunk, ...] = ()
    kept: tuple[Hash, ...] = ()
    root: Hash = ZERO_HASH
    total: Uint128 = 0
    leaf_count: Uint32 = 0
    final_at: Uint64 = 0
    bond: Uint128 = 0
    cleared: bool = False
    demands: tuple[Demand, ...] = ()
    shown: tuple[ShownPayout, ...] = ()
    payouts: tuple[ShownPayout, ...] = ()
    challenger: Address = ZERO_ADDRESS
    node: Address = ZERO_ADDRESS
    look_at: Uint64 = 0
    block: int = -1
    log_index: int = -1

    @property
    def position(self) -> tuple[int, int]:
        """The place of the newest event that was taken."""
        return self.block, self.log_index

    @property
    def unrestored(self) -> tuple[WatchedChunk, ...]:
        """Chunks whose debits were not given back."""
        return tuple(chunk for chunk in self.chunks if not chunk.restored)

    @property
    def unanswered(self) -> tuple[Demand, ...]:
        """Demands without an answer."""
        answered = {payout.account for payout in self.shown}
        return tuple(demand for demand in self.demands if demand.account not in answered)

    def shown_for(self, account: Address) -> ShownPayout | None:
        """What the root was shown to pay an account."""
        return next((payout for payout in self.shown if payout.account == account), None)


def watch_key(anchor: Address, period: int) -> str:
    """``{anchor}/{period}``."""
    return f"{anchor.hex()}/{period}"


def debited_stream(anchor: Address, period: int, commitment: Hash) -> str:
    """The log whose position 0 holds the rows of one debited chunk."""
    return f"debited/{anchor.hex()}/{period}/{commitment.hex()}"


def initial_watch(key: str) -> WatchState:
    """A period of which the chain has said nothing."""
    anchor, period = key.split("/")
    return WatchState(anchor=Address(bytes.fromhex(anchor)), period=int(period))


_Moved = Transition[WatchState, WatchEffect]


def step(state: WatchState, event: WatchEvent, _now_ms: int) -> _Moved:
    """Take an event; one of the chain's that was taken before changes nothing."""
    match event:
        case ContractReceiveClock():
            return _clock(state, event)
        case ContractReceiveForgotten():
            fresh = WatchState(anchor=state.anchor, period=state.period, kept=state.kept)
            return Transition(state=fresh)
        case ActionClear():
            if event.root != state.root:
                return Transition(state=state)
            return Transition(state=replace(state, cleared=True, payouts=event.payouts))
        case ActionReopen():
            return Transition(state=replace(state, cleared=False, look_at=0))
    if not isinstance(event, WatchLog) or event.position <= state.position:
        return Transition(state=state)
    moved = replace(_told(state, event), block=event.block, log_index=event.log_index)
    if not isinstance(event, ContractReceiveDebited) or event.commitment in state.kept:
        return Transition(state=moved)
    stream = debited_stream(state.anchor, state.period, event.commitment)
    record = Record(stream=stream, position=0, body=DebitedChunk(rows=event.rows))
    return Transition(state=replace(moved, kept=(*state.kept, event.commitment)), records=(record,))


WATCH: Machine[WatchState, WatchEvent, WatchEffect] = Machine(
    kind="watch",
    state_type=WatchState,
    effect_types=(
        PerformPost,
        PerformCheckLeases,
        PerformInspect,
        PerformCollect,
        PerformClaim,
        ContractSendVoidUnshown,
        ContractSendForfeit,
        ContractSendRestore,
    ),
    initial=initial_watch,
    step=step,
)


def _told(state: WatchState, event: WatchLog) -> WatchState:
    match event:
        case ContractReceiveDebited(chunk=number, commitment=commitment):
            chunk = WatchedChunk(number=number, commitment=commitment)
            return replace(state, chunks=(*state.chunks, chunk))
        case ContractReceiveGivenBack(chunk=number):
            chunks = tuple(
                replace(chunk, restored=True) if chunk.number == number else chunk
                for chunk in state.chunks
            )
            return replace(state, chunks=chunks, look_at=0)
        case ContractReceiveRoot():
            return replace(
                state,
                stage=WatchStage.COMMITTED,
                root=event.root,
                total=event.total,
                leaf_count=event.leaf_count,
                final_at=event.final_at,
                bond=event.bond,
                look_at=0,
            )
        case ContractReceiveDemand(demand=demand):
            return replace(state, demands=(*state.demands, demand))
        case ContractReceiveShown(payout=payout):
            return replace(state, shown=(*state.shown, payout), look_at=0)
        case ContractReceiveVoided(challenger=challenger, node=node):
            return replace(
                state, stage=WatchStage.VOID, challenger=challenger, node=node, look_at=0
            )
        case ContractReceivePaidOut(first=first, count=count):
            unpaid = (p for p in state.payouts if not first <= p.shown.first < first + count)
            return replace(state, payouts=tuple(unpaid))
        case ContractReceiveBondGone():
            return replace(state, bond=0)
        case _:
            return state


def stage_at(state: WatchState, now: int, settle_until: int, direct_until: int) -> WatchStage:
    """Where the period stands once the clock shows ``now``."""
    stage = state.stage
    if stage is WatchStage.COMMITTED:
        return WatchStage.FINAL if now >= state.final_at else stage
    if now >= direct_until:
        return WatchStage.OVER
    if stage is WatchStage.OPEN and now >= settle_until:
        return WatchStage.LATE
    return stage


def _clock(state: WatchState, event: ContractReceiveClock) -> _Moved:
    now, windows = event.now, event.windows
    stage = stage_at(state, now, windows.settle_until, windows.direct_until)
    moved = replace(state, stage=stage)
    if now < state.look_at and stage is state.stage:
        return Transition(state=moved)
    pause = max(1, event.challenge_window // LOOKS_PER_WINDOW)
    return Transition(
        state=replace(moved, look_at=now + pause), effects=tuple(_tasks(moved, event))
    )


def _tasks(state: WatchState, event: ContractReceiveClock) -> list[WatchEffect]:
    now, windows = event.now, event.windows
    anchor, period = state.anchor, state.period
    tasks: list[WatchEffect] = []
    if state.stage in (WatchStage.OPEN, WatchStage.COMMITTED, WatchStage.LATE):
        tasks.append(PerformCheckLeases(anchor=anchor, period=period))
    match state.stage:
        case WatchStage.OPEN:
            half_grace = (windows.closes_at + windows.settle_from) // 2
            if half_grace <= now < windows.settle_from:
                tasks.append(PerformPost(anchor=anchor, period=period))
        case WatchStage.COMMITTED:
            if not state.cleared:
                tasks.append(PerformInspect(anchor=anchor, period=period))
            tasks += [
                ContractSendVoidUnshown(anchor=anchor, period=period, account=demand.account)
                for demand in state.unanswered
                if now >= demand.answer_until
            ]
        case WatchStage.VOID if state.bond:
            tasks.append(
                ContractSendForfeit(
                    anchor=anchor, period=period, challenger=state.challenger, node=state.node
                )
            )
        case WatchStage.FINAL:
            # The anchor pays at once; what is left after a while it will not pay.
            patience = event.challenge_window // ANCHORS_PATIENCE
            if state.payouts and now >= state.final_at + patience:
                tasks.append(PerformCollect(anchor=anchor, period=period))
    after = state.stage in (WatchStage.VOID, WatchStage.LATE, WatchStage.FINAL)
    if after and windows.settle_until <= now < windows.direct_until:
        tasks.append(PerformClaim(anchor=anchor, period=period))
    if state.stage in (WatchStage.VOID, WatchStage.LATE):
        tasks += _restores(state)  # behind the claims, which need not wait for them
    return tasks


def _restores(state: WatchState) -> list[WatchEffect]:
    return [
        ContractSendRestore(
            anchor=state.anchor,
            period=state.period,
            chunk=chunk.number,
            commitment=chunk.commitment,
        )
        for chunk in state.unrestored
    ]
