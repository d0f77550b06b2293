"""What the story saw, as values: the network, who signed what and when, and the money."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSeen:
    """A process of the network. ``role`` is "anchor" or "service"."""

    name: str
    role: str
    key: str
    api_url: str
    stake: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSeen:
    """A token, the names of its replicas and of the executor that the anchors elected."""

    name: str
    holders: tuple[str, ...]
    executor: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One line of the timeline: ``actor`` did ``deed``; ``signature`` says what was signed.

    ``at_ms`` counts from the start of the story. ``lane`` groups actors into columns.
    """

    at_ms: int
    lane: str
    actor: str
    deed: str
    signature: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutSeen:
    """What one account was due by recomputation and what the chain shows, in base units."""

    name: str
    role: str
    account: str
    computed: int
    on_chain: int

    @property
    def difference(self) -> int:
        return self.on_chain - self.computed


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Something that the story claims, and whether it held."""

    claim: str
    held: bool


@dataclass(slots=True, kw_only=True)
class StoryReport:
    """Filled in as the story goes on; what the summary and the page show."""

    chain: str = ""
    nodes: list[NodeSeen] = field(default_factory=list)
    tokens: list[TokenSeen] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    payouts: list[PayoutSeen] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    deposit: int = 0
    statement: int = 0
    reads: int = 0
    reads_by_node: dict[str, int] = field(default_factory=dict)
    read_ms: list[float] = field(default_factory=list)
    reads_per_s: float = 0.0
    seconds: float = 0.0
    folder: str = ""

    def percentile(self, share: float) -> float:
        """The time in milliseconds that ``share`` of the reads stayed below."""
        ordered = sorted(self.read_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    @property
    def difference(self) -> int:
        """Base units by which chain and recomputation differ, summed over all accounts."""
        return sum(abs(payout.difference) for payout in self.payouts)

    @property
    def held(self) -> bool:
        """Whether every check held, and there were any."""
        return bool(self.checks) and all(check.held for check in self.checks)


def tokens_text(amount: int) -> str:
    """An amount in Service Tokens, exact, without trailing zeros."""
    whole, part = divmod(abs(amount), 10**18)
    digits = f"{part:018d}".rstrip("0")
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole:,}" + (f".{digits}" if digits else "")
