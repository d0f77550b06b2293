"""``smartlayer grant …`` and ``smartlayer attest …``: what holders and attesters sign."""

import json
import os
from pathlib import Path
from typing import Annotated

import aiohttp
import typer

from node.client.attester import FeedPublisher
from node.commands.options import (
    AsJson,
    DeploymentFile,
    Keystore,
    PasswordFile,
    TokenOption,
    address_option,
)
from node.commands.terminal import Result, Terminal, run
from node.commands.tokens import pairs, write_new
from node.protocol.messages import Grant
from node.tokenscript.described import DescribedAttestation
from node.tokenscript.eas import sign_offchain
from node.tokenscript.eas_data import encode_fields, parse_schema
from node.tokenscript.eas_types import EasDomain, schema_uid
from node.tokenscript.strict_json import Json
from settlement.chain.deployment import Deployment
from settlement.chain.keystore import load_key
from settlement.errors import InputError
from settlement.protocol.signed import Signed
from settlement.protocol.signing import SigningKey
from settlement.protocol.wire import signed_to_header, signed_to_json
from settlement.services.clock import SystemClock
from settlement.types import ZERO_ADDRESS, ZERO_HASH, Address, Hash, hex_text

EAS_VERSION = "1.2.0"
HOUR_MS = 3_600_000

grant = typer.Typer(no_args_is_help=True, help="Let an integration read a token.")
attest = typer.Typer(no_args_is_help=True, help="Say something about tokens on a feed.")


@grant.command("sign")
def sign_grant(
    *,
    token: TokenOption,
    integration: Annotated[Address, address_option("The integration's session key.")],
    interface: Annotated[list[str], typer.Option(help="A read by name; may be repeated.")],
    purpose: Annotated[str, typer.Option(help="What for, in the holder's words.")],
    hours: Annotated[int, typer.Option(min=1, max=87_600, help="How long it holds.")] = 24,
    deployment: DeploymentFile,
    keystore: Keystore,
    password_file: PasswordFile,
    output: Annotated[Path, typer.Option(help="Where to write it; never overwritten.")],
    as_json: AsJson = False,
) -> None:
    """Sign the holder's permission to call interfaces of one token."""

    async def work() -> Result:
        key = load_key(keystore, password_file)
        message = Grant(
            holder=key.address,
            integration=integration,
            token=token.id,
            interfaces=tuple(interface),
            purpose=purpose,
            expires=SystemClock().now_ms() + hours * HOUR_MS,
            nonce=Hash(os.urandom(32)),
        )
        signed = Signed.by(key, Deployment.load(deployment).domain, message)
        text = json.dumps(signed_to_json(signed), indent=2) + "\n"
        write_new(output, text.encode())
        return {"grant": str(output), "holder": key.address, "header": signed_to_header(signed)}

    run(Terminal(as_json=as_json), work())


@attest.command("publish")
def publish(
    *,
    topic: Annotated[str, typer.Option(help="The feed's topic, as scripts subscribe to it.")],
    schema: Annotated[str, typer.Option(help='"string flightNumber,uint32 delayMinutes".')],
    field: Annotated[list[str], typer.Option(metavar="NAME=VALUE", help="May be repeated.")],
    tag: Annotated[list[str], typer.Option(metavar="NAME", help="Fields that subscribers pick.")],
    node: Annotated[list[str], typer.Option(metavar="URL", help="Tried in order.")],
    deployment: DeploymentFile,
    keystore: Keystore,
    password_file: PasswordFile,
    as_json: AsJson = False,
) -> None:
    """Sign an attestation and append it to the account's feed, through any node."""

    async def work() -> Result:
        key, known = load_key(keystore, password_file), Deployment.load(deployment)
        texts = pairs(field, "--field")
        missing = [name for name in tag if name not in texts]
        if missing:
            raise InputError(where="--tag", problem=f"no field is named {missing[0]}")
        said = attestation(key, known.chain_id, schema, typed_fields(schema, texts))
        async with aiohttp.ClientSession() as session:
            publisher = FeedPublisher(
                session=session,
                nodes=node,
                key=key,
                domain=known.domain,
                clock=SystemClock(),
                topic=topic,
            )
            push = await publisher.publish(said.to_bytes(), {name: texts[name] for name in tag})
        uid = hex_text(said.attestation.uid)
        return {"attester": key.address, "uid": uid, "sequence": push.entry.sequence}

    run(Terminal(as_json=as_json), work())


def attestation(
    key: SigningKey, chain_id: int, schema: str, fields: dict[str, Json]
) -> DescribedAttestation:
    """An EAS off-chain attestation of these fields, made now. Raises AttestationMalformed."""
    signed = sign_offchain(
        EasDomain(version=EAS_VERSION, chain_id=chain_id, contract=key.address),
        schema=schema_uid(schema, ZERO_ADDRESS, revocable=True),
        recipient=ZERO_ADDRESS,
        time=SystemClock().now_ms() // 1_000,
        expiration=0,
        revocable=True,
        ref_uid=ZERO_HASH,
        data=encode_fields(schema, fields),
        salt=Hash(os.urandom(32)),
        key=key,
    )
    return DescribedAttestation(attestation=signed, schema=schema)


def typed_fields(schema: str, texts: dict[str, str]) -> dict[str, Json]:
    """Texts from the command line as the values that a schema asks for.

    Booleans and lists are JSON, numbers decimal. Raises AttestationMalformed, InputError.
    """
    types = {field.name: field.type for field in parse_schema(schema)}
    found: dict[str, Json] = {}
    for name, text in texts.items():
        kind = types.get(name, "")
        if kind != "bool" and not kind.endswith("]"):
            found[name] = text
            continue
        try:
            found[name] = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(where=f"--field {name}", problem="expected JSON") from error
    return found
