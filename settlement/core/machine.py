"""The shape of every machine: a pure step from (state, event, time) to (state, records, effects).

A machine's state is a frozen dataclass. Its events are named as raiden names them: ``Receive…``
for a peer's signed word, ``ContractReceive…`` for the chain's, ``Action…`` for our own wish.
Effects are ``Send…`` (to a peer), ``ContractSend…`` (a transaction) or ``Perform…`` (the outside).
The engine (:mod:`settlement.services.engine`) commits a transition before it performs anything.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from settlement.types import Hash, keccak

S = TypeVar("S")
E = TypeVar("E")
F = TypeVar("F")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A line for an append-only log, committed together with the state that caused it.

    ``stream`` names the log, ``position`` its place in it (unique, 0 or more), ``body`` is any
    frozen dataclass that the store can encode.
    """

    stream: str
    position: int
    body: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition(Generic[S, F]):
    """The outcome of a step: the new state, log records, and effects in order."""

    state: S
    records: tuple[Record, ...] = ()
    effects: tuple[F, ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine(Generic[S, E, F]):
    """A kind of machine: its name in the store, its state type, its initial state and its step.

    ``initial(key)`` makes the state of a machine that has seen nothing. ``step`` is pure, takes
    the time in milliseconds, and raises a typed error for an event that it refuses; a refused
    event changes nothing. State and effects are dataclasses that msgspec can read back by their
    annotations, so a field is never a union of dataclasses.
    """

    kind: str
    state_type: type[S]
    effect_types: tuple[type[F], ...]
    initial: Callable[[str], S]
    step: Callable[[S, E, int], Transition[S, F]]


def effect_id(kind: str, key: str, revision: int, index: int) -> Hash:
    """The identity of an effect: the same on every replay, so that a sink can be idempotent."""
    return keccak(f"{kind}\n{key}\n{revision}\n{index}".encode())
