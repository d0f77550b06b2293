"""What /metrics tells about the chain's endpoints."""

import asyncio

from prometheus_client import CollectorRegistry, generate_latest

from node.services.endpoint_metrics import EndpointMetrics
from settlement.chain.standing import Fault, Standing


async def test_answers_faults_and_benches_are_counted_for_each_endpoint() -> None:
    good, bad = Standing(shown="good:1"), Standing(shown="bad:2")
    good.answered()
    bad.answered()
    bad.failed(Fault.OUTVOTED, asyncio.get_running_loop().time())
    registry = CollectorRegistry()
    registry.register(EndpointMetrics((good, bad)))
    text = generate_latest(registry).decode()
    assert 'smartlayer_rpc_answers_total{endpoint="good:1"} 1.0' in text
    assert 'smartlayer_rpc_faults_total{endpoint="bad:2",fault="outvoted"} 1.0' in text
    assert 'smartlayer_rpc_benched{endpoint="bad:2"} 1.0' in text
    assert 'smartlayer_rpc_benched{endpoint="good:1"} 0.0' in text
