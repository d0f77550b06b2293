"""What a role adds to a node: its services, their effects, their loops and their routes."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from node.api.application import Routes
from node.api.channels import ChannelRoutes, RecordRoutes
from node.api.closing import ClosingRoutes
from node.api.tokens import TokenRoutes
from node.api.watching import PayoutRoutes
from node.app.foundation import Foundation
from node.services.acknowledging import LinkAcknowledgements, serve_acknowledgements
from node.services.actions import Actions
from node.services.executing import Executing
from node.services.handing_over import HandingOver
from node.services.inbox import Inbox
from node.services.instances import Instances
from node.services.judging import Judge
from node.services.placing import Placing
from node.services.prices import PriceBook, Prices
from node.services.reads import Reads
from node.services.replication import Replication
from node.services.reporting import Reporting
from node.services.routing import Routing
from node.services.running import Runner
from node.services.voting import Voting
from settlement.chain.calls import Calls
from settlement.chain.dispute_calls import DisputeCalls
from settlement.chain.follower import ChainBatch
from settlement.services.anchor import Anchor
from settlement.services.closing import Closing
from settlement.services.collector import Collector, CollectorTerms
from settlement.services.contact import Standing
from settlement.services.engine import Performer
from settlement.services.settler import Settler
from settlement.services.watchtower import Watchtower

Loop = Callable[[], Coroutine[None, None, None]]


@dataclass(slots=True, kw_only=True)
class Added:
    """What a role brings to the process; ``outside`` are effects that wait for strangers,
    ``standing`` tells what a service node is owed."""

    performers: dict[type, Performer] = field(default_factory=dict)
    outside: dict[type, Performer] = field(default_factory=dict)
    loops: list[Loop] = field(default_factory=list)
    routes: list[Routes] = field(default_factory=list)
    standing: Callable[[], Standing] | None = None
    tower: Watchtower | None = None


@asynccontextmanager
async def service_role(base: Foundation) -> AsyncIterator[Added]:
    """Hold instances, run scripts, answer reads, collect vouchers."""
    config, clock = base.config, base.engine.clock
    async with base.open_sandbox() as sandbox:
        floor = Prices(read=config.read_price, update=config.update_price)
        prices = PriceBook(floor, base.calendar, base.engine)
        runner = Runner(sandbox, prices)
        instances = Instances(
            engine=base.engine, view=base.view, chain=base.chain, scripts=base.scripts
        )
        reporting = Reporting(
            engine=base.engine,
            domain=base.domain,
            writer=base.writer,
            verdicts=DisputeCalls(base.deployment),
        )

        async def noted(batch: ChainBatch) -> None:
            await reporting.receive(batch.events)

        base.following.on_batch(noted)
        replication = Replication(
            key=base.key,
            domain=base.domain,
            engine=base.engine,
            network=base.network,
            instances=instances,
            judge=Judge(instances, base.domain),
            runner=runner,
            timing=base.timing,
            metrics=base.metrics,
            reporting=reporting,
        )
        replication.register(base.dispatch)
        executing = Executing(
            key=base.key,
            domain=base.domain,
            network=base.network,
            clock=clock,
            instances=instances,
            replication=replication,
            runner=runner,
            timing=base.timing,
            metrics=base.metrics,
            reporting=reporting,
        )
        actions = Actions(
            key=base.key,
            domain=base.domain,
            engine=base.engine,
            network=base.network,
            http=base.http,
            instances=instances,
            replication=replication,
            timing=base.timing,
        )
        inbox = Inbox(instances, replication, base.feeds)
        base.feeds.on_delivered(inbox.deliver)
        base.table.on_placed(replication.activate)
        collector = Collector(
            engine=base.engine,
            domain=base.domain,
            node=base.key.address,
            directory=base.directory,
            calendar=base.calendar,
            anchors=LinkAcknowledgements(base.network),
            terms=CollectorTerms(exposure_limit=config.exposure_limit),
        )
        async with collector:
            reads = Reads(
                key=base.key,
                domain=base.domain,
                clock=clock,
                instances=instances,
                runner=runner,
                collector=collector,
                calendar=base.calendar,
                prices=prices,
                metrics=base.metrics,
            )
            handing_over = HandingOver(
                towers=config.watchtowers,
                collector=collector,
                calendar=base.calendar,
                clock=clock,
                every_ms=config.hand_over_every_ms,
            )

            async def reviewed() -> None:
                await reporting.review(await instances.held())

            yield Added(
                performers=replication.performers(),
                outside=actions.performers() | dict(reporting.performers),
                loops=[executing.run, inbox.run, handing_over.run, reviewed],
                routes=[TokenRoutes(reads, instances, replication)],
                standing=collector.standing,
            )
            await prices.close()


@asynccontextmanager
async def anchor_role(base: Foundation) -> AsyncIterator[Added]:
    """Place tokens, vote, route failing calls, keep channels, settle periods."""
    placing = Placing(
        key=base.key,
        domain=base.domain,
        view=base.view,
        scripts=base.scripts,
        beacon=base.beacon,
        table=base.table,
        clock=base.engine.clock,
        rules=base.rules,
    )
    voting = Voting(
        key=base.key,
        domain=base.domain,
        engine=base.engine,
        chain=base.chain,
        table=base.table,
        timing=base.timing,
        metrics=base.metrics,
        heard=base.interest.of_class,
    )
    voting.register(base.dispatch)
    base.feeds.on_delivered(voting.remember)
    routing = Routing(
        key=base.key,
        domain=base.domain,
        engine=base.engine,
        view=base.view,
        scripts=base.scripts,
        table=base.table,
        http=base.http,
        metrics=base.metrics,
    )
    routing.register(base.dispatch)
    anchor = Anchor(
        engine=base.engine,
        domain=base.domain,
        key=base.key,
        directory=base.directory,
        calendar=base.calendar,
        lease_step=base.config.lease_step,
    )
    serve_acknowledgements(base.dispatch, anchor.acknowledge)
    settler = Settler(
        engine=base.engine,
        anchor=anchor,
        chain=base.chain,
        writer=base.writer,
        calls=Calls(base.deployment),
        disputes=DisputeCalls(base.deployment),
        calendar=base.calendar,
    )

    closing = Closing(
        engine=base.engine,
        domain=base.domain,
        key=base.key,
        anchor=anchor,
        directory=base.directory,
        calendar=base.calendar,
        writer=base.writer,
        calls=DisputeCalls(base.deployment),
        least_refund=base.config.close_least,
    )

    async def settle(batch: ChainBatch) -> None:
        await settler.receive(batch.events)
        await closing.receive(batch.events)

    base.following.on_batch(settle)
    yield Added(
        performers=dict(settler.performers) | dict(closing.performers),
        loops=[placing.run],
        routes=[
            ChannelRoutes(anchor),
            ClosingRoutes(closing),
            PayoutRoutes(settler),
            RecordRoutes(routing),
        ],
    )
