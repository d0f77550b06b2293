"""``smartlayer script …``: run a token's script on one's own machine, as a node would."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from node.commands.desk import open_desk
from node.commands.issuing import LARGEST_SCRIPT, read_file
from node.commands.options import AsJson
from node.commands.terminal import Result, Terminal, run
from node.commands.tokens import pairs
from node.config import SERVICE_TOKEN
from node.core.pricing import Rates, Usage, bill_up
from node.ports.sandbox import MAX_INPUT_BYTES, Mode, RunRequest, RunResult
from node.sandbox.host import HostConfig
from node.sandbox.pool import require_well_formed
from node.sandbox.profiling import Profile, profile
from node.sandbox.runner import Runner
from node.tokenscript.build import build
from node.tokenscript.parse import parse_unsigned
from settlement.errors import InputError
from settlement.ports.chain_records import ExecutionRates
from settlement.ports.chain_terms import DEFAULT_RATES
from settlement.types import keccak

script = typer.Typer(no_args_is_help=True, help="Run scripts on this machine, as a node would.")

_HANDLERS = {
    "activation": "onActivate",
    "attestation": "onAttestation",
    "outcome": "onAttestation",
    "failure": "onAttestation",
    "event": "onEvent",
    "timer": "onTimer",
}
_SHOWN = 12
_compact = msgspec.json.Decoder(msgspec.Raw)


@script.callback()
def group() -> None:
    """Keep ``run`` a command of its own while it is the only one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The JavaScript of a file, and the names of its reads where the file tells them."""

    code: bytes
    reads: frozenset[str]


@script.command("run")
def run_script(
    file: Annotated[Path, typer.Argument(help="A token script with a service part, or a .js.")],
    *,
    event: Annotated[str, typer.Option(help="JSON, or @FILE: what the handler hears.")],
    entry: Annotated[
        str | None, typer.Option(help="The exported function; else told by the event's kind.")
    ] = None,
    state: Annotated[str, typer.Option(help="JSON, or @FILE: the state before.")] = "{}",
    context: Annotated[str, typer.Option(help="JSON, or @FILE: token and attributes.")] = "{}",
    now: Annotated[
        int | None, typer.Option(help="The agreed time, seconds; else this one.")
    ] = None,
    read: Annotated[bool, typer.Option("--read", help="Run as a read, also in a .js.")] = False,
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Fill in a template.")
    ] = None,
    rpc_url: Annotated[
        str | None,
        typer.Option(envvar="SMARTLAYER_RPC_URL", help="A chain, to price at its rates."),
    ] = None,
    deployment: Annotated[
        Path | None,
        typer.Option(envvar="SMARTLAYER_DEPLOYMENT", help="JSON file with that chain's contracts."),
    ] = None,
    with_profile: Annotated[
        bool, typer.Option("--profile", help="Show by function where the gas goes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a script once: its result, state, effects, logs, gas and price.

    Prices are at the rates that a network's voters have set, if it is named, else at those that a
    network begins with.
    """
    terminal = Terminal(as_json=as_json)

    async def work() -> Result:
        source = _source(file, pairs(values or (), "--set"))
        runner = Runner(HostConfig(cache=_cache()))
        heard = _json(event, "--event")
        name = entry or _entry_for(heard)
        mode = Mode.READ if read or name in source.reads else Mode.UPDATE
        request = RunRequest(
            engine=runner.engine,
            script=source.code,
            script_hash=keccak(source.code),
            entry=name,
            mode=mode,
            seed=keccak(source.code + heard),
            now=int(time.time()) if now is None else now,
            gas_limit=mode.gas_limit,
            state=_json(state, "--state"),
            event=heard,
            context=_json(context, "--context"),
        )
        require_well_formed(request, runner.engine)
        loading = replace(request, mode=Mode.LOAD, gas_limit=Mode.LOAD.gas_limit)
        loaded, result = runner.run(loading), runner.run(request)
        told = _told(request, loaded, result, await _rates(terminal, rpc_url, deployment))
        if not with_profile:
            return told
        found = profile(runner, request, result.gas)
        terminal.say(*_table(found, result.gas), "")
        return told if not as_json else {**told, "profile": _listed(found, result.gas)}

    run(terminal, work())


