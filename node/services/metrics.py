"""What a node counts. One registry per process; names are part of the interface.

Amounts are shown in base units of the Service Token. No label carries state or a secret.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_READ_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """The counters of one node."""

    def __init__(self, node: str) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        identity = Gauge("smartlayer_node_info", "This node.", ["node"], registry=registry)
        identity.labels(node=node).set(1)
        self.reads = Counter(
            "smartlayer_reads", "Answers that were paid for.", ["interface"], registry=registry
        )
        self.refusals = Counter(
            "smartlayer_refusals", "Calls refused, by error code.", ["code"], registry=registry
        )
        self.earned = Counter(
            "smartlayer_earned_base_units", "Charged on vouchers.", registry=registry
        )
        self.read_seconds = Histogram(
            "smartlayer_read_seconds",
            "Time from request to answer.",
            buckets=_READ_BUCKETS,
            registry=registry,
        )
        self.commits = Counter(
            "smartlayer_journal_commits", "Journal versions committed here.", registry=registry
        )
        self.leases = Counter("smartlayer_leases_won", "Leases won.", registry=registry)
        self.votes = Counter("smartlayer_votes", "Election votes given.", registry=registry)
        self.routed = Counter(
            "smartlayer_routed_calls", "Calls made for an executor.", ["outcome"], registry=registry
        )
        self.feed_entries = Counter(
            "smartlayer_feed_entries", "Feed entries delivered in order.", registry=registry
        )
        self.peers = Gauge("smartlayer_peers", "Live links.", registry=registry)
        self.instances = Gauge("smartlayer_instances", "Token instances held.", registry=registry)
        self.unacknowledged = Gauge(
            "smartlayer_unacknowledged_base_units",
            "Charged, and owed by no anchor yet.",
            registry=registry,
        )
        self.exposed = Gauge(
            "smartlayer_exposed_base_units", "Charged beyond every lease.", registry=registry
        )
        self.allowance_used = Gauge(
            "smartlayer_allowance_used_ratio",
            "Largest share of what a lane may be charged without its anchor.",
            registry=registry,
        )
        self.anchors_cut_off = Gauge(
            "smartlayer_anchors_cut_off", "Anchors that do not answer.", registry=registry
        )
        self.chain_head = Gauge("smartlayer_chain_head", "Newest block seen.", registry=registry)

    def exposition(self) -> bytes:
        """The text that /metrics answers with."""
        return generate_latest(self.registry)
