"""Token scripts at one node: fetched by their URI, checked against the chain, parsed once.

A script is trusted when three things agree: its bytes hash to what the issuer published on
chain, its signature covers the whole document, and the account that signed it is the issuer.
"""

import asyncio
from dataclasses import dataclass

from node.core.placement import Rules
from node.errors import (
    ScriptHashWrong,
    ScriptSignerWrong,
    ServicePartMissing,
    TokenUnknown,
)
from node.ports.scripts import ScriptSource
from node.services.chain_view import ChainView, ClassView, PublishedScript, TokenView
from node.store.scripts import ScriptCache
from node.tokenscript.model import TokenScript
from node.tokenscript.parse import parse_signed
from node.tokenscript.service import Service
from node.tokenscript.signature import verify
from settlement.types import Hash, TokenClass, keccak


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScript:
    """A class's trusted script. ``file_hash`` is the one on chain; ``source`` the JavaScript of
    the service part, ``source_hash`` its keccak256."""

    token_class: TokenClass
    file_hash: Hash
    model: TokenScript
    service: Service
    source: bytes
    source_hash: Hash


class ScriptLibrary:
    """Gives the trusted script of a class; loads each file once, one load at a time per file."""

    def __init__(self, view: ChainView, source: ScriptSource, cache: ScriptCache) -> None:
        self._view = view
        self._source = source
        self._cache = cache
        self._loaded: dict[Hash, ClassScript] = {}
        self._loading: dict[Hash, asyncio.Lock] = {}

    async def of_class(self, class_id: Hash) -> ClassScript:
        """The script that is published for a class now; see :meth:`of_token` for what it raises."""
        view = self._class(class_id)
        return await self._loaded_once(view, view.newest)

    async def of_token(self, token: TokenView) -> ClassScript:
        """The script of a token: the one that was published when it was minted, for good.

        Raises TokenUnknown for an unregistered class, PeerUnreachable (retryable) when the file
        cannot be fetched, ScriptHashWrong, ScriptSignerWrong, ServicePartMissing, and the
        refusals of the parser.
        """
        view = self._class(token.token.token_class.id)
        return await self._loaded_once(view, view.script_at(token.minted_in))

    async def of_version(self, class_id: Hash, script: PublishedScript) -> ClassScript:
        """One of the scripts that a class has published; see :meth:`of_token`."""
        return await self._loaded_once(self._class(class_id), script)

    def _class(self, class_id: Hash) -> ClassView:
        view = self._view.classes.get(class_id)
        if view is None:
            raise TokenUnknown(token="0x" + class_id.hex(), problem="its class is not registered")
        return view

    async def _loaded_once(self, view: ClassView, script: PublishedScript | None) -> ClassScript:
        if script is None or not script.uri:
            raise self._no_script(view)
        async with self._loading.setdefault(script.hash, asyncio.Lock()):
            if script.hash not in self._loaded:
                self._loaded[script.hash] = await self._load(view, script)
        return self._loaded[script.hash]

    def _no_script(self, view: ClassView) -> TokenUnknown:
        problem = "its class has no script"
        return TokenUnknown(token="0x" + view.token_class.id.hex(), problem=problem)

    async def _load(self, view: ClassView, script: PublishedScript) -> ClassScript:
        xml = await self._cache.get(script.hash)
        if xml is not None:
            return trusted_script(xml, view, script)
        xml = await self._source.fetch(script.uri)
        if keccak(xml) != script.hash:
            raise ScriptHashWrong(uri=script.uri, expected=script.hash)
        # Kept before it is judged: its address may hold another file by the next time.
        await self._cache.put(xml)
        return trusted_script(xml, view, script)


def trusted_script(xml: bytes, view: ClassView, script: PublishedScript) -> ClassScript:
    """Verify and parse a script whose bytes have the published hash."""
    verified = verify(xml)
    if verified.signer != view.issuer:
        raise ScriptSignerWrong(signer=verified.signer or b"", issuer=view.issuer)
    model = parse_signed(verified)
    if model.service is None:
        raise ServicePartMissing(uri=script.uri)
    source = model.service.script.source.encode()
    return ClassScript(
        token_class=view.token_class,
        file_hash=script.hash,
        model=model,
        service=model.service,
        source=source,
        source_hash=keccak(source),
    )


def rules_of(script: ClassScript, rules: Rules) -> Rules:
    """The placement rules of a class: its script's number of replicas, where it says one."""
    level = script.service.level
    if level is None:
        return rules
    return Rules(replicas=level.replicas, minimum_stake=rules.minimum_stake)
