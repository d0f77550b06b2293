"""The beacon of a chain with RANDAO (EIP-4399)."""

from settlement.ports.chain import ChainReader
from settlement.types import Hash, keccak


class RandaoBeacon:
    """The value of a block is keccak256(prevRandao | number as 8 bytes).

    The number keeps blocks apart on chains that return a constant; on those another beacon must
    be configured, for a constant can be ground against.
    """

    def __init__(self, chain: ChainReader) -> None:
        self._chain = chain

    async def value(self, block: int) -> Hash:
        header = await self._chain.block(block)
        return keccak(header.prev_randao + block.to_bytes(8, "big"))
