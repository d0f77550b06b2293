"""What can go wrong between us and a chain (SL-70xx).

An endpoint is always shown as host and port: the rest of its address may hold a key.
"""

from dataclasses import dataclass
from typing import ClassVar

from settlement.errors import ChainError, Party
from settlement.types import Address, Hash


@dataclass(kw_only=True, eq=False, repr=False)
class CallReverted(ChainError):
    """A contract refused a call. ``error`` is the custom error's name, ``arguments`` its fields.

    ``explanation`` comes from the table in ``settlement/chain/reverts.py``. Nothing changed on
    chain but the nonce, and that only where ``transaction`` is set: most reverts are seen in the
    estimate, before anything is sent.
    """

    code: ClassVar[str] = "SL-7001"
    title: ClassVar[str] = "The contract refused the call"
    fix: ClassVar[str] = "{explanation}"

    purpose: str
    contract: Address | None
    error: str
    arguments: str
    explanation: str
    transaction: Hash | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class RpcUnreachable(ChainError):
    """The endpoint did not answer in time, or not with JSON-RPC."""

    code: ClassVar[str] = "SL-7002"
    title: ClassVar[str] = "The chain's RPC endpoint cannot be reached"
    fix: ClassVar[str] = "Check that {endpoint} is up and reachable from here: {problem}."
    retryable: ClassVar[bool] = True

    endpoint: str
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class RpcRefused(ChainError):
    """The endpoint answered a request with a JSON-RPC error that we cannot act on."""

    code: ClassVar[str] = "SL-7003"
    title: ClassVar[str] = "The RPC endpoint refused a request"
    fix: ClassVar[str] = "{endpoint} answered {method} with {number}: {problem}."

    endpoint: str
    method: str
    number: int
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class QuotaExceeded(RpcRefused):
    """The endpoint limits our rate (HTTP 429, or -32005 with such words)."""

    code: ClassVar[str] = "SL-7004"
    title: ClassVar[str] = "The RPC endpoint limits our requests"
    fix: ClassVar[str] = "Wait, or use an endpoint with a higher quota than {endpoint}'s."
    retryable: ClassVar[bool] = True


@dataclass(kw_only=True, eq=False, repr=False)
class RangeRefused(RpcRefused):
    """The endpoint will not search so many blocks for logs at once; ask for fewer."""

    code: ClassVar[str] = "SL-7005"
    title: ClassVar[str] = "The RPC endpoint refuses so wide a range of blocks"
    fix: ClassVar[str] = "Nothing to do: the range is halved until {endpoint} takes it."
    retryable: ClassVar[bool] = True


@dataclass(kw_only=True, eq=False, repr=False)
class EndpointBehind(RpcRefused):
    """The endpoint does not have the block that was asked about, not yet or not any more."""

    code: ClassVar[str] = "SL-7015"
    title: ClassVar[str] = "The RPC endpoint does not have this block"
    fix: ClassVar[str] = "Wait until {endpoint} has caught up, or use one that has."
    retryable: ClassVar[bool] = True


@dataclass(kw_only=True, eq=False, repr=False)
class QuorumMissing(ChainError):
    """Too few of the configured endpoints answered for a read about money.

    ``agreed`` of ``needed`` answers were the same; ``problem`` names each silent endpoint.
    """

    code: ClassVar[str] = "SL-7016"
    title: ClassVar[str] = "Too few RPC endpoints answered"
    fix: ClassVar[str] = "{needed} endpoints must agree on {method}, {agreed} did: {problem}."
    retryable: ClassVar[bool] = True

    method: str
    needed: int
    agreed: int
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class EndpointsDisagree(ChainError):
    """Enough endpoints answered, and no majority of the configured ones said the same."""

    code: ClassVar[str] = "SL-7017"
    title: ClassVar[str] = "The RPC endpoints contradict each other"
    fix: ClassVar[str] = (
        "Find out which endpoint is right about {method}, and replace the others: {problem}."
    )
    retryable: ClassVar[bool] = True

    method: str
    needed: int
    agreed: int
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class AnswerMisshapen(ChainError):
    """The endpoint answered a request with what is no answer to it, whatever it is."""

    code: ClassVar[str] = "SL-7018"
    title: ClassVar[str] = "The RPC endpoint's answer has not the shape of one"
    fix: ClassVar[str] = "Use another endpoint: this one answers {method} wrongly ({problem})."
    retryable: ClassVar[bool] = True

    method: str
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class WrongChain(ChainError):
    """The endpoint shows another chain than the one that we were set up for."""

    code: ClassVar[str] = "SL-7006"
    title: ClassVar[str] = "The RPC endpoint shows another chain"
    fix: ClassVar[str] = "Point to an endpoint of chain {expected}; this one shows {found}."

    expected: int
    found: int


