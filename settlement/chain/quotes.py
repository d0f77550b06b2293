"""What something costs and what it binds, before it is signed."""

from dataclasses import dataclass

from settlement.chain.calls import ANCHOR, SERVICE, amount_text
from settlement.chain.reader import RpcChainReader
from settlement.chain.reverts import moment
from settlement.errors import InputError
from settlement.ports.chain_records import ChainParameters, Windows
from settlement.types import Address, Hash

DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """``amount`` of ``unit`` (STK or SVC, base units) will be taken; ``notes`` say what it binds.

    ``held`` is what the payer has of the token, ``allowed`` what the contract may take already.
    """

    amount: int
    unit: str
    held: int
    allowed: int
    notes: tuple[str, ...]

    @property
    def missing(self) -> int:
        """What the payer lacks."""
        return max(0, self.amount - self.held)

    def lines(self) -> tuple[str, ...]:
        """The quote as sentences for a person."""
        price, held = amount_text(self.amount, self.unit), amount_text(self.held, self.unit)
        return (f"Takes {price}; the account holds {held}.", *self.notes)


async def quote_stake(
    reader: RpcChainReader, payer: Address, roles: int, stake: int | None
) -> Quote:
    """Registering a node with these roles; the least stake they need where ``stake`` is None.

    Raises InputError for unknown roles.
    """
    if roles not in (SERVICE, ANCHOR, SERVICE | ANCHOR):
        raise InputError(where="roles", problem="expected 1 (service), 2 (anchor) or 3 (both)")
    terms = (await reader.parameters()).terms
    service = terms.minimum_service_stake if roles & SERVICE else 0
    least = max(service, terms.minimum_anchor_stake if roles & ANCHOR else 0)
    notes = [
        f"These roles need at least {amount_text(least, 'STK')}.",
        f"It thaws {duration(terms.thaw_time)} before it comes back, and is at risk until then.",
    ]
    if roles & ANCHOR:
        ratio = f"{terms.bond_ratio / 100:g} %"
        notes.append(f"As anchor, {ratio} of each period's sum is locked until it is final.")
    registry = reader.deployment.registry
    return Quote(
        amount=least if stake is None else stake,
        unit="STK",
        held=await reader.stake_balance(payer),
        allowed=await reader.allowance("StakeToken", payer, registry),
        notes=tuple(notes),
    )


async def quote_rent(
    reader: RpcChainReader, payer: Address, class_id: Hash, instances: int, periods: int
) -> Quote:
    """Starting or extending rent. Raises CallReverted for quantities out of bounds."""
    amount, expiry = await reader.rent_quote(class_id, instances, periods)
    terms = (await reader.parameters()).terms
    price = amount_text(terms.rent_price, "SVC")
    return Quote(
        amount=amount,
        unit="SVC",
        held=await reader.balance(payer),
        allowed=await reader.allowance("ServiceToken", payer, reader.deployment.rent),
        notes=(
            f"{price} per instance and period, fixed at purchase; not refunded.",
            f"Paid until {moment(expiry)}, then {duration(terms.rent_grace)} of grace.",
        ),
    )


async def quote_deposit(reader: RpcChainReader, payer: Address, amount: int) -> Quote:
    """Depositing into a channel."""
    terms = (await reader.parameters()).terms
    shares = f"{terms.protocol_share / 100:g} % protocol, {terms.anchor_share / 100:g} % anchor"
    return Quote(
        amount=amount,
        unit="SVC",
        held=await reader.balance(payer),
        allowed=await reader.allowance("ServiceToken", payer, reader.deployment.hub),
        notes=(
            f"The rest comes back {duration(terms.withdrawal_delay)} after the period that asks.",
            f"Of what is spent: {shares}, the issuer's share, the rest to the nodes.",
        ),
    )


def window_notes(parameters: ChainParameters, period: int, now: int) -> tuple[str, ...]:
    """Where chain time ``now`` stands in a period's windows, as sentences."""
    windows: Windows = parameters.windows_of(period)
    stages = (
        (windows.opens_at, "opens"),
        (windows.closes_at, "closes"),
        (windows.settle_from, "can be settled"),
        (windows.settle_until, "is past its settle window"),
        (windows.direct_until, "is past its direct claims"),
    )
    coming = [(when, what) for when, what in stages if when > now]
    if not coming:
        return (f"All windows of period {period} are over.",)
    when, what = coming[0]
    return (f"Period {period} {what} in {duration(when - now)}.",)


def duration(seconds: int) -> str:
    """Seconds in the largest unit that leaves no more than one decimal: ``14 days``."""
    for size, unit in ((DAY, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds} seconds"
