"""A peer's standing: it falls with every invalid frame and comes back with time."""

from dataclasses import dataclass

FULL = 100
PENALTY = 20
RECOVERY_MS = 1_000
"""One point comes back in this time."""
BARRED_MS = 60_000


@dataclass(slots=True)
class Standing:
    """From FULL down to 0, where the peer is dropped and barred for a minute.

    Recovery is by time alone: valid frames buy nothing, so that no mix of good and bad frames
    can go on for ever. Times in milliseconds on any clock that does not go back.
    """

    score: int = FULL
    counted_ms: int = 0
    barred_until_ms: int = 0

    def invalid_frame(self, now_ms: int) -> bool:
        """Count an invalid frame; True when the peer is to be dropped."""
        recovered = (now_ms - self.counted_ms) // RECOVERY_MS
        self.score = min(FULL, self.score + recovered) - PENALTY
        self.counted_ms = now_ms
        if self.score > 0:
            return False
        self.score = FULL
        self.barred_until_ms = now_ms + BARRED_MS
        return True

    def barred(self, now_ms: int) -> bool:
        """Whether the peer gets no link now."""
        return now_ms < self.barred_until_ms
