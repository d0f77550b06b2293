"""Reverts in words: which custom error it was, with what arguments, and what to do about it.

One table, keyed by the error's name. A test demands a sentence for every custom error in the
committed artifacts.
"""

from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from settlement.chain.abi import Shape, artifact, decode_inputs
from settlement.chain.dispute_advice import DISPUTE_ADVICE
from settlement.chain.proposals import ProposalState
from settlement.chain.stake_advice import STAKE_ADVICE
from settlement.errors import InputError
from settlement.ports.chain_errors import CallReverted
from settlement.types import Address, checksum

_UNIT = 10**18
_REQUIRE = bytes.fromhex("08c379a0")  # Error(string)
_PANIC = bytes.fromhex("4e487b71")  # Panic(uint256)

ADVICE: dict[str, str] = STAKE_ADVICE | {
    **DISPUTE_ADVICE,
    # NodeRegistry
    "NodeRegistry_KeyTaken": "The node key {key} is registered already, by {operator}; "
    "register another key, or add stake to that node.",
    "NodeRegistry_UnknownNode": "No node has the key {key}; register it first.",
    "NodeRegistry_NotOperator": "{caller} is not the operator of node {key}; use its operator's "
    "account.",
    "NodeRegistry_NotHub": "Only the hub may lock and release bonds; {caller} is not the hub.",
    "NodeRegistry_HubNotSet": "The registry does not know its hub yet; finish the deployment.",
    "NodeRegistry_HubAlreadySet": "The registry's hub is {hub} for good; deploy a new registry to "
    "use another.",
    "NodeRegistry_UnknownRoles": "Roles are 1 (service), 2 (anchor) or 3 (both), not {roles}.",
    "NodeRegistry_StakeTooLow": "The stake would be {stake:tokens} STK, and these roles need "
    "{minimum:tokens} STK; stake more, or ask for fewer roles.",
    "NodeRegistry_KeyProofInvalid": "The key proof is not signed by {key} for operator {operator}; "
    "sign it with the node's key, for this account and this network's hub.",
    "NodeRegistry_UrlInvalid": "An address of a node has 1 to 256 bytes, this one has {length}.",
    "NodeRegistry_ZeroPayout": "Name the account that earnings go to; the zero account cannot be "
    "paid.",
    "NodeRegistry_AmountInvalid": "The amount {amount:tokens} STK must be above zero and at most "
    "{available:tokens} STK.",
    "NodeRegistry_StillThawing": "The stake thaws until {thawed_at:time}; withdraw it then.",
    "NodeRegistry_BondNotCovered": "Node {key} has {available:tokens} STK free, and "
    "{amount:tokens} STK are needed; add stake, or wait until bonds are released.",
    # IssuerRegistry
    "IssuerRegistry_ClassTaken": "This token contract's class is registered already; publish a "
    "script or schedule a share instead.",
    "IssuerRegistry_UnknownClass": "The token class {token_class} is not registered; its issuer "
    "registers it first.",
    "IssuerRegistry_NotTokenOwner": "{caller} is neither owner nor administrator of the token "
    "contract {token_contract}, nor controller of its class; use such an account.",
    "IssuerRegistry_ShareTooHigh": "The issuer's share of {share} basis points is above the "
    "maximum, {maximum}.",
    "IssuerRegistry_ZeroPayout": "Name the account that the issuer's share goes to; the zero "
    "account cannot be paid.",
    "IssuerRegistry_ScriptInvalid": "A script needs an address of 1 to 512 bytes (this one has "
    "{uri_length}) and a hash that is not zero.",
    # Parameters
    "Parameters_OutOfBounds": "{parameter:name} is {value}, and must lie between {minimum} and "
    "{maximum}.",
    "Parameters_DelayShorterThanWindows": "The withdrawal delay, {delay} s, must be at least as "
    "long as all windows together, {windows} s.",
    "Parameters_GenesisInFuture": "Genesis, {genesis:time}, lies after the chain's time, "
    "{now:time}; choose an earlier one.",
    "Parameters_ZeroTreasury": "Name the treasury; it cannot be the zero account.",
    "Parameters_BeforeGenesis": "{timestamp:time} lies before the first period.",
    # RentVault
    "RentVault_UnknownClass": "The token class {token_class} is not registered; its issuer "
    "registers it before rent is paid.",
    "RentVault_NotStarted": "Rent never began for {token_class}; start it first.",
    "RentVault_AlreadyStarted": "Rent is paid until {expiry:time}; top it up instead of starting "
    "it.",
    "RentVault_QuantityInvalid": "Rent is for 1 to 2^40 instances ({instances} asked) and 1 to "
    "1,200 periods ({periods} asked).",
    "RentVault_TooFewPeriods": "{periods} periods would not cover the time already served in "
    "grace; pay at least {minimum}.",
    "RentVault_Suspended": "The rent is suspended since {suspended_at:time}; start it again.",
    # ChannelHub
    "ChannelHub_ChannelExists": "A channel exists already for session key {signer}; top it up, or "
    "use a new key.",
    "ChannelHub_UnknownChannel": "No channel exists for session key {signer}; open it first.",
    "ChannelHub_ZeroAccount": "The zero account cannot sign, own or receive.",
    "ChannelHub_AmountInvalid": "The amount, {amount:tokens} SVC, must be above zero and at most "
    "{available:tokens} SVC.",
    "ChannelHub_NotOwner": "{caller} does not own the channel of {signer}; use its "
    "owner's account.",
    "ChannelHub_NotAnchor": "{anchor} is not the key of an active anchor; choose one from the "
    "member list.",
    "ChannelHub_AnchorChangePending": "The last change of anchor is still needed for earlier "
    "periods; change it again from {free_at:time} on.",
    "ChannelHub_NoWithdrawal": "No withdrawal was requested for the channel of {signer}; request "
    "it first.",
    "ChannelHub_WithdrawalNotReleased": "The withdrawal is released at {withdrawable_at:time}; "
    "try again then.",
    "ChannelHub_OutsideWindow": "The chain's time is {now:time}; this belongs between {from:time} "
    "and {until:time}.",
    "ChannelHub_PotStatus": "The pot of anchor {anchor} in period {period} is {status:pot}, and "
    "this call needs another state.",
    "ChannelHub_SumMismatch": "The committed sum, {sum}, is not what the accepted statements "
    "debited, {pot}; build the payouts from the accepted rows again.",
    "ChannelHub_TooManyChunks": "The pot holds 65,535 chunks already; settle more rows in each.",
    "ChannelHub_NoPayouts": "A period is committed with at least one payout.",
    "ChannelHub_NotFinal": "The payouts of period {period} are final at {final_at:time}; try again "
    "then.",
    "ChannelHub_ProofInvalid": "These payouts do not lie at this place in the tree that anchor "
    "{anchor} committed for period {period}.",
    "ChannelHub_ChunkMismatch": "These are not the rows accepted as chunk {chunk}, or they were "
    "restored already.",
    "ChannelHub_UnknownNode": "No node has the key {key}; register it first.",
    "ChannelHub_AlreadyPaid": "Payout {index} of period {period} was paid already; there is "
    "nothing left to do.",
    # ServiceToken
    "ServiceToken_NotMinter": "{caller} may not mint Service Tokens.",
    "ServiceToken_RateExceeded": "This year allows {available:tokens} SVC more to be minted, not "
    "{amount:tokens}.",
    "ServiceToken_RateTooHigh": "The yearly rate of {rate} basis points is above the bound, "
    "{maximum}.",
    "ServiceToken_SupplyTooLarge": "The supply of {supply:tokens} SVC would pass the bound, "
    "{maximum:tokens} SVC; found the network with less.",
    # OpenZeppelin: ownership, tokens, signatures
    "OwnableInvalidOwner": "{owner} cannot own a contract.",
    "OwnableUnauthorizedAccount": "{account} is not the contract's owner; use the owner's account.",
    "SafeERC20FailedOperation": "The token {token} refused the transfer.",
    "SafeCastOverflowedUintDowncast": "{value} does not fit {bits} bits.",
    "ERC20InsufficientAllowance": "The contract {spender} may take {allowance:tokens} and needs "
    "{needed:tokens} tokens; approve them first.",
    "ERC20InsufficientBalance": "{sender} holds {balance:tokens} tokens and needs {needed:tokens}.",
    "ERC20InvalidApprover": "{approver} cannot approve a transfer.",
    "ERC20InvalidReceiver": "{receiver} cannot receive tokens.",
    "ERC20InvalidSender": "{sender} cannot send tokens.",
    "ERC20InvalidSpender": "{spender} cannot spend tokens.",
    "ERC20ExceededSafeSupply": "The supply {increased_supply} would pass its cap, {cap}.",
    "ERC2612ExpiredSignature": "The permit expired at {deadline:time}; sign a new one.",
    "ERC2612InvalidSigner": "The permit is signed by {signer}, not by the holder {owner}.",
    "ERC3009InvalidAuthorizationTime": "The authorization holds from {valid_after:time} to "
    "{valid_before:time} only; sign a new one.",
    "ERC3009InvalidSignature": "The authorization is not signed by the payer; sign it again.",
    "ERC3009UsedAuthorization": "The authorization was used or cancelled; sign one with a new "
    "nonce.",
    "ERC721IncorrectOwner": "Token {token_id} belongs to {owner}, not to {sender}.",
    "ERC721InsufficientApproval": "{operator} may not move token {token_id}; its owner approves "
    "first.",
    "ERC721InvalidApprover": "{approver} cannot approve.",
    "ERC721InvalidOperator": "{operator} cannot be an operator.",
    "ERC721InvalidOwner": "{owner} cannot own a token.",
    "ERC721InvalidReceiver": "{receiver} cannot receive a token.",
    "ERC721InvalidSender": "{sender} cannot send a token.",
    "ERC721NonexistentToken": "Token {token_id} does not exist.",
    "ECDSAInvalidSignature": "The signature is not valid; sign again.",
    "ECDSAInvalidSignatureLength": "A signature has 65 bytes, this one has {length}.",
    "ECDSAInvalidSignatureS": "The signature's s is in the upper half; sign with a canonical one.",
    "InvalidAccountNonce": "{account} signed with another nonce than {current_nonce}.",
    "InvalidShortString": "The name does not fit the contract's short string.",
    "StringTooLong": "The text does not fit the contract's short string.",
    "VotesExpiredSignature": "The delegation expired at {expiry:time}; sign a new one.",
    "CheckpointUnorderedInsertion": "The chain's clock went backwards in the voting record.",
    "ERC5805FutureLookup": "Votes can be looked up in the past only, before {clock}.",
    "ERC6372InconsistentClock": "The token's clock is inconsistent.",
    "ReentrancyGuardReentrantCall": "A token called back into the contract, which is refused.",
    "FailedCall": "A call within the contract failed.",
    "InsufficientBalance": "The contract holds {balance} wei and needs {needed}.",
    "EnforcedPause": "New money is paused by governance; withdrawals and claims still work.",
    "ExpectedPause": "This works only while the contract is paused.",
}

