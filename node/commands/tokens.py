"""``smartlayer token …``: build, sign, verify and describe a token's script, without a network."""

from pathlib import Path
from typing import Annotated, Any

import typer

from node.commands.issuing import LARGEST_SCRIPT, read_file
from node.commands.options import AsJson, Keystore, PasswordFile
from node.commands.terminal import Result, Terminal, run
from node.tokenscript.build import build, placeholders
from node.tokenscript.eas_data import parse_schema
from node.tokenscript.eas_types import schema_uid
from node.tokenscript.model import TokenScript
from node.tokenscript.parse import parse_signed, parse_unsigned
from node.tokenscript.signature import sign, verify
from settlement.chain.keystore import load_key
from settlement.errors import InputError
from settlement.types import ZERO_ADDRESS

token = typer.Typer(no_args_is_help=True, help="Build, sign, verify and describe token scripts.")

ScriptFile = Annotated[Path, typer.Argument(help="The script.")]
Output = Annotated[Path, typer.Option(help="Where to write the result; never overwritten.")]


@token.command("build")
def build_script(
    template: Annotated[Path, typer.Argument(help="A script with {{placeholders}}.")],
    *,
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="May be repeated.")
    ] = None,
    output: Output,
    as_json: AsJson = False,
) -> None:
    """Fill in a template; the result has passed the parser and is ready to be signed."""

    async def work() -> Result:
        source = read_file(template, "TEMPLATE", LARGEST_SCRIPT)
        built = build(source, pairs(values or (), "--set"))
        write_new(output, built)
        return {"script": str(output), "filled_in": list(placeholders(source))}

    run(Terminal(as_json=as_json), work())


@token.command("sign")
def sign_script(
    script: ScriptFile,
    *,
    keystore: Keystore,
    password_file: PasswordFile,
    output: Output,
    as_json: AsJson = False,
) -> None:
    """Sign a script with the issuer's key; the account that registers the class is its signer."""

    async def work() -> Result:
        source = read_file(script, "SCRIPT", LARGEST_SCRIPT)
        parse_unsigned(source)
        signed = sign(source, load_key(keystore, password_file))
        write_new(output, signed)
        found = verify(signed)
        return {"script": str(output), "signer": found.signer, "script_hash": found.file_hash}

    run(Terminal(as_json=as_json), work())


@token.command("verify")
def verify_script(script: ScriptFile, *, as_json: AsJson = False) -> None:
    """Check a script's signature and language; tell its signer and the hash for the chain."""

    async def work() -> Result:
        found = verify(read_file(script, "SCRIPT", LARGEST_SCRIPT))
        model = parse_signed(found)
        return {
            "signer": found.signer,
            "script_hash": found.file_hash,
            "edition": model.generation,
            "service_part": model.service is not None,
            "warnings": list(model.warnings),
        }

    run(Terminal(as_json=as_json), work())


@token.command("describe")
def describe_script(script: ScriptFile, *, as_json: AsJson = False) -> None:
    """Tell what a script, signed or not, asks of the network."""

    async def work() -> Result:
        source = read_file(script, "SCRIPT", LARGEST_SCRIPT)
        signed = b"SignatureValue" in source
        return described(parse_signed(verify(source)) if signed else parse_unsigned(source))

    run(Terminal(as_json=as_json), work())


@token.command("schema")
def schema(
    text: Annotated[str, typer.Argument(help='For example "string flightNumber,uint32 delay".')],
    *,
    as_json: AsJson = False,
) -> None:
    """The UID of an attestation schema, as scripts name it."""

    async def work() -> Result:
        fields = [{"name": field.name, "type": field.type} for field in parse_schema(text)]
        return {"uid": schema_uid(text, ZERO_ADDRESS, revocable=True), "fields": fields}

    run(Terminal(as_json=as_json), work())


def described(model: TokenScript) -> Result:
    """A script in the words of its service part."""
    found: Result = {
        "name": model.name,
        "edition": model.generation,
        "contracts": {each.name: each.addresses for each in model.contracts},
        "attributes": [each.name for each in model.attributes],
    }
    service = model.service
    if service is None:
        return found | {"service": None}
    subscriptions: list[Any] = [
        {
            "topic": each.topic,
            "attester": each.attester,
            "schema": each.schema,
            "by": each.key,
        }
        for each in service.subscriptions
    ]
    return found | {
        "reads": [
            {"name": each.name, "access": each.access.value, "price": each.price}
            for each in service.reads
        ],
        "actions": [
            {"name": each.name, "attempts": each.attempts, "timeout_ms": each.timeout_ms}
            for each in service.actions
        ],
        "subscriptions": subscriptions,
        "replicas": None if service.level is None else service.level.replicas,
    }


def pairs(texts: "list[str] | tuple[()]", option: str) -> dict[str, str]:
    """``name=value`` texts as a mapping. Raises InputError."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or name in found:
            raise InputError(where=option, problem=f"expected each NAME=VALUE once, not {text!r}")
        found[name] = value
    return found


def write_new(path: Path, content: bytes) -> None:
    """Write a file that does not exist yet. Raises InputError."""
    try:
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise InputError(where="--output", problem=f"{path}: {error.strerror}") from error
