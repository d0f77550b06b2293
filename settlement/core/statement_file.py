"""A month's statement as a file that proves itself: what was signed, for which promises, and whom
the anchor's committed root paid.

What the channel's key signed, and sums that anybody can do again, are verified without a network
(:func:`verify`). Two things are not proven by that. Which calls had receipts is the word of the
file's owner: no signature covers it. And that the statement was settled and the root of ``pot``
committed only the chain knows: the pot's root and total are to be compared with the chain's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from settlement.core.payouts import PayoutLeaf
from settlement.core.statements import LaneAmount, draft_of
from settlement.errors import InputError, PaymentError, SignatureInvalid
from settlement.protocol.merkle_sum import root as root_of
from settlement.protocol.messages import Statement, Voucher
from settlement.protocol.signed import SignedStatement, SignedVoucher
from settlement.protocol.typed_data import Domain
from settlement.protocol.wire import signed_from_json, signed_to_json
from settlement.types import Address, Hash, Uint128, hex_text, parse_address, parse_hash, unsigned

FORMAT = "smartlayer-statement-1"
MOST_ROWS = 65_536
RECEIPTS_NOTE: Final = (
    "Which calls had receipts is the owner's own word; nobody signed it, and it proves nothing."
)
POT_NOTE: Final = (
    "The pot's root and total are what the file says; compare them with the chain's "
    "(smartlayer statement compare)."
)
NO_POT_NOTE: Final = "The file has no committed root, so it does not show that anybody was paid."


@dataclass(kw_only=True, eq=False, repr=False)
class StatementFileWrong(PaymentError):
    """A statement file contradicts itself, or the chain."""

    code: ClassVar[str] = "SL-2027"
    title: ClassVar[str] = "The statement does not prove what it says"
    fix: ClassVar[str] = "Do not rely on this file: {problem}."

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLane:
    """One lane of the statement. ``receipted`` is what ``receipts`` calls had receipts for, by the
    owner's own word; the rest of ``amount`` was charged for calls whose receipt never came."""

    voucher: SignedVoucher
    amount: Uint128
    receipted: Uint128
    receipts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedPot:
    """The anchor's root of the period with all that it pays, as the chain shows it."""

    root: Hash
    total: Uint128
    payouts: tuple[PayoutLeaf, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementFile:
    """One channel's month. ``pot`` is None before the anchor has committed its root."""

    chain_id: int
    hub: Address
    signer: Address
    statement: SignedStatement
    lanes: tuple[FileLane, ...]
    pot: CommittedPot | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a file proves, and what it only says. Amounts in base units.

    ``receipts`` and ``without_receipt`` are the owner's own word, ``paid_out`` is what the pot adds
    up to, which nobody but the chain confirms.
    """

    period: int
    anchor: Address
    amount: int
    lanes: int
    receipts: int
    without_receipt: int
    paid_out: int | None

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not proven by the file itself, in sentences for whoever reads the verdict."""
        return RECEIPTS_NOTE, NO_POT_NOTE if self.paid_out is None else POT_NOTE


def verify(file: StatementFile) -> Verdict:
    """Check every signature and every sum of a file, offline. Raises StatementFileWrong."""
    domain, signed = Domain.of(file.chain_id, file.hub), file.statement.message
    _require_signed(domain, file, file.statement, "the statement")
    for lane in file.lanes:
        _verify_lane(domain, file, lane)
    amounts = (
        LaneAmount(
            node=lane.voucher.message.node,
            token_class=lane.voucher.message.token_class,
            amount=lane.amount,
        )
        for lane in file.lanes
    )
    draft = draft_of(signed.anchor, file.signer, signed.period, amounts)
    if len(draft.lanes) != len(file.lanes) or len({x.lane_id for x in draft.lanes}) != len(
        file.lanes
    ):
        raise StatementFileWrong(problem="a lane is empty, or is listed twice")
    if (draft.amount, draft.root) != (signed.amount, signed.vouchers_root):
        raise StatementFileWrong(problem="amount and root are not those of its lanes")
    if file.pot is not None:
        _verify_pot(file.pot, signed.amount)
    # Unsigned, so no lane's word may stand for more than that lane, nor cover another one's.
    receipted = sum(min(lane.receipted, lane.amount) for lane in file.lanes)
    return Verdict(
        period=signed.period,
        anchor=signed.anchor,
        amount=signed.amount,
        lanes=len(file.lanes),
        receipts=sum(lane.receipts for lane in file.lanes),
        without_receipt=signed.amount - receipted,
        paid_out=None if file.pot is None else file.pot.total,
    )


def _verify_lane(domain: Domain, file: StatementFile, lane: FileLane) -> None:
    voucher = lane.voucher.message
    where = f"the lane of node {hex_text(voucher.node)}"
    _require_signed(domain, file, lane.voucher, where)
    if (voucher.signer, voucher.period) != (file.signer, file.statement.message.period):
        raise StatementFileWrong(problem=f"{where} belongs to another channel or period")
    if lane.amount > voucher.cumulative:
        raise StatementFileWrong(problem=f"{where} is charged more than was promised")


def _require_signed(
    domain: Domain, file: StatementFile, signed: SignedStatement | SignedVoucher, what: str
) -> None:
    try:
        signed.require(domain, file.signer)
    except SignatureInvalid as error:
        raise StatementFileWrong(problem=f"{what} is not signed by its channel's key") from error


def _verify_pot(pot: CommittedPot, amount: int) -> None:
    accounts = [leaf.account for leaf in pot.payouts]
    if not accounts or accounts != sorted(set(accounts)):
        raise StatementFileWrong(problem="the payouts are not in order, or name an account twice")
    top = root_of([leaf.node() for leaf in pot.payouts])
    if (top.hash, top.sum) != (pot.root, pot.total):
        raise StatementFileWrong(problem="the payouts do not add up to the committed root")
    if pot.total < amount:
        raise StatementFileWrong(problem="the root pays out less than this statement alone")


def file_to_json(file: StatementFile) -> dict[str, Any]:
    """A file as a JSON object; amounts are decimal text."""
    return {
        "format": FORMAT,
        "chainId": str(file.chain_id),
        "hub": hex_text(file.hub),
        "signer": hex_text(file.signer),
        "statement": signed_to_json(file.statement),
        "lanes": [
            {
                "voucher": signed_to_json(lane.voucher),
                "amount": str(lane.amount),
                "receipted": str(lane.receipted),
                "receipts": str(lane.receipts),
            }
            for lane in file.lanes
        ],
        "pot": None
        if file.pot is None
        else {
            "root": hex_text(file.pot.root),
            "total": str(file.pot.total),
            "payouts": [
                {"account": hex_text(leaf.account), "amount": str(leaf.amount)}
                for leaf in file.pot.payouts
            ],
        },
    }


def file_from_json(value: Any) -> StatementFile:
    """Read a file; nothing is verified yet. Raises InputError with the field that is wrong."""
    names = ("format", "chainId", "hub", "signer", "statement", "lanes", "pot")
    found = _fields(value, "statement file", names)
    if found["format"] != FORMAT:
        raise InputError(where="format", problem=f"expected {FORMAT}")
    return StatementFile(
        chain_id=_number(found["chainId"], 256, "chainId"),
        hub=parse_address(_text(found["hub"], "hub"), "hub"),
        signer=parse_address(_text(found["signer"], "signer"), "signer"),
        statement=signed_from_json(Statement, found["statement"], "statement"),
        lanes=tuple(_lane(row, f"lanes[{i}]") for i, row in enumerate(_rows(found, "lanes"))),
        pot=None if found["pot"] is None else _pot(found["pot"]),
    )


def _lane(value: Any, where: str) -> FileLane:
    found = _fields(value, where, ("voucher", "amount", "receipted", "receipts"))
    return FileLane(
        voucher=signed_from_json(Voucher, found["voucher"], f"{where}.voucher"),
        amount=_number(found["amount"], 128, f"{where}.amount"),
        receipted=_number(found["receipted"], 128, f"{where}.receipted"),
        receipts=_number(found["receipts"], 63, f"{where}.receipts"),
    )


def _pot(value: Any) -> CommittedPot:
    found = _fields(value, "pot", ("root", "total", "payouts"))
    return CommittedPot(
        root=parse_hash(_text(found["root"], "pot.root"), "pot.root"),
        total=_number(found["total"], 128, "pot.total"),
        payouts=tuple(
            _leaf(row, f"pot.payouts[{i}]") for i, row in enumerate(_rows(found, "payouts"))
        ),
    )


def _leaf(value: Any, where: str) -> PayoutLeaf:
    found = _fields(value, where, ("account", "amount"))
    return PayoutLeaf(
        account=parse_address(_text(found["account"], where), f"{where}.account"),
        amount=_number(found["amount"], 128, f"{where}.amount"),
    )


def _fields(value: Any, where: str, names: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, dict) or value.keys() != set(names):
        raise InputError(where=where, problem=f"expected an object with {', '.join(names)}")
    return value


def _rows(found: Mapping[str, Any], name: str) -> list[Any]:
    rows = found[name]
    if not isinstance(rows, list) or len(rows) > MOST_ROWS:
        raise InputError(where=name, problem=f"expected a list of at most {MOST_ROWS}")
    return rows


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(where=where, problem="expected text")
    return value


def _number(value: Any, bits: int, where: str) -> int:
    text = _text(value, where)
    if not (text.isascii() and text.isdigit()) or len(text) > 78:
        raise InputError(where=where, problem="expected decimal text")
    return unsigned(int(text), bits, where)
