"""Judges an input before it waits at a token: by the network's rules and by its script's.

Every replica judges alike, since nothing but the input, the script and the chain is asked: the
times compared are those that the input itself carries.
"""

from collections.abc import Sequence

from node.core.canonical import object_from_bytes
from node.core.declared import check_input
from node.core.inputs import Activation, Attested, Failure, Outcome, decode_input
from node.errors import InputInvalid, InputNotDeclared
from node.services.calling import action_call, require_chain, require_evidence
from node.services.instances import Instance, Instances
from node.services.running import handler_and_event
from node.tokenscript.described import DescribedAttestation
from settlement.protocol.typed_data import Domain
from settlement.types import Hash


class Judge:
    """Says which inputs may move which token."""

    def __init__(self, instances: Instances, domain: Domain) -> None:
        self._instances = instances
        self._domain = domain

    async def require(self, instance: Instance, data: bytes) -> None:
        """Raise unless the input may move this token.

        Raises InputInvalid, InputNotDeclared, SignerUnknown, SignatureInvalid, the attestation
        errors, FailureUnproven.
        """
        given = decode_input(data)
        declared = await self._instances.declarations(instance)
        check_input(given, declared, self._domain)
        match given:
            case Activation():
                if data != await self._instances.activation(instance.view):
                    raise InputInvalid(problem="the chain tells another activation")
            case Attested():
                require_attested(instance, given, self._domain.chain_id)
            case Outcome():
                require_outcome(instance, given, self._domain.chain_id)
                require_call(instance, given.key, [given.response.request_hash])
            case Failure():
                hashes = [word.attestation.request_hash for word in given.words]
                require_call(instance, given.key, hashes)
            case _:
                pass
        handler_and_event(given)  # an input that cannot become an event is refused here


def require_attested(instance: Instance, given: Attested, chain_id: int) -> None:
    """The attestation in a feed's entry must be the one that the script subscribes to, and its
    key field this token's."""
    described = DescribedAttestation.from_bytes(given.body)
    require_chain(described, chain_id)
    values, fields = object_from_bytes(instance.attributes), described.fields
    topic, said_by = given.entry.topic, given.entry.attester
    for each in instance.script.service.subscriptions:
        if (each.topic, each.attester) == (topic, said_by) and (
            each.key in values and fields.get(each.key) == values[each.key]
        ):
            described.attestation.require(
                schema=each.schema, attester=each.attester, now=given.entry.time // 1_000 + 1
            )
            return
    raise InputNotDeclared(problem=f"no subscription to {topic} matches its fields")


def require_outcome(instance: Instance, given: Outcome, chain_id: int) -> None:
    """An outcome must carry the attestation that the script asks its action for."""
    action = instance.script.service.action(given.response.action)
    if action is None:
        raise InputNotDeclared(problem=f"no action {given.response.action}")
    require_evidence(action, given.attestation, given.response.time, chain_id)


def require_call(instance: Instance, key: Hash, request_hashes: Sequence[Hash]) -> None:
    """What came of a call must be of the very call that the open action asks for: words about an
    earlier one say nothing. An action that is not open is for the journal to refuse."""
    action = next((each for each in instance.state.actions if each.key == key), None)
    if action is None:
        return
    wanted = action_call(instance.script, action.effect, key).http.request_hash
    if any(found != wanted for found in request_hashes):
        raise InputInvalid(problem="it tells of another call than the open action's")
