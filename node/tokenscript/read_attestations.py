"""Reading ``ts:attestation``: which EAS attestations a token accepts as its holder's."""

from coincurve import PublicKey

from node.tokenscript.model import AttestationField, AttestationSource
from node.tokenscript.reader import Node
from settlement.types import Address, Hash, keccak, parse_hash

_CHILDREN = (
    "ts:meta",
    "ts:key",
    "ts:eventId",
    "ts:collectionFields",
    "ts:idFields",
    "ts:eas",
)


def read_attestation(node: Node) -> AttestationSource:
    """Read one source; at least one key must be listed."""
    node.only("name", "type")
    if node.get("type") not in {None, "eas"}:
        raise node.fail("only attestations of type 'eas' are known")
    children = node.sequence(*_CHILDREN)
    if node.one_of(children, "ts:eas") is None:
        node.complain("ts:eas is missing")
    keys = [child for child in children if child.tag == "ts:key"]
    if not keys:
        raise node.fail("ts:key is missing")
    meta = node.one_of(children, "ts:meta")
    return AttestationSource(
        name=node.name(),
        schema=_schema(node.one_of(children, "ts:eas")),
        attesters=tuple(_attester(key) for key in keys),
        event_id=_text(node.one_of(children, "ts:eventId")) or None,
        collection_fields=_collection(node.one_of(children, "ts:collectionFields")),
        id_fields=tuple(
            part.strip()
            for part in _text(node.one_of(children, "ts:idFields")).split(",")
            if part.strip()
        ),
        title=_meta(meta, "ts:name"),
        description=_meta(meta, "ts:description"),
        image=_meta(meta, "ts:image"),
        fields=_fields(meta),
    )


def _text(node: Node | None) -> str:
    return node.leaf() if node else ""


def _meta(meta: Node | None, tag: str) -> str:
    if meta is None:
        return ""
    found = meta.one_of(meta.elements(), tag)
    if found is None:
        meta.complain(f"{tag} is missing")
    return _text(found)


def _fields(meta: Node | None) -> tuple[AttestationField, ...]:
    if meta is None:
        return ()
    meta.only()
    children = meta.sequence("ts:name", "ts:image", "ts:description", "ts:attributeField")
    return tuple(
        AttestationField(
            name=one.required("name"),
            title=one.leaf("name", "display_type"),
            display=one.get("display_type"),
        )
        for one in children
        if one.tag == "ts:attributeField"
    )


def _collection(node: Node | None) -> tuple[tuple[str, str], ...]:
    children = node.children("ts:collectionField") if node else []
    return tuple((one.required("name"), one.leaf("name")) for one in children)


def _schema(node: Node | None) -> Hash | None:
    if node is None or not node.get("schemaUID"):
        return None
    node.only("schemaUID")
    return node.reading(lambda: parse_hash(node.required("schemaUID"), "schemaUID"))


def _attester(node: Node) -> Address:
    """The account of a public key given as hexadecimal SEC1, with or without 0x."""
    try:
        key = PublicKey(bytes.fromhex(node.leaf().removeprefix("0x")))
    except ValueError as error:
        raise node.fail("it is not a secp256k1 public key in hexadecimal") from error
    return Address(keccak(key.format(compressed=False)[1:])[12:])
