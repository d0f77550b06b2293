"""The watchtower of a node: for itself, and for others where the operator offers it."""

from node.api.watching import WatchRoutes
from node.app.foundation import Foundation
from node.app.roles import Added
from node.services.payout_source import MemberPayouts
from settlement.chain.calls import Calls
from settlement.chain.dispute_calls import DisputeCalls
from settlement.chain.follower import ChainBatch
from settlement.services.evidence import EvidenceBook
from settlement.services.watch_acts import WatchActs
from settlement.services.watchtower import Watchtower


def watching(base: Foundation) -> Added:
    """What the watchtower adds to a process; nothing where ``watch`` is off."""
    if not base.config.watch:
        return Added()
    evidence = EvidenceBook(
        engine=base.engine,
        domain=base.domain,
        chain=base.chain,
        directory=base.directory,
        calendar=base.calendar,
        most_lanes=base.config.watch_lanes,
    )
    acts = WatchActs(
        engine=base.engine,
        evidence=evidence,
        directory=base.directory,
        calendar=base.calendar,
        chain=base.chain,
        writer=base.writer,
        calls=Calls(base.deployment),
        disputes=DisputeCalls(base.deployment),
        payouts=MemberPayouts(base.view),
        least=base.config.watch_least,
    )
    tower = Watchtower(
        engine=base.engine,
        evidence=evidence,
        directory=base.directory,
        calendar=base.calendar,
        acts=acts,
    )

    async def watch(batch: ChainBatch) -> None:
        if batch.replaced_from is not None:
            await tower.undo(base.chain, batch.replaced_from, base.deployment.first_block)
        await tower.receive(batch.events)

    base.following.on_batch(watch)
    return Added(outside=dict(tower.performers), routes=[WatchRoutes(tower)], tower=tower)
