"""Logs to events: eth_getLogs entries become the dataclasses of the port."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from settlement.chain.abi import Shape, artifact, build, decode_log, snake_case
from settlement.chain.deployment import Deployment
from settlement.errors import InputError
from settlement.ports import chain_events, dispute_events, stake_events
from settlement.ports.chain_errors import LogUnreadable
from settlement.ports.chain_events import ChainEvent, TokenMoved
from settlement.types import Address, Hash, keccak

TRANSFER = keccak(b"Transfer(address,address,uint256)")
_ERC721_TOPICS = 4  # ERC-20's Transfer has the same topic but leaves the amount in the data


def event_types() -> dict[str, type[ChainEvent]]:
    """Every event class that mirrors a contract's event, by the event's name."""
    return {
        name: kind
        for module in (chain_events, dispute_events, stake_events)
        for name, kind in vars(module).items()
        if isinstance(kind, type)
        and issubclass(kind, ChainEvent)
        and kind not in (ChainEvent, TokenMoved)
    }


@dataclass(frozen=True, slots=True)
class EventDecoder:
    """Decodes the logs of one deployment and of watched ERC-721 contracts."""

    shapes: Mapping[Address, Mapping[Hash, Shape]]
    types: Mapping[str, type[ChainEvent]]

    @classmethod
    def of(cls, deployment: Deployment) -> "EventDecoder":
        """The decoder for a deployment's contracts; events that nobody mirrors are left out."""
        types = event_types()
        shapes = {
            address: {
                topic: shape
                for topic, shape in artifact(name).events.items()
                if shape.name in types
            }
            for address, name in deployment.contracts().items()
        }
        return cls(shapes, types)

    def decode(
        self, logs: Iterable[Mapping[str, Any]], times: Mapping[Hash, int]
    ) -> tuple[ChainEvent, ...]:
        """The events in these logs by (block, log_index). ``times`` maps block hash to seconds.

        Raises LogUnreadable where a known topic carries data that does not fit.
        """
        found = (self._event(log, times) for log in logs)
        return tuple(sorted((event for event in found if event), key=lambda e: e.position))

    def _event(self, log: Mapping[str, Any], times: Mapping[Hash, int]) -> ChainEvent | None:
        contract = Address(bytes.fromhex(log["address"][2:]))
        topics = [Hash(bytes.fromhex(topic[2:])) for topic in log["topics"]]
        if not topics:
            return None
        block_hash = Hash(bytes.fromhex(log["blockHash"][2:]))
        place: dict[str, Any] = {
            "block": int(log["blockNumber"], 16),
            "block_hash": block_hash,
            "timestamp": times[block_hash],
            "transaction": Hash(bytes.fromhex(log["transactionHash"][2:])),
            "log_index": int(log["logIndex"], 16),
            "contract": contract,
        }
        shape = self.shapes.get(contract, {}).get(topics[0])
        if shape is not None:
            try:
                values = _decoded(shape, topics, bytes.fromhex(log["data"][2:]))
            except InputError as error:
                raise LogUnreadable(event=shape.name, problem=error.problem) from error
            return build(self.types[shape.name], place | values)
        if topics[0] == TRANSFER and len(topics) == _ERC721_TOPICS and contract not in self.shapes:
            return TokenMoved(
                **place,
                sender=Address(topics[1][12:]),
                receiver=Address(topics[2][12:]),
                number=int.from_bytes(topics[3], "big"),
            )
        return None


def _decoded(shape: Shape, topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
    """The event's arguments. Text that is no UTF-8 gets U+FFFD where it is broken: contracts do
    not look into the strings that anybody registers, and one such log must not stop all others."""
    texts = [item for item in shape.inputs if item.type == "string" and not item.indexed]
    as_bytes = {item.name: replace(item, type="bytes") for item in texts}
    inputs = tuple(as_bytes.get(item.name, item) for item in shape.inputs)
    values = decode_log(replace(shape, inputs=inputs), topics, data)
    for name in map(snake_case, as_bytes):
        values[name] = values[name].decode("utf-8", "replace")
    return values
