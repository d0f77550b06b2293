"""What this node believes of the chain: members, token classes, minted tokens.

A projection of confirmed events, rebuilt at every start by following the chain from the
deployment on; nothing of it is stored. Followers hand it batches; whoever must act on a change
subscribes and is called in order, after the projection has moved.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from node.core.members import (
    Member,
    MemberAccount,
    MemberDelegated,
    MemberEvent,
    MemberJoined,
    MemberList,
    MemberMoved,
    MemberNamed,
    MemberRekeyed,
    MemberSlashed,
    MemberStaked,
)
from settlement.ports.chain import Block
from settlement.ports.chain_events import (
    ChainEvent,
    ClassRegistered,
    NodeLeft,
    NodeRegistered,
    RentStarted,
    RentToppedUp,
    ScriptPublished,
    StakeAdded,
    TermsScheduled,
    ThawRequested,
    TokenMoved,
    UrlsUpdated,
)
from settlement.ports.stake_events import (
    KeyRotated,
    NodeSlashed,
    OperatorChanged,
    PayoutChanged,
    StakeDelegated,
    StakeUndelegated,
)
from settlement.types import ZERO_ADDRESS, Address, Hash, TokenClass, TokenId

Listener = Callable[[ChainEvent], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedScript:
    """A script that the issuer named on chain in ``block``."""

    block: int
    uri: str
    hash: Hash


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassView:
    """A registered token class. ``rent_expiry`` and ``suspended_at``, where its grace ends, are
    chain time in seconds, 0 without rent; rent is paid for the periods before ``paid_until``."""

    token_class: TokenClass
    issuer: Address
    payout: Address
    scripts: tuple[PublishedScript, ...] = ()
    rent_expiry: int = 0
    paid_until: int = 0
    suspended_at: int = 0

    @property
    def newest(self) -> PublishedScript | None:
        """The script that is published now."""
        return self.scripts[-1] if self.scripts else None

    def script_at(self, block: int) -> PublishedScript | None:
        """The script that was published in ``block``, or the first one where that came later."""
        before = [script for script in self.scripts if script.block <= block]
        return before[-1] if before else next(iter(self.scripts), None)

    def rented_at(self, timestamp: int) -> bool:
        """Whether rent keeps the class at this chain time: it is paid, or in its grace."""
        return timestamp < max(self.rent_expiry, self.suspended_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView:
    """A token that exists: its holder now, and whom and in which block it was minted to."""

    token: TokenId
    holder: Address
    minted_to: Address
    minted_in: int


class ChainView:
    """The projection. Not shared between processes, never written by anything but events."""

    def __init__(self, chain_id: int) -> None:
        self.chain_id = chain_id
        self.head: Block | None = None
        self.members = MemberList()
        self.classes: dict[Hash, ClassView] = {}
        self.tokens: dict[Hash, TokenView] = {}
        self._listeners: list[Listener] = []
        self._applied: list[ChainEvent] = []
        self._rekeyed: list[tuple[int, KeyRotated]] = []
        self._graces: dict[int, int] = {}

    def subscribe(self, listener: Listener) -> None:
        """Have every later event delivered to ``listener``, after the view has moved."""
        self._listeners.append(listener)

    @property
    def watched(self) -> frozenset[Address]:
        """Contracts whose transfers matter: those of the registered classes."""
        return frozenset(view.token_class.contract for view in self.classes.values())

    @property
    def now_s(self) -> int:
        """Chain time: the timestamp of the newest block seen, 0 before the first."""
        return self.head.timestamp if self.head else 0

    def class_of(self, contract: Address) -> ClassView | None:
        """The class of a token contract, if it is registered."""
        return self.classes.get(TokenClass(chain_id=self.chain_id, contract=contract).id)

    def token_id(self, event: TokenMoved) -> Hash:
        """The id of the token that moved."""
        token = TokenId(chain_id=self.chain_id, contract=event.contract, number=event.number)
        return token.id

    async def follow(self, events: Sequence[ChainEvent], head: Block) -> None:
        """Move on by a batch of confirmed events."""
        self.head = head
        for event in events:
            self._apply(event)
            self._applied.append(event)
            for listener in self._listeners:
                await listener(event)

    def rewind(self, block: int) -> None:
        """Undo everything from ``block`` on: the chain replaced it."""
        self._applied = [event for event in self._applied if event.block < block]
        self._rekeyed = [
            (since, event)
            for since, event in self._rekeyed
            if since < block and event.block < block
        ]
        self._rebuild()

    def rotations(self) -> tuple[KeyRotated, ...]:
        """Changes of key that are announced and not in force; of one key's the last counts."""
        done = {event.position for _, event in self._rekeyed}
        found = {e.key: e for e in self._applied if isinstance(e, KeyRotated)}
        return tuple(event for event in found.values() if event.position not in done)

    async def rekey(self, event: KeyRotated, block: int) -> None:
        """A change of key is in force from ``block`` on, the first one of its period."""
        self._rekeyed.append((block, event))
        self._rekeyed.sort(key=lambda found: found[0])
        self._rebuild()
        for listener in self._listeners:
            await listener(event)

    def _rebuild(self) -> None:
        """Everything again from its events; changes of key stand before their block's others."""
        self.members, self.classes, self.tokens = MemberList(), {}, {}
        self._graces = {}
        waiting = list(self._rekeyed)
        for event in self._applied:
            while waiting and waiting[0][0] <= event.block:
                self._apply_key(*waiting.pop(0))
            self._apply(event)
        for since, rotated in waiting:
            self._apply_key(since, rotated)

    def _apply_key(self, block: int, event: KeyRotated) -> None:
        change = MemberRekeyed(block=block, key=event.key, new_key=event.new_key)
        self.members = self.members.after(change)

    def _apply(self, event: ChainEvent) -> None:
        match event:
            case ClassRegistered() | ScriptPublished() | RentStarted() | RentToppedUp():
                self._apply_class(event)
            case TokenMoved():
                self._move_token(event)
            case TermsScheduled():
                self._graces[event.from_period] = event.terms.rent_grace
                self.classes = {name: self._graced(view) for name, view in self.classes.items()}
            case _:
                change = member_event(event)
                if change is not None:
                    self.members = self.members.after(change)

    def _apply_class(
        self, event: ClassRegistered | ScriptPublished | RentStarted | RentToppedUp
    ) -> None:
        if isinstance(event, ClassRegistered):
            self.classes[event.token_class] = ClassView(
                token_class=TokenClass(chain_id=self.chain_id, contract=event.token_contract),
                issuer=event.issuer,
                payout=event.payout,
            )
            return
        view = self.classes[event.token_class]
        if isinstance(event, ScriptPublished):
            published = PublishedScript(
                block=event.block, uri=event.script_uri, hash=event.script_hash
            )
            view = replace(view, scripts=(*view.scripts, published))
        else:
            view = replace(view, rent_expiry=event.expiry, paid_until=event.paid_until)
            view = self._graced(view)
        self.classes[event.token_class] = view

    def _graced(self, view: ClassView) -> ClassView:
        """With the end of its grace, by the terms of the first period that is not paid."""
        since = max((period for period in self._graces if period <= view.paid_until), default=None)
        grace = 0 if since is None else self._graces[since]
        return replace(view, suspended_at=view.rent_expiry and view.rent_expiry + grace)

    def _move_token(self, event: TokenMoved) -> None:
        token = TokenId(chain_id=self.chain_id, contract=event.contract, number=event.number)
        held = self.tokens.get(token.id)
        if event.receiver == ZERO_ADDRESS:
            self.tokens.pop(token.id, None)
            return
        if held is not None:
            self.tokens[token.id] = replace(held, holder=event.receiver)
            return
        self.tokens[token.id] = TokenView(
            token=token, holder=event.receiver, minted_to=event.receiver, minted_in=event.block
        )


