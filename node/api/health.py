"""Whether a node lives, is ready, and what it is doing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from node.core.placement import ANCHOR, SERVICE
from node.ports.network import Network
from node.services.chain_view import ChainView
from node.services.metrics import Metrics
from settlement.services.contact import Standing
from settlement.types import BASIS_POINTS, Address, checksum


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who this node is."""

    key: Address
    roles: int
    version: str


class HealthRoutes:
    """The routes that operators and monitors ask. ``ready`` tells what is still missing."""

    def __init__(
        self,
        identity: Identity,
        view: ChainView,
        network: Network,
        metrics: Metrics,
        missing: Callable[[], list[str]],
        standing: Callable[[], Standing] | None = None,
    ) -> None:
        self._identity = identity
        self._view = view
        self._network = network
        self._metrics = metrics
        self._missing = missing
        self._standing = standing

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/healthz", self.healthz)
        router.add_get("/readyz", self.readyz)
        router.add_get("/status", self.status)
        router.add_get("/metrics", self.metrics)
        router.add_get("/members", self.members)

    async def healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def readyz(self, _request: web.Request) -> web.Response:
        missing = self._missing()
        body = {"ready": not missing, "missing": missing}
        return web.json_response(body, status=503 if missing else 200)

    async def status(self, _request: web.Request) -> web.Response:
        head = self._view.head
        return web.json_response(
            {
                "key": checksum(self._identity.key),
                "roles": role_names(self._identity.roles),
                "version": self._identity.version,
                "peers": [checksum(peer) for peer in self._network.peers()],
                "chain": {
                    "id": self._view.chain_id,
                    "block": head.number if head else None,
                    "time": head.timestamp if head else None,
                },
                "classes": len(self._view.classes),
                "tokens": len(self._view.tokens),
                "money": standing_to_json(self._standing()) if self._standing else None,
            }
        )

    async def members(self, _request: web.Request) -> web.Response:
        """The member list as this node sees it on chain, and which of them it is linked to."""
        linked = {*self._network.peers(), self._identity.key}
        members = {m.key: m for role in (SERVICE, ANCHOR) for m in self._view.members.active(role)}
        shown: list[dict[str, Any]] = [
            {
                "key": checksum(member.key),
                "operator": checksum(member.operator),
                "roles": role_names(member.roles),
                "apiUrl": member.api_url,
                "linkUrl": member.link_url,
                "stake": str(member.stake),
                "linked": member.key in linked,
            }
            for _, member in sorted(members.items())
        ]
        return web.json_response({"members": shown})

    async def metrics(self, _request: web.Request) -> web.Response:
        self._metrics.peers.set(len(self._network.peers()))
        if self._standing is not None:
            standing = self._standing()
            self._metrics.unacknowledged.set(standing.unacknowledged)
            self._metrics.exposed.set(standing.exposed)
            self._metrics.allowance_used.set(standing.fullest / BASIS_POINTS)
            self._metrics.anchors_cut_off.set(len(standing.cut_off))
        return web.Response(body=self._metrics.exposition(), content_type="text/plain")


def role_names(roles: int) -> list[str]:
    """The registry's bitmask in words."""
    return [name for bit, name in ((SERVICE, "service"), (ANCHOR, "anchor")) if roles & bit]


def standing_to_json(standing: Standing) -> dict[str, Any]:
    """What a service node is owed and not sure of; amounts are decimal text in base units."""
    return {
        "unacknowledged": str(standing.unacknowledged),
        "exposed": str(standing.exposed),
        "allowanceUsed": standing.fullest / BASIS_POINTS,
        "anchorsCutOff": [
            {
                "anchor": checksum(lost.anchor),
                "sinceMs": lost.since_ms,
                "failures": lost.failures,
            }
            for lost in standing.cut_off
        ],
    }
