"""The member list: who is a node, as the registry's events tell it.

A projection that keeps every past view, so that "at block N" has one answer for everybody and a
reorganisation is undone by forgetting blocks. Source: ``contracts/interfaces/INodeRegistry.sol``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import takewhile

from node.errors import SignerUnknown
from settlement.types import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A node as the chain shows it after some block. ``stake`` is the operator's active stake,
    ``delegated`` that of others, in base units; ``roles`` the registry's bitmask, 1 service and 2
    anchor; ``since_block`` holds its registration. ``payout`` holds from the next period on."""

    key: Address
    operator: Address
    roles: int
    api_url: str
    link_url: str
    stake: int
    since_block: int
    payout: Address
    delegated: int = 0

    @property
    def weight(self) -> int:
        """All active stake: what the node weighs in placement."""
        return self.stake + self.delegated


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberJoined:
    """NodeRegistered."""

    block: int
    member: Member


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberStaked:
    """StakeAdded, ThawRequested or NodeLeft: ``stake`` is active from this block on, 0 when the
    node left."""

    block: int
    key: Address
    stake: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberMoved:
    """UrlsUpdated."""

    block: int
    key: Address
    api_url: str
    link_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberDelegated:
    """StakeDelegated or StakeUndelegated: ``delegated`` is active from this block on."""

    block: int
    key: Address
    delegated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSlashed:
    """NodeSlashed: what is left active, of both kinds."""

    block: int
    key: Address
    stake: int
    delegated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberAccount:
    """PayoutChanged or OperatorChanged; None leaves an account as it was."""

    block: int
    key: Address
    payout: Address | None = None
    operator: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberNamed:
    """KeyRotated: events may name the node by ``new_key`` from this block on."""

    block: int
    key: Address
    new_key: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRekeyed:
    """The first block of the period in which ``new_key`` is the node's."""

    block: int
    key: Address
    new_key: Address


MemberEvent = (
    MemberJoined
    | MemberStaked
    | MemberMoved
    | MemberDelegated
    | MemberSlashed
    | MemberAccount
    | MemberNamed
    | MemberRekeyed
)
Version = tuple[int, Member]
"""A view of a member, and the block from which it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberList:
    """Every node that ever registered, each with its versions by block, oldest first.

    ``names`` leads from a node's other keys to its present one, with the block that said so.
    """

    versions: dict[Address, tuple[Version, ...]] = field(default_factory=dict)
    names: dict[Address, tuple[int, Address]] = field(default_factory=dict)

    def after(self, event: MemberEvent) -> "MemberList":
        """The list with one more event; events come in the chain's order.

        Raises SignerUnknown for an event about a node that never registered.
        """
        match event:
            case MemberJoined(block=block, member=member):
                changed = member
            case MemberStaked(block=block, key=key, stake=stake):
                changed = replace(self._newest(key), stake=stake)
            case MemberMoved(block=block, key=key, api_url=api_url, link_url=link_url):
                changed = replace(self._newest(key), api_url=api_url, link_url=link_url)
            case MemberDelegated(block=block, key=key, delegated=delegated):
                changed = replace(self._newest(key), delegated=delegated)
            case MemberSlashed(block=block, key=key, stake=stake, delegated=delegated):
                changed = replace(self._newest(key), stake=stake, delegated=delegated)
            case MemberAccount(block=block, key=key, payout=payout, operator=operator):
                held = self._newest(key)
                changed = replace(
                    held,
                    payout=held.payout if payout is None else payout,
                    operator=held.operator if operator is None else operator,
                )
            case MemberNamed(block=block, key=key, new_key=new_key):
                name = (block, self._newest(key).key)
                return replace(self, names=self.names | {new_key: name})
            case MemberRekeyed():
                return self._rekeyed(event)
        return replace(self, versions=self._with(block, changed))

    def _rekeyed(self, event: MemberRekeyed) -> "MemberList":
        """The old key is no member any more; the new one takes its place, age included."""
        old = self._newest(event.key)
        versions = self._with(event.block, replace(old, stake=0, delegated=0))
        known = versions.get(event.new_key, ())
        taken = (*known, (event.block, replace(old, key=event.new_key)))
        names = {key: name for key, name in self.names.items() if key != event.new_key}
        return MemberList(
            versions=versions | {event.new_key: taken},
            names=names | {old.key: (event.block, event.new_key)},
        )

    def _with(self, block: int, changed: Member) -> dict[Address, tuple[Version, ...]]:
        known = self.versions.get(changed.key, ())
        return self.versions | {changed.key: (*known, (block, changed))}

    def after_all(self, events: Iterable[MemberEvent]) -> "MemberList":
        """The list after several events."""
        found = self
        for event in events:
            found = found.after(event)
        return found

    def up_to(self, block: int) -> "MemberList":
        """The list without anything after ``block``: a reorganisation's undo."""
        kept = {
            key: tuple(takewhile(lambda version: version[0] <= block, versions))
            for key, versions in self.versions.items()
        }
        return MemberList(
            versions={key: versions for key, versions in kept.items() if versions},
            names={key: name for key, name in self.names.items() if name[0] <= block},
        )

    def at(self, key: Address, block: int) -> Member | None:
        """A node as it stood at the end of ``block``; None before it registered."""
        views = [member for since, member in self.versions.get(key, ()) if since <= block]
        return views[-1] if views else None

    def active_at(self, block: int, roles: int) -> tuple[Member, ...]:
        """The nodes with all of ``roles`` and some active stake at the end of ``block``, by key."""
        views = (self.at(key, block) for key in sorted(self.versions))
        return tuple(m for m in views if m and m.stake > 0 and m.roles & roles == roles)

    def active(self, roles: int) -> tuple[Member, ...]:
        """The nodes with all of ``roles`` and some active stake by the newest view, by key."""
        views = (self.versions[key][-1][1] for key in sorted(self.versions))
        return tuple(m for m in views if m.stake > 0 and m.roles & roles == roles)

    def newest(self, key: Address) -> Member | None:
        """A node by the newest view, whether it is active or not."""
        versions = self.versions.get(key)
        return versions[-1][1] if versions else None

    def present_key(self, key: Address) -> Address:
        """The present key of the node that has, had or will have ``key``."""
        while key in self.names:
            key = self.names[key][1]
        return key

    def _newest(self, key: Address) -> Member:
        member = self.newest(self.present_key(key))
        if member is None:
            raise SignerUnknown(signer=key, role="registered node")
        return member
