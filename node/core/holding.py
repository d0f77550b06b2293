"""Whether replicas hold a token's state: one question with a fresh nonce to all of them.

Each answers with its version and a hash of nonce and state, which nobody can prepare or copy from
an older answer. An anchor holds no state itself, so it compares: the answer that most replicas
give is the true one, the higher version where two are as frequent. Replicas that agree hold the
state; one with another hash at the same version, or without an answer, does not; one at another
version may be on its way and is not judged this time.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from settlement.types import Address, Hash, keccak


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A replica's answer."""

    version: int
    proof: Hash


def holding_proof(nonce: Hash, version: int, state: bytes) -> Hash:
    """keccak256(nonce | version as 8 bytes, big-endian | state)."""
    return keccak(nonce + version.to_bytes(8, "big") + state)


def judge_holding(answers: Mapping[Address, Shown | None]) -> dict[Address, bool | None]:
    """Who holds the state, who does not, and of whom nothing is known (None)."""
    counts = Counter(answer for answer in answers.values() if answer is not None)
    if not counts:
        return dict.fromkeys(answers, False)
    most = max((count, answer.version) for answer, count in counts.items())
    true = [answer for answer, count in counts.items() if (count, answer.version) == most]

    def verdict(answer: Shown | None) -> bool | None:
        if answer is None:
            return False
        if answer.version != most[1]:
            return None
        # Two answers that are as frequent at one version: nobody can tell which is true.
        return (answer in true) if len(true) == 1 else (None if answer in true else False)

    return {node: verdict(answer) for node, answer in answers.items()}
