"""The feeds that a node keeps are those of scripts whose class pays rent."""

from types import SimpleNamespace
from typing import cast

from node.errors import PeerUnreachable
from node.services.chain_view import ChainView, ClassView, PublishedScript
from node.services.feed_interest import RETRY_MS, FeedInterest
from node.services.script_library import ClassScript, ScriptLibrary
from node.tokenscript.service import Subscription
from settlement.ports.chain import Block
from settlement.ports.clock import VirtualClock
from settlement.types import ZERO_ADDRESS, ZERO_HASH, Address, Hash, TokenClass, keccak

AIRLINE, STRANGER = Address(b"a" * 20), Address(b"s" * 20)
CLASS = TokenClass(chain_id=1, contract=Address(b"c" * 20))
RENTED_UNTIL = 2_000


class Library:
    """Scripts that each subscribe to one topic of the airline; counts what is fetched."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self.down = False

    async def of_version(self, _class_id: Hash, script: PublishedScript) -> ClassScript:
        self.fetched.append(script.uri)
        if self.down:
            raise PeerUnreachable(peer=b"", problem="down")
        heard = Subscription(topic=script.uri, attester=AIRLINE, schema=ZERO_HASH, key="")
        service = SimpleNamespace(subscriptions=(heard,))
        return cast("ClassScript", SimpleNamespace(service=service))


class Stand:
    """A view with one class, its library and the clock."""

    def __init__(self, *topics: str) -> None:
        self.view, self.library, self.clock = ChainView(1), Library(), VirtualClock(0)
        published = tuple(
            PublishedScript(block=block, uri=topic, hash=keccak(topic.encode()))
            for block, topic in enumerate(topics)
        )
        self.view.classes[CLASS.id] = ClassView(
            token_class=CLASS,
            issuer=AIRLINE,
            payout=ZERO_ADDRESS,
            scripts=published,
            rent_expiry=RENTED_UNTIL,
        )
        self.at(1_000)
        library = cast("ScriptLibrary", self.library)
        self.interest = FeedInterest(self.view, library, self.clock)

    def at(self, seconds: int) -> None:
        self.view.head = cast("Block", SimpleNamespace(timestamp=seconds))


async def test_every_script_that_a_rented_class_published_counts_and_is_read_once() -> None:
    stand = Stand("flights", "gates")
    for _ in range(3):
        assert await stand.interest.subscribed(AIRLINE, "flights")
        assert await stand.interest.subscribed(AIRLINE, "gates")
        assert not await stand.interest.subscribed(AIRLINE, "weather")
        assert not await stand.interest.subscribed(STRANGER, "flights")
    assert sorted(stand.library.fetched) == ["flights", "gates"]


async def test_a_class_whose_rent_is_over_keeps_no_feed() -> None:
    stand = Stand("flights")
    assert await stand.interest.subscribed(AIRLINE, "flights")
    stand.at(RENTED_UNTIL)
    assert not await stand.interest.subscribed(AIRLINE, "flights")


async def test_a_script_that_cannot_be_had_is_not_fetched_for_every_entry() -> None:
    stand = Stand("flights")
    stand.library.down = True
    for _ in range(5):
        assert not await stand.interest.subscribed(AIRLINE, "flights")
    assert len(stand.library.fetched) == 1
    stand.library.down = False
    await stand.clock.advance_ms(RETRY_MS)
    assert await stand.interest.subscribed(AIRLINE, "flights")


async def test_a_token_class_hears_only_its_own_scripts_feeds() -> None:
    stand = Stand("flights")
    assert await stand.interest.of_class(CLASS.id, AIRLINE, "flights")
    assert not await stand.interest.of_class(keccak(b"another"), AIRLINE, "flights")
