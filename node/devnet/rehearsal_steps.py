"""Steps that rehearsals have in common: a ticket becomes active, its flight is late, all agree."""

from typing import Any

import msgspec

from node.client.attester import FeedPublisher
from node.core.canonical import object_from_bytes
from node.core.commits import verify_signatures
from node.core.journal import journal_stream
from node.devnet.rehearsal import Rehearsal
from node.devnet.rehearsal_node import Player
from node.devnet.schemas import FLIGHT_STATUS_TOPIC
from node.protocol.frames import Commit, FeedPush
from settlement.types import TokenId

FLIGHT = "SL123"
BOOKING = "H-1001"


async def attest_delay(stage: Rehearsal, minutes: int = 180) -> FeedPush:
    """The airline says on its feed, through any living node, that the flight is late."""
    publisher = FeedPublisher(
        session=stage.session,
        nodes=[player.api_url for player in stage.players if player.alive],
        key=stage.people.airline,
        domain=stage.deployment.domain,
        clock=stage.clock,
        topic=FLIGHT_STATUS_TOPIC,
    )
    said = stage.people.delay(FLIGHT, minutes, stage.clock.now_ms())
    return await publisher.publish(said.to_bytes(), {"flightNumber": FLIGHT})


async def active_ticket(stage: Rehearsal, number: int = 1, booking: str = BOOKING) -> TokenId:
    """A ticket that is placed and has been activated on all its replicas."""
    token = stage.mint(number, FLIGHT, booking)
    await stage.until(lambda: stage.agreed(token, 1))
    return token


async def states(stage: Rehearsal, token: TokenId) -> list[dict[str, Any]]:
    """The token's soft state on each living holder."""
    living = [holder for holder in await stage.holders(token) if holder.alive]
    return [object_from_bytes((await holder.journal(token)).state) for holder in living]


async def hotel_says(stage: Rehearsal, token: TokenId, wanted: str) -> bool:
    """Whether all living holders show this status of the hotel."""
    shown = await states(stage, token)
    return bool(shown) and all(state["hotel"]["status"] == wanted for state in shown)


async def commits(player: Player, token: TokenId) -> list[Commit]:
    """The token's journal on one node."""
    rows = await player.base.engine.store.read_log(journal_stream(token.id), 1, 100)
    return [msgspec.json.decode(row.body, type=Commit) for row in rows]


async def executor(stage: Rehearsal, token: TokenId) -> Player:
    """Who wrote the newest entry of a token's journal."""
    holders = await stage.holders(token)
    newest = (await commits(next(h for h in holders if h.alive), token))[-1].entry
    return next(holder for holder in holders if holder.address == newest.executor)


async def require_one_history(stage: Rehearsal, token: TokenId) -> list[Commit]:
    """All living holders have the same entries, each with a majority's signatures.

    A state can be seen before its entry is on the disk, so this waits until the logs have caught
    up with the states. Raises AssertionError, CommitInvalid, SignatureInvalid, TimeoutError.
    """
    await stage.until(lambda: _logged(stage, token))
    told = [await commits(h, token) for h in await stage.holders(token) if h.alive]
    for other in told[1:]:
        assert [each.entry for each in other] == [each.entry for each in told[0]], "they differ"
    holders = [holder.address for holder in await stage.holders(token)]
    for commit in told[0]:
        verify_signatures(stage.deployment.domain, commit.entry, commit.signatures, holders)
    return told[0]


async def _logged(stage: Rehearsal, token: TokenId) -> bool:
    """Whether every living holder's log ends with its state's version, and all with the same."""
    living = [holder for holder in await stage.holders(token) if holder.alive]
    versions = {(await holder.journal(token)).version for holder in living}
    logged = {len(await commits(holder, token)) for holder in living}
    return logged == versions and len(versions) == 1
