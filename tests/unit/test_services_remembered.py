"""What was worked out is worked out once, and forgetting it changes no answer."""

import pytest

from node.services.remembered import Remembered
from settlement.errors import InputError


def test_work_is_done_once_for_a_key_until_it_is_forgotten() -> None:
    remembered: Remembered[int, int] = Remembered(2)
    done: list[int] = []

    def square(number: int) -> int:
        return remembered.of(number, lambda: done.append(number) or number * number)

    assert [square(2), square(2), square(3), square(2)] == [4, 4, 9, 4]
    assert done == [2, 3]
    assert [square(4), square(2), square(3)] == [16, 4, 9]
    assert done == [2, 3, 4, 3], "three was the longest unused"


def test_what_work_raises_is_raised_each_time() -> None:
    remembered: Remembered[str, int] = Remembered(2)

    def fail() -> int:
        raise InputError(where="here", problem="broken")

    for _ in range(2):
        with pytest.raises(InputError):
            remembered.of("key", fail)
    assert remembered.of("key", lambda: 1) == 1
