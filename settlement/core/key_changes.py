"""Which key a node's key gives way to, and from which period on.

Contracts name a node by its number, events and signatures by its key of the period.
"""

from dataclasses import dataclass

from settlement.core.machine import Machine, Transition
from settlement.types import ZERO_ADDRESS, Address, Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChangeState:
    """What comes after one key; ``new_key`` is zero where nothing does."""

    key: Address
    new_key: Address = ZERO_ADDRESS
    from_period: Uint32 = 0
    block: int = -1

    def gave_way(self, period: int) -> bool:
        """Whether another key stands for the node in ``period``."""
        return self.new_key != ZERO_ADDRESS and period >= self.from_period


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveKeyRotated:
    """The node's key is ``new_key`` from ``from_period`` on. A change that is still to take effect
    may be replaced; zero takes it back, as a reorganisation does."""

    new_key: Address
    from_period: Uint32
    block: int


def key_change_key(key: Address) -> str:
    """The key's address, lower-case hexadecimal without prefix."""
    return key.hex()


def initial_key_change(key: str) -> KeyChangeState:
    """A key that nothing comes after."""
    return KeyChangeState(key=Address(bytes.fromhex(key)))


def step(
    state: KeyChangeState, event: ContractReceiveKeyRotated, _now_ms: int
) -> Transition[KeyChangeState, None]:
    """Take a change of key."""
    moved = KeyChangeState(
        key=state.key,
        new_key=event.new_key,
        from_period=event.from_period,
        block=event.block,
    )
    return Transition(state=moved)


KEY_CHANGE: Machine[KeyChangeState, ContractReceiveKeyRotated, None] = Machine(
    kind="keychange",
    state_type=KeyChangeState,
    effect_types=(),
    initial=initial_key_change,
    step=step,
)