_UNKNOWN = "The contract refused without a reason that is known here ({reason}); check the inputs."


def explain(data: bytes, reason: str, contract: Address | None) -> CallReverted:
    """The typed error for a revert's bytes; ``reason`` is the endpoint's own text."""
    name, arguments, advice = _read(data, reason)
    return CallReverted(
        purpose="a call",
        contract=contract,
        error=name,
        arguments=arguments,
        explanation=advice,
    )


@cache
def custom_errors() -> dict[bytes, Shape]:
    """Every custom error of the committed artifacts, by selector."""
    found: dict[bytes, Shape] = {}
    for entry in files("settlement").joinpath("abi").iterdir():
        if entry.name.endswith(".json"):
            found.update(artifact(entry.name.removesuffix(".json")).errors)
    return found


def _read(data: bytes, reason: str) -> tuple[str, str, str]:
    selector, body = data[:4], data[4:]
    try:
        if selector == _REQUIRE:
            (text,) = decode(["string"], body)
            return "Error", f"text={text}", f"The contract refused: {text}."
        if selector == _PANIC:
            (number,) = decode(["uint256"], body)
            return "Panic", f"number={number}", f"The contract failed with panic {number:#x}."
        shape = custom_errors().get(selector)
        if shape is not None:
            return _custom(shape, decode_inputs(shape, body))
    except (DecodingError, InputError, OverflowError, UnicodeDecodeError):
        reason = f"unreadable revert data 0x{data.hex()}"
    return "", f"data=0x{data.hex()}", _UNKNOWN.format(reason=reason or "no reason given")


