"""What a token script says, as values. The service part is in ``node.tokenscript.service``.

Names are the language's own: a *contract* has addresses on several chains, an *attribute* has
origins that say where its value comes from, a *selection* is a named filter, a *card* is
something that a holder can do. Views are not modelled: a node serves them as bytes.
"""

from dataclasses import dataclass
from enum import StrEnum

from node.tokenscript.abi import AbiFunction
from node.tokenscript.filters import Filter
from node.tokenscript.service import Service
from settlement.types import Address, Hash


class Generation(StrEnum):
    """The published editions of the language that a node reads, by namespace."""

    G2020_06 = "http://tokenscript.org/2020/06/tokenscript"
    G2022_09 = "http://tokenscript.org/2022/09/tokenscript"
    G2024_01 = "http://tokenscript.org/2024/01/tokenscript"


class Syntax(StrEnum):
    """The types of attributes, by the OID of RFC 4517 that stands for them."""

    BOOLEAN = "1.3.6.1.4.1.1466.115.121.1.7"
    TEXT = "1.3.6.1.4.1.1466.115.121.1.15"
    TIME = "1.3.6.1.4.1.1466.115.121.1.24"
    ASCII = "1.3.6.1.4.1.1466.115.121.1.26"
    INTEGER = "1.3.6.1.4.1.1466.115.121.1.27"
    NUMERIC = "1.3.6.1.4.1.1466.115.121.1.36"


class As(StrEnum):
    """How a value from a chain (or from a user) becomes an attribute's value."""

    UINT = "uint"
    INT = "int"
    ADDRESS = "address"
    UTF8 = "utf8"
    E18 = "e18"
    E8 = "e8"
    E6 = "e6"
    E4 = "e4"
    E3 = "e3"
    E2 = "e2"
    BOOL = "bool"
    BYTES = "bytes"
    ABI = "abi"


class CardKind(StrEnum):
    """What a card is for."""

    TOKEN = "token"  # noqa: S105 - a kind of card, not a secret
    PUBLIC = "public"
    ONBOARDING = "onboarding"
    ACTION = "action"
    ACTIVITY = "activity"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelText:
    """One wording; ``quantity`` is a CLDR plural category, or None outside plurals."""

    language: str
    quantity: str | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A name for people, in several languages and numbers."""

    texts: tuple[LabelText, ...]

    def text(self, language: str = "en", quantity: str = "one") -> str:
        """The best wording there is: language and number, then either, then the first."""

        def rank(option: LabelText) -> tuple[bool, bool]:
            return option.language != language, option.quantity not in {quantity, None}

        return min(self.texts, key=rank).text if self.texts else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractAddress:
    """Where a contract stands on one chain."""

    chain_id: int
    address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A contract by its name in the script; ``functions`` are those of its ABI, if given."""

    name: str
    interface: str | None
    addresses: tuple[ContractAddress, ...]
    functions: tuple[AbiFunction, ...]

    def on(self, chain_id: int) -> Address | None:
        """Its address on a chain."""
        return next((one.address for one in self.addresses if one.chain_id == chain_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument of a call: a constant, or a reference to another value.

    ``type`` is the Solidity type (``struct`` and ``abi`` are the language's own). Exactly one of
    ``constant``, ``reference`` and ``local_reference`` is set; references are dotted paths.
    """

    type: str
    constant: str | None
    reference: str | None
    local_reference: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingOption:
    """What to show for one key, by language ("" where the script names none)."""

    key: str
    values: tuple[LabelText, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """``ethereum:call``: a view function of a contract (None: the token's own)."""

    contract: str | None
    function: str
    arguments: tuple[Argument, ...]
    conversion: As | None
    select: str | None
    mapping: tuple[MappingOption, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """``ethereum:event``: a field of the logs of a contract; ``type`` names a declared event."""

    contract: str | None
    type: str
    filter: str | None
    select: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FromTokenId:
    """``ts:token-id``: some bits of the token's number."""

    conversion: As
    bitmask: int | None
    mapping: tuple[MappingOption, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEntry:
    """``ts:user-entry``: what a caller must give, under the attribute's name."""

    conversion: As
    mapping: tuple[MappingOption, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """``ts:data`` as an origin: constants and references."""

    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FromAttribute:
    """``ts:attribute``: another attribute's value, perhaps mapped."""

    reference: str
    mapping: tuple[MappingOption, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """``ethereum:storage``: a storage slot. Declared by the schema; a node does not read it."""

    variable: str
    index: int
    contract: str | None


Origin = Call | Event | FromTokenId | UserEntry | Data | FromAttribute | Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """A named value of a token."""

    name: str
    syntax: Syntax | None
    label: Label
    origins: tuple[Origin, ...]
    distinct: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A named filter over attributes; the tokens that match it."""

    name: str
    filter: Filter
    label: Label
    denial: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """``ethereum:transaction``: what a card sends when its holder confirms."""

    contract: str | None
    function: str | None
    arguments: tuple[Argument, ...]
    conversion: As | None
    value: Argument | None
    to: Argument | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Something that a holder can see or do; ``exclude`` names selections for which it cannot."""

    name: str | None
    kind: CardKind
    label: Label
    origins: tuple[str, ...]
    exclude: tuple[str, ...]
    events: tuple[Event, ...]
    attributes: tuple[Attribute, ...]
    selections: tuple[Selection, ...]
    transaction: Transaction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationField:
    """A field of an attestation and how to call it."""

    name: str
    title: str
    display: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationSource:
    """``ts:attestation``: attestations that this token accepts as its holder's.

    ``attesters`` are the accounts of the listed public keys; ``id_fields`` name the fields that
    tell one attestation from another.
    """

    name: str
    schema: Hash | None
    attesters: tuple[Address, ...]
    event_id: str | None
    collection_fields: tuple[tuple[str, str], ...]
    id_fields: tuple[str, ...]
    title: str
    description: str
    image: str
    fields: tuple[AttestationField, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventField:
    """One parameter of a declared event."""

    name: str
    type: str
    indexed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """``asnx:namedType``: the declaration of an event."""

    name: str
    fields: tuple[EventField, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenScript:
    """A parsed script. ``warnings`` are breaches that only the edition of 2020 is forgiven."""

    generation: Generation
    name: str | None
    label: Label
    contracts: tuple[Contract, ...]
    attestations: tuple[AttestationSource, ...]
    origins: tuple[str, ...]
    selections: tuple[Selection, ...]
    cards: tuple[Card, ...]
    attributes: tuple[Attribute, ...]
    transactions: tuple[tuple[str, Transaction], ...]
    events: tuple[EventType, ...]
    service: Service | None
    warnings: tuple[str, ...]

    def contract(self, name: str | None) -> Contract | None:
        """A contract by name; without one, the token's own (the first origin)."""
        wanted = name if name is not None else next(iter(self.origins), None)
        return next((one for one in self.contracts if one.name == wanted), None)

    def attribute(self, name: str) -> Attribute | None:
        """A token-level attribute by name."""
        return next((one for one in self.attributes if one.name == name), None)
