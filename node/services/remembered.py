"""Results of pure work that is asked for again and again, remembered in a bounded place.

Only for functions whose result follows from the key alone: forgetting costs time, never changes
an answer.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """At most ``most`` results; the longest unused is forgotten first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: OrderedDict[K, V] = OrderedDict()

    def of(self, key: K, work: Callable[[], V]) -> V:
        """What ``work`` made of ``key``, now or before. What it raises is not remembered."""
        if key in self._found:
            self._found.move_to_end(key)
            return self._found[key]
        made = self._found[key] = work()
        if len(self._found) > self._most:
            self._found.popitem(last=False)
        return made
