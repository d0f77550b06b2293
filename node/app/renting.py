"""What rent adds to a process: anchors look at replicas and keep rent, service nodes earn it."""

import os
from random import Random

from node.app.foundation import Foundation
from node.app.roles import Added
from node.config import Role
from node.services.instances import Instances
from node.services.looking import Looking, serve_holdings
from node.services.uptimes import LinkUptimes, serve_uptimes
from settlement.chain.follower import ChainBatch
from settlement.chain.stake_calls import StakeCalls
from settlement.services.rent_earner import RentEarner
from settlement.services.rent_keeper import RentKeeper
from settlement.services.uptime_desk import UptimeDesk


def renting(base: Foundation) -> Added:
    """The loops and effects of rent, by this node's roles."""
    added = Added()
    if Role.SERVICE in base.config.roles:
        earner = _earner(base)
        added.outside |= earner.performers
        added.loops.append(earner.run)
    if Role.ANCHOR in base.config.roles:
        added.loops += [_looking(base).run, _keeper(base).run]
    return added


def _earner(base: Foundation) -> RentEarner:
    instances = Instances(
        engine=base.engine, view=base.view, chain=base.chain, scripts=base.scripts
    )
    serve_holdings(base.dispatch, instances, base.view)
    earner = RentEarner(
        engine=base.engine,
        domain=base.domain,
        node=base.key.address,
        anchors=LinkUptimes(base.network),
        chain=base.chain,
        writer=base.writer,
        calls=StakeCalls(base.deployment),
        calendar=base.calendar,
    )

    async def tell(batch: ChainBatch) -> None:
        await earner.receive(batch.events)

    base.following.on_batch(tell)
    return earner


def _keeper(base: Foundation) -> RentKeeper:
    keeper = RentKeeper(
        anchor=base.key.address,
        chain=base.chain,
        writer=base.writer,
        calls=StakeCalls(base.deployment),
        calendar=base.calendar,
        clock=base.engine.clock,
    )

    async def tell(batch: ChainBatch) -> None:
        await keeper.receive(batch.events)

    base.following.on_batch(tell)
    return keeper


def _looking(base: Foundation) -> Looking:
    desk = UptimeDesk(engine=base.engine, domain=base.domain, key=base.key, calendar=base.calendar)
    serve_uptimes(base.dispatch, desk)
    return Looking(
        network=base.network,
        view=base.view,
        table=base.table,
        desk=desk,
        calendar=base.calendar,
        clock=base.engine.clock,
        random=Random(os.urandom(16)),  # noqa: S311 - when and where to look; nonces are apart
        random_bytes=os.urandom,
        interval_ms=base.config.look_interval_ms,
    )
