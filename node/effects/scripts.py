"""The script source port over guarded HTTP: fetches the file behind an issuer's script URI."""

from node.effects.errors import NoAnswer, NotConnected, ScriptSchemeUnsupported
from node.effects.exchange import Exchanger, Outgoing
from node.effects.guard import check_url
from node.errors import PeerUnreachable
from settlement.types import Address

SCRIPT_LIMIT = 2_097_152
TIMEOUT_MS = 10_000


class HttpScripts:
    """Implements :class:`node.ports.scripts.ScriptSource` for https addresses.

    The URI stands on chain, registered by the issuer, so no allow-list names it; the address
    behind it must be public, or a private host that the operator opened.
    """

    def __init__(self, exchanger: Exchanger) -> None:
        self._exchanger = exchanger

    async def fetch(self, uri: str) -> bytes:
        """The file's bytes, at most 2 MiB.

        Raises PeerUnreachable (retryable), GuardRefused, or ScriptSchemeUnsupported (ipfs).
        """
        if uri.startswith("ipfs:"):
            raise ScriptSchemeUnsupported(uri=uri)
        target = check_url(uri, self._exchanger.private_hosts)
        outgoing = Outgoing(
            method="GET",
            target=target,
            headers={"Accept": "*/*"},
            body=b"",
            timeout_ms=TIMEOUT_MS,
            body_limit=SCRIPT_LIMIT,
        )
        try:
            answer = await self._exchanger.exchange(outgoing)
        except (NotConnected, NoAnswer) as error:
            raise PeerUnreachable(peer=Address(b""), problem=error.problem) from error
        if answer.status != 200:
            problem = f"{uri} answered {answer.status}"
            raise PeerUnreachable(peer=Address(b""), problem=problem)
        return answer.body
