"""How a peer's standing falls and comes back, and which link URLs are dialled."""

import pytest

from node.net.members import link_address
from node.net.standing import BARRED_MS, FULL, PENALTY, RECOVERY_MS, Standing
from settlement.errors import InputError

TO_DROP = FULL // PENALTY


def test_a_burst_of_invalid_frames_drops_the_peer() -> None:
    standing = Standing()
    verdicts = [standing.invalid_frame(0) for _ in range(TO_DROP)]

    assert verdicts == [False] * (TO_DROP - 1) + [True]
    assert standing.barred(0)


def test_a_barred_peer_starts_afresh_when_the_time_is_over() -> None:
    standing = Standing()
    for _ in range(TO_DROP):
        standing.invalid_frame(0)

    assert standing.barred(BARRED_MS - 1)
    assert not standing.barred(BARRED_MS)
    assert not standing.invalid_frame(BARRED_MS)


def test_a_rare_invalid_frame_never_drops_a_peer() -> None:
    standing = Standing()
    apart = PENALTY * RECOVERY_MS

    assert not any(standing.invalid_frame(n * apart) for n in range(1_000))


def test_frames_a_little_closer_together_than_that_do() -> None:
    standing = Standing()
    apart = (PENALTY - 1) * RECOVERY_MS

    assert any(standing.invalid_frame(n * apart) for n in range(1_000))


@pytest.mark.parametrize(
    ("url", "dialled"),
    [
        ("wss://node.example:9000", "wss://node.example:9000/link"),
        ("https://node.example:9000/", "https://node.example:9000/link"),
        ("wss://münchen.example.:9", "wss://xn--mnchen-3ya.example.:9/link"),
        ("wss://[::1]:9000/behind/proxy", "wss://[::1]:9000/behind/proxy"),
    ],
)
def test_a_link_url_is_dialled_at_its_path(url: str, dialled: str) -> None:
    assert str(link_address(url)) == dialled


@pytest.mark.parametrize(
    "url",
    ["", "node.example", "ws://node.example", "http://x", "wss://", "wss://u:p@x", "wss://x/#f",
     "wss://x/?q", "wss://x:99999", "wss://[::1", "file:///etc/passwd", "wss://a..b:1", "wss://.:1",
     "wss://-:1", "wss://a b:1", "wss://a%b:1", "wss://xn--a:1", "wss://x:0", "wss://\ud800:1",
     "wss://a\u3002\u3002b:1", "wss://" + "a" * 70 + ":1", "wss://" + "a." * 127 + "b:1"],
)  # fmt: skip
def test_anything_else_is_not_dialled(url: str) -> None:
    with pytest.raises(InputError):
        link_address(url)