def _custom(shape: Shape, values: dict[str, Any]) -> tuple[str, str, str]:
    shown = {name: _Shown(value) for name, value in values.items()}
    arguments = ", ".join(f"{name}={value}" for name, value in shown.items())
    template = ADVICE.get(shape.name)
    advice = template.format(**shown) if template else _UNKNOWN.format(reason=shape.name)
    return shape.name, arguments, advice


class _Shown:
    """A revert's argument as text: plain, or as ``tokens``, ``time``, ``name``, ``pot``
    or ``proposal``."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __str__(self) -> str:
        if isinstance(self._value, bytes):
            whole = len(self._value) == 20
            return checksum(Address(self._value)) if whole else "0x" + self._value.hex()
        return str(self._value)

    def __format__(self, form: str) -> str:
        match form:
            case "tokens":
                whole, rest = divmod(self._value, _UNIT)
                return f"{whole:,}" + (f".{rest:018d}".rstrip("0") if rest else "")
            case "time":
                return moment(self._value)
            case "name":
                return bytes(self._value).rstrip(b"\0").decode(errors="replace")
            case "pot":
                return ("open", "committed", "void")[self._value]
            case "proposal":
                return ProposalState(self._value).name.lower()
            case _:
                return str(self)


def moment(seconds: int) -> str:
    """Unix seconds as a date and time in UTC."""
    if seconds >= 1 << 35:  # past the year 3058: a bound, not a date
        return f"second {seconds}"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