@dataclass(kw_only=True, eq=False, repr=False)
class NotDeployed(ChainError):
    """There is no contract code where the deployment says that there is."""

    code: ClassVar[str] = "SL-7007"
    title: ClassVar[str] = "No contract stands at this address"
    fix: ClassVar[str] = "Check the deployment file: {contract} should be the {name}."

    name: str
    contract: Address


@dataclass(kw_only=True, eq=False, repr=False)
class BlockNotFound(ChainError):
    """The endpoint does not know this block, not yet or not any more."""

    code: ClassVar[str] = "SL-7008"
    title: ClassVar[str] = "The chain has no such block"
    fix: ClassVar[str] = "Ask again when the endpoint has caught up to block {number}."
    retryable: ClassVar[bool] = True

    number: int


@dataclass(kw_only=True, eq=False, repr=False)
class LogUnreadable(ChainError):
    """A log carries a known topic, but its data is not what the ABI says."""

    code: ClassVar[str] = "SL-7009"
    title: ClassVar[str] = "A log does not fit the contract's ABI"
    fix: ClassVar[str] = (
        "The deployment and this version do not belong together: {event}, {problem}."
    )

    event: str
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class TransactionUnderpriced(ChainError):
    """Gas costs more than the cap that the sender was given."""

    code: ClassVar[str] = "SL-7010"
    title: ClassVar[str] = "Gas costs more than the cap"
    fix: ClassVar[str] = "Wait for gas to fall below {cap} wei (it is {price}), or raise the cap."
    retryable: ClassVar[bool] = True

    purpose: str
    price: int
    cap: int


@dataclass(kw_only=True, eq=False, repr=False)
class GasMoneyShort(ChainError):
    """The sender's account cannot pay for the gas."""

    code: ClassVar[str] = "SL-7011"
    title: ClassVar[str] = "The account has too little money for gas"
    fix: ClassVar[str] = "Send at least {needed} wei to {sender}; it holds {held}."
    retryable: ClassVar[bool] = True

    purpose: str
    sender: Address
    needed: int
    held: int


@dataclass(kw_only=True, eq=False, repr=False)
class TransactionPending(ChainError):
    """The transaction was sent and is in no block yet; it may still be mined. Never send it anew
    under another nonce."""

    code: ClassVar[str] = "SL-7012"
    title: ClassVar[str] = "The transaction is in no block yet"
    fix: ClassVar[str] = "Look for {transaction} (nonce {nonce}) before doing {purpose} again."
    retryable: ClassVar[bool] = True

    purpose: str
    transaction: Hash
    nonce: int


@dataclass(kw_only=True, eq=False, repr=False)
class TransactionReplaced(ChainError):
    """Another transaction took this nonce: the key is used by somebody else too."""

    code: ClassVar[str] = "SL-7013"
    title: ClassVar[str] = "Another transaction took the nonce"
    fix: ClassVar[str] = "Stop the other process that sends with this key, then do {purpose} again."
    retryable: ClassVar[bool] = True

    purpose: str
    transaction: Hash
    nonce: int


@dataclass(kw_only=True, eq=False, repr=False)
class ReorgTooDeep(ChainError):
    """The chain replaced blocks deeper than the follower remembers."""

    code: ClassVar[str] = "SL-7014"
    title: ClassVar[str] = "The chain was rewritten deeper than we can follow"
    fix: ClassVar[str] = "Stop, and rebuild from block {oldest} after a look at the chain."
    party: ClassVar[Party] = Party.CHAIN

    oldest: int
