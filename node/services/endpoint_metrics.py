"""How the chain's RPC endpoints serve, for /metrics: answers, faults by kind, who is left alone.

An endpoint is shown as host and port: the rest of its address may hold a key.
"""

import asyncio
from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from settlement.chain.standing import Standing


class EndpointMetrics(Collector):
    """Reads the endpoints' standings whenever somebody asks for the metrics."""

    def __init__(self, standings: Sequence[Standing]) -> None:
        self._standings = standings

    def describe(self) -> Iterable[Metric]:
        """Nothing ahead of time: the registry must not collect before a loop runs."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The families of all endpoints."""
        now = asyncio.get_running_loop().time()
        answers = CounterMetricFamily(
            "smartlayer_rpc_answers", "Requests that an RPC endpoint answered.", labels=["endpoint"]
        )
        faults = CounterMetricFamily(
            "smartlayer_rpc_faults", "Its faults, by kind.", labels=["endpoint", "fault"]
        )
        benched = GaugeMetricFamily(
            "smartlayer_rpc_benched", "Whether others are asked first.", labels=["endpoint"]
        )
        for standing in self._standings:
            answers.add_metric([standing.shown], standing.answers)
            benched.add_metric([standing.shown], int(standing.benched(now)))
            for fault, count in standing.faults.items():
                faults.add_metric([standing.shown, fault.value], count)
        return answers, faults, benched
