"""The token instances of a service node: what they are, what moves them, how they begin.

An instance's attributes are read from the chain at its activation block and
stand in its first journal entry, so that every run on every replica sees the same ones.
"""

from dataclasses import dataclass

import msgspec

from node.core.canonical import object_from_bytes, to_bytes
from node.core.declared import Declarations, Subscription, tag_of
from node.core.inputs import Activation, decode_input, encode_input
from node.core.instance import JOURNAL, journal_key
from node.core.journal import JournalState, Phase, journal_stream
from node.core.placement import ANCHOR
from node.errors import RentSuspended, TokenUnknown
from node.protocol.frames import Commit
from node.services.chain_view import ChainView, TokenView
from node.services.running import Base
from node.services.script_library import ClassScript, ScriptLibrary
from node.tokenscript.attributes import (
    Known,
    decode_result,
    needs_chain,
    plan_call,
    resolution_order,
    resolve_locally,
)
from node.tokenscript.strict_json import Json
from settlement.ports.chain import Block, ChainReader
from settlement.services.engine import Engine
from settlement.types import Address, Hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A token held here: its script, its journal's state, and what its activation said."""

    view: TokenView
    script: ClassScript
    state: JournalState
    attributes: bytes

    @property
    def base(self) -> Base:
        """What the next run starts from."""
        return Base(
            token=self.view.token,
            version=self.state.version,
            root=self.state.state_root,
            state=self.state.state,
            attributes=self.attributes,
        )


class Instances:
    """Knows the instances of this node."""

    def __init__(
        self,
        *,
        engine: Engine,
        view: ChainView,
        chain: ChainReader,
        scripts: ScriptLibrary,
    ) -> None:
        self._engine = engine
        self._view = view
        self._chain = chain
        self._scripts = scripts
        self._activations: dict[Hash, bytes] = {}
        self._committed: dict[Hash, bytes] = {}

    async def held(self) -> tuple[Hash, ...]:
        """The ids of all tokens that this node holds."""
        keys = await self._engine.store.keys(JOURNAL.kind)
        found = []
        for key in keys:
            state = await self._engine.state(JOURNAL, key)
            if state.phase is Phase.ACTIVE:
                found.append(state.token)
        return tuple(found)

    async def state(self, token: Hash) -> JournalState:
        """The journal's state, whether the token is held or not."""
        return await self._engine.state(JOURNAL, journal_key(token))

    async def instance(self, token: Hash) -> Instance:
        """A token that is active here. Raises TokenUnknown."""
        state, view = await self.state(token), self.view(token)
        if state.phase is not Phase.ACTIVE:
            raise TokenUnknown(token="0x" + token.hex(), problem="this node does not hold it")
        script = await self._scripts.of_token(view)
        attributes = await self._attributes(state)
        return Instance(view=view, script=script, state=state, attributes=attributes)

    async def served(self, token: Hash) -> Instance:
        """A token that is active here and whose class is paid for, or in its grace.

        Raises TokenUnknown, RentSuspended.
        """
        instance = await self.instance(token)
        view = self._view.class_of(instance.view.token.contract)
        if view is not None and view.rent_expiry and not view.rented_at(self._view.now_s):
            raise RentSuspended(
                token_class=instance.view.token.token_class.id,
                expiry=view.rent_expiry,
                suspended_at=view.suspended_at,
            )
        return instance

    async def declarations(self, instance: Instance) -> Declarations:
        """Whose word moves the token: its script's declarations for these attributes."""
        values = object_from_bytes(instance.attributes)
        return Declarations(
            token=instance.state.token,
            subscriptions=tuple(
                Subscription(
                    topic=each.topic,
                    attester=each.attester,
                    tag=tag_of(each.key, str(values.get(each.key, ""))),
                )
                for each in instance.script.service.subscriptions
            ),
            holders=instance.state.holders,
            anchors=self.anchors,
        )

    @property
    def anchors(self) -> tuple[Address, ...]:
        """The active anchors, by key."""
        return tuple(member.key for member in self._view.members.active(ANCHOR))

    def view(self, token: Hash) -> TokenView:
        """What the chain says of a token. Raises TokenUnknown."""
        found = self._view.tokens.get(token)
        if found is None:
            raise TokenUnknown(token="0x" + token.hex(), problem="the chain does not show it")
        return found

    async def activation(self, view: TokenView) -> bytes:
        """The activation input of a token: what the chain says of it at its activation block.

        Raises AttributeFailed, RpcUnreachable, and the refusals of its script.
        """
        token = view.token.id
        if token not in self._activations:
            script = await self._scripts.of_token(view)
            block = await self._chain.block(view.minted_in)
            values = await self._resolve(script, view, block)
            activation = Activation(
                token=token,
                block=block.number,
                block_hash=block.hash,
                time=block.timestamp * 1_000,
                attributes=to_bytes(values),
            )
            self._activations[token] = encode_input(activation)
        return self._activations[token]

    async def attempt_limits(self, view: TokenView) -> dict[str, int]:
        """How often the executor tries each action of a token's script."""
        script = await self._scripts.of_token(view)
        return {action.name: action.attempts for action in script.service.actions}

    async def _resolve(self, script: ClassScript, view: TokenView, block: Block) -> dict[str, Json]:
        values: dict[str, Json] = {}
        names = [attribute.name for attribute in script.model.attributes]
        for attribute in resolution_order(script.model, names):
            known = Known(token=view.token, owner=view.minted_to, values=values)
            if needs_chain(attribute):
                call = plan_call(script.model, attribute, known)
                answer = await self._chain.call(call.contract, call.calldata, block.number)
                values[attribute.name] = decode_result(attribute, call, answer)
            else:
                values[attribute.name] = resolve_locally(attribute, known)
        return values

    async def _attributes(self, state: JournalState) -> bytes:
        """The attributes in the first journal entry; before it is committed, there are none."""
        if state.version == 0:
            return b"{}"
        if state.token not in self._committed:
            # What this process has read of the chain is what it let be committed; the log may
            # still be on its way to the disk.
            data = self._activations.get(state.token) or await self._first_input(state.token)
            given = decode_input(data)
            assert isinstance(given, Activation), "a token begins with its activation"
            self._committed[state.token] = given.attributes
        return self._committed[state.token]

    async def _first_input(self, token: Hash) -> bytes:
        first = (await self._engine.store.read_log(journal_stream(token), 1, 1))[0]
        return msgspec.json.decode(first.body, type=Commit).input