def member_event(event: ChainEvent) -> MemberEvent | None:
    """What an event of the registry says about membership, if anything."""
    match event:
        case NodeRegistered():
            member = Member(
                key=event.key,
                operator=event.operator,
                payout=event.payout,
                roles=event.roles,
                api_url=event.api_url,
                link_url=event.link_url,
                stake=event.stake,
                since_block=event.block,
            )
            return MemberJoined(block=event.block, member=member)
        case StakeDelegated() | StakeUndelegated():
            return MemberDelegated(block=event.block, key=event.key, delegated=event.delegated)
        case NodeSlashed():
            return MemberSlashed(
                block=event.block, key=event.key, stake=event.stake, delegated=event.delegated
            )
        case PayoutChanged():
            return MemberAccount(block=event.block, key=event.key, payout=event.payout)
        case OperatorChanged():
            return MemberAccount(block=event.block, key=event.key, operator=event.operator)
        case KeyRotated():
            return MemberNamed(block=event.block, key=event.key, new_key=event.new_key)
        case StakeAdded() | ThawRequested():
            return MemberStaked(block=event.block, key=event.key, stake=event.stake)
        case NodeLeft():
            return MemberStaked(block=event.block, key=event.key, stake=0)
        case UrlsUpdated():
            return MemberMoved(
                block=event.block, key=event.key, api_url=event.api_url, link_url=event.link_url
            )
        case _:
            return None
