"""The beacon port: randomness that nobody could know when the members registered."""

from typing import Protocol

from settlement.types import Hash, keccak


class Beacon(Protocol):
    """One public random value for each block."""

    async def value(self, block: int) -> Hash:
        """The value drawn in ``block``. Raises BlockNotFound, RpcUnreachable."""
        ...


class FixedBeacon:
    """The fake: values that follow from the block's number and a salt."""

    def __init__(self, salt: bytes = b"") -> None:
        self._salt = salt

    async def value(self, block: int) -> Hash:
        return keccak(self._salt + block.to_bytes(8, "big"))
