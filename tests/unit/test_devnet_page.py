"""The story's page: everything that was seen is drawn, and no name can become markup."""

import re
from html.parser import HTMLParser

import pytest

from node.devnet.page import render
from node.devnet.report import (
    Check,
    Moment,
    NodeSeen,
    PayoutSeen,
    StoryReport,
    TokenSeen,
    tokens_text,
)

HOSTILE = "<script>alert(1)</script><img src=x onerror='alert(2)'>\" ' & </svg>"
TOKEN = 10**18


class Reader(HTMLParser):
    """The tags, the attributes and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.names: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


def a_story(name: str = "node-1") -> StoryReport:
    """A small story in which one name can be chosen freely, wherever names are shown."""
    nodes = [
        NodeSeen(
            name=f"{name}{index}" if role == "service" else f"anchor-{index}",
            role=role,
            key="0x" + "ab" * 20,
            api_url="http://127.0.0.1:1",
            stake=TOKEN,
        )
        for role in ("anchor", "service")
        for index in range(4)
    ]
    holders = tuple(node.name for node in nodes if node.role == "service")[:3]
    lanes = ("airline", "holder", "rental", "service", "anchor", "hotel", "chain")
    return StoryReport(
        chain=f"anvil {name}",
        nodes=nodes,
        tokens=[
            TokenSeen(name=name, holders=holders, executor=holders[0], outcome=f"hotel {name}")
        ],
        moments=[
            Moment(at_ms=n, lane=lane, actor=f"{lane} {name}", deed=f"deed {n}", signature="s")
            for n, lane in enumerate(lanes)
        ],
        payouts=[
            PayoutSeen(name="node-1", role="service node", account=name, computed=7, on_chain=7),
            PayoutSeen(name="airline", role="issuer", account="0x02", computed=3, on_chain=3),
            PayoutSeen(name=name, role="burnt", account="0x00", computed=0, on_chain=0),
        ],
        checks=[Check(claim=f"claim of {name}", held=True)],
        deposit=TOKEN,
        statement=10,
        reads=3,
        reads_by_node={holders[0]: 3},
        read_ms=[1.0, 2.0, 30.0],
        reads_per_s=100.0,
        seconds=1.5,
        folder=f"/tmp/{name}",
    )


def test_a_hostile_name_adds_no_tag_and_no_attribute() -> None:
    plain, hostile = Reader(render(a_story())), Reader(render(a_story(HOSTILE)))

    assert hostile.tags == plain.tags
    assert hostile.names == plain.names
    assert "script" not in hostile.tags
    assert "onerror" not in hostile.names
    assert HOSTILE in hostile.text.replace("\n", "")


def test_nothing_in_the_page_is_fetched() -> None:
    page = render(a_story())

    assert not {"src", "href", "srcset", "action"} & Reader(page).names
    assert not re.search(r"url\(|@import|https?://", page)


def test_every_moment_is_drawn_with_its_actor_its_time_and_its_signature() -> None:
    story = a_story()
    text = Reader(render(story)).text

    for moment in story.moments:
        assert moment.deed in text
        assert f"{moment.actor} signs: {moment.signature}" in text
        assert f"{moment.at_ms / 1000:.2f} s" in text


def test_every_node_token_payout_and_check_is_drawn() -> None:
    story = a_story()
    text = Reader(render(story)).text

    for node in story.nodes:
        assert node.name in text
    for token in story.tokens:
        assert f"executor {token.executor}" in text
        assert token.outcome in text
    for payout in story.payouts:
        assert payout.account in text
        assert payout.role in text
        assert tokens_text(payout.on_chain) in text
    for check in story.checks:
        assert f"✓\n {check.claim}" in text


def test_the_executors_line_is_the_heaviest() -> None:
    page = render(a_story())

    assert page.count("stroke='var(--hot)' stroke-width=3") == 1
    assert page.count("stroke='var(--service)' stroke-width=1.5") == 2


def test_a_difference_and_a_failed_check_are_shown_as_bad() -> None:
    story = a_story()
    story.payouts[0] = PayoutSeen(name="n", role="anchor", account="0x1", computed=7, on_chain=6)
    story.checks.append(Check(claim="the money is right", held=False))
    page = render(story)

    assert "<td class='n no'>-1</tr>" in page
    assert "<span class=no>✗</span> the money is right" in page
    assert "a check failed" in page
    assert story.difference == 1
    assert not story.held


def test_an_empty_story_is_a_page_too() -> None:
    page = render(StoryReport())

    assert page.startswith("<!doctype html>")
    assert page.endswith("</html>")
    assert page.count("<svg") == page.count("</svg>") == 3


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0, "0"),
        (1, "0.000000000000000001"),
        (TOKEN, "1"),
        (1_500 * TOKEN, "1,500"),
        (TOKEN // 2, "0.5"),
        (-TOKEN - 1, "-1.000000000000000001"),
    ],
)
def test_an_amount_is_shown_exactly(amount: int, shown: str) -> None:
    assert tokens_text(amount) == shown


def test_percentiles_are_of_the_sorted_times() -> None:
    story = StoryReport(read_ms=[5.0, 1.0, 3.0, 2.0, 4.0])

    assert story.percentile(0.5) == 3.0
    assert story.percentile(0.99) == 5.0
    assert StoryReport().percentile(0.5) == 0.0