def _source(file: Path, values: dict[str, str]) -> Source:
    """A module as it is, or the service part of a token script."""
    content = read_file(file, "FILE", LARGEST_SCRIPT)
    if file.suffix in (".js", ".mjs"):
        return Source(code=content, reads=frozenset())
    document = build(content, values) if values else content
    service = parse_unsigned(document).service
    if service is None:
        raise InputError(where="FILE", problem=f"{file} has no service part")
    names = frozenset(each.name for each in service.reads)
    return Source(code=service.script.source.encode(), reads=names)


def _cache() -> Path:
    """Where the compiled engine is kept between commands: this user's own folder."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "smart-layer" / "engine"


def _json(text: str, option: str) -> bytes:
    content = text.encode()
    if text.startswith("@"):
        content = read_file(Path(text[1:]), option, MAX_INPUT_BYTES)
    try:
        return bytes(_compact.decode(content)).strip()
    except msgspec.DecodeError as error:
        raise InputError(where=option, problem=f"it is not JSON: {error}") from error


def _entry_for(event: bytes) -> str:
    """The handler that hears an event of this kind. Raises InputError."""
    value = msgspec.json.decode(event)
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind not in _HANDLERS:
        kinds = ", ".join(_HANDLERS)
        problem = f"name the function, or give the event a kind: {kinds}"
        raise InputError(where="--entry", problem=problem)
    return _HANDLERS[kind]


async def _rates(
    terminal: Terminal, rpc_url: str | None, deployment: Path | None
) -> ExecutionRates | None:
    """The rates of the network that is named in full."""
    if rpc_url is None or deployment is None:
        return None
    async with open_desk(terminal, rpc_url, deployment, None) as desk:
        return await desk.reader.rates()


def _told(
    request: RunRequest, loaded: RunResult, result: RunResult, voted: ExecutionRates | None
) -> Result:
    """What a run came to, with its price."""
    rates = voted or DEFAULT_RATES
    output = (result.state or b"", result.result or b"", *result.effects)
    usage = Usage(gas=result.gas, output_bytes=sum(map(len, output)), pages=result.pages)
    million = rates.read_gas if request.mode is Mode.READ else rates.update_gas
    price = bill_up(_rates_at(rates, million), usage)
    once = bill_up(_rates_at(rates, rates.update_gas), Usage(gas=loaded.gas))
    return {
        "entry": request.entry,
        "mode": request.mode.value,
        "status": result.status.value,
        "error": result.error,
        "result": _value(result.result),
        "state": _value(result.state),
        "effects": [_value(effect) for effect in result.effects],
        "logs": list(result.logs),
        "gas": result.gas,
        "gas_limit": request.gas_limit,
        "load_gas": loaded.gas,
        "output_bytes": usage.output_bytes,
        "pages": result.pages,
        "price": _tokens(price),
        "load_price": _tokens(once),
        "rates": "the network's" if voted else "those of a new network",
        "output_hash": result.output_hash(request.engine),
        "exports": _value(loaded.result),
    }


def _rates_at(rates: ExecutionRates, million_gas: int) -> Rates:
    return Rates(million_gas=million_gas, output_byte=rates.output_byte, page=rates.page)


def _value(text: bytes | None) -> Any:
    return None if text is None else msgspec.json.decode(text)


def _tokens(amount: int) -> str:
    """An amount as decimal Service Tokens."""
    whole, part = divmod(amount, SERVICE_TOKEN)
    return f"{whole}.{part:018}".rstrip("0").rstrip(".")


def _listed(found: Profile, gas: int) -> list[dict[str, Any]]:
    return [
        {
            "function": share.function,
            "own_gas": round(share.own * gas),
            "whole_gas": round(share.whole * gas),
        }
        for share in found.shares
    ]


def _table(found: Profile, gas: int) -> Iterator[str]:
    """The functions that took the most gas themselves, one a line."""
    yield f"{'own gas':>12}  {'own':>6}  {'with calls':>10}  function, of {found.samples} samples"
    for share in found.shares[:_SHOWN]:
        own = f"{round(share.own * gas):>12,}  {share.own:>6.1%}"
        yield f"{own}  {share.whole:>10.1%}  {share.function}"
