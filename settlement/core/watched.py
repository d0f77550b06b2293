"""Evidence that another node handed over: what it was promised in a lane, and by whom it is owed.

An anchor may sign words that contradict each other, such as a wider lease that acknowledges less.
So two of them are kept for a lane: the one that leases most, and the one that acknowledges most.

Bounded by whoever takes it in; only ever grows, so that an old copy takes nothing back.
"""

from dataclasses import dataclass, replace

from settlement.core.lane import NO_SIGNATURE, LaneState
from settlement.core.machine import Machine, Transition
from settlement.protocol.signed import SignedAcknowledgement, SignedVoucher
from settlement.types import Address, Hash, Signature, Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveEvidence:
    """A lane's voucher and its acknowledgement; both signatures were checked."""

    voucher: SignedVoucher
    acknowledgement: SignedAcknowledgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What an anchor signed of a lane, with its signature; empty where it signed nothing."""

    acknowledged: Uint128 = 0
    lease_cap: Uint128 = 0
    signature: Signature = NO_SIGNATURE


NO_WORD = Word()


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedLane(LaneState):
    """A lane as the evidence proves it. The acknowledgement that it has as a lane is the one that
    leases most; ``owed`` is the one that acknowledges most, which a debt is proved by.

    ``own`` lanes are this node's; the others were handed over.
    """

    owed: Word = NO_WORD
    own: bool = False

    @property
    def leased(self) -> Word:
        """The word that leases most: for posting, claiming, and adding up leases."""
        return Word(
            acknowledged=self.acknowledged,
            lease_cap=self.lease_cap,
            signature=self.acknowledgement,
        )

    @property
    def most_owed(self) -> Word:
        """The word that acknowledges most: for debts and challenges."""
        return max(self.owed, self.leased, key=_owing)


def watched_key(node: Address, period: int, signer: Address, token_class: Hash) -> str:
    """``{node}/{period}/{signer}/{class}``: the lanes of one node stand together."""
    return f"{node.hex()}/{period}/{signer.hex()}/{token_class.hex()}"


def initial_watched(key: str) -> WatchedLane:
    """A lane of which nothing was handed over."""
    node, period, signer, token_class = key.split("/")
    return WatchedLane(
        signer=Address(bytes.fromhex(signer)),
        period=int(period),
        node=Address(bytes.fromhex(node)),
        token_class=Hash(bytes.fromhex(token_class)),
    )


def step(state: WatchedLane, event: ReceiveEvidence, _now_ms: int) -> Transition[WatchedLane, None]:
    """Take what is more than what is held; the rest changes nothing."""
    voucher, acknowledgement = event.voucher.message, event.acknowledgement.message
    moved = state
    if voucher.cumulative > moved.highest:
        moved = replace(moved, highest=voucher.cumulative, signature=event.voucher.signature)
    word = Word(
        acknowledged=acknowledgement.acknowledged,
        lease_cap=acknowledgement.lease_cap,
        signature=event.acknowledgement.signature,
    )
    return Transition(state=_with_word(moved, word))


def own_lane(lane: LaneState) -> WatchedLane:
    """This node's own lane as evidence."""
    found = WatchedLane(
        signer=lane.signer,
        period=lane.period,
        node=lane.node,
        token_class=lane.token_class,
        highest=lane.highest,
        signature=lane.signature,
        own=True,
    )
    word = Word(
        acknowledged=lane.acknowledged,
        lease_cap=lane.lease_cap,
        signature=lane.acknowledgement,
    )
    return _with_word(found, word)


def stronger(one: WatchedLane, other: WatchedLane) -> WatchedLane:
    """What two copies of a lane prove together: the higher voucher, the widest lease, and the most
    that is acknowledged."""
    voucher = max(one, other, key=lambda lane: lane.highest)
    moved = replace(one, highest=voucher.highest, signature=voucher.signature)
    moved = _with_word(_with_word(moved, other.leased), other.most_owed)
    return replace(moved, own=one.own or other.own)


def _owing(word: Word) -> tuple[int, int]:
    return word.acknowledged, word.lease_cap


def _leasing(word: Word) -> tuple[int, int]:
    return word.lease_cap, word.acknowledged


def _with_word(state: WatchedLane, word: Word) -> WatchedLane:
    leased = max(state.leased, word, key=_leasing)
    return replace(
        state,
        acknowledged=leased.acknowledged,
        lease_cap=leased.lease_cap,
        acknowledgement=leased.signature,
        owed=max(state.most_owed, word, key=_owing),
    )


WATCHED: Machine[WatchedLane, ReceiveEvidence, None] = Machine(
    kind="watched", state_type=WatchedLane, effect_types=(), initial=initial_watched, step=step
)
