"""Closing a channel in agreement with its anchor: all that is not owed comes back at once.

::

    async with CloseClient("https://anchor.example") as anchor:
        offer = await anchor.offer(channel.signer)
        await anchor.send(await channel.close(offer, keep_at_most=…))
        while (stage := await anchor.stage(offer)) == "sent": ...
"""

from typing import Any

from settlement.client.anchor_client import AnchorClient
from settlement.errors import InputError
from settlement.protocol.signed import Signed, SignedClose
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.protocol.wire import signed_to_json
from settlement.services.closing import CloseOffer
from settlement.types import Address, hex_text, unsigned


class CloseClient(AnchorClient):
    """Talks to the channel's anchor; an async context manager round one HTTP session."""

    async def offer(self, signer: Address) -> CloseOffer:
        """What the anchor would sign now. Before signing, compare ``final_amount`` with what was
        promised: it covers the leases that the anchor gave, and what of it is not owed in the end
        stays in the channel and can be withdrawn.

        Raises AnchorApiUnreachable, AnchorApiRefused, InputError (the answer cannot be read).
        """
        found = await self._ask("GET", f"/channels/{hex_text(signer)}/close", None)
        return CloseOffer(
            signer=signer,
            period=_number(found, "period", 32),
            final_amount=_number(found, "finalAmount", 128),
            balance=_number(found, "balance", 128),
            deadline=_number(found, "deadline", 64),
        )

    async def close(self, key: SigningKey, domain: Domain, offer: CloseOffer) -> None:
        """Sign the offer with the session key, unjudged and without telling a purse, and
        :meth:`send` it. Raises AnchorApiUnreachable, AnchorApiRefused."""
        await self.send(Signed.by(key, domain, offer.agreement()))

    async def send(self, agreement: SignedClose) -> None:
        """Have the anchor carry an agreement out; repeating it is harmless.

        Raises AnchorApiUnreachable, AnchorApiRefused.
        """
        await self._ask("POST", "/closes", signed_to_json(agreement))

    async def stage(self, offer: CloseOffer) -> str:
        """``none``, ``sent``, ``closed`` or ``failed``. Raises as :meth:`offer`."""
        path = f"/closes/{hex_text(offer.signer)}/{offer.period}"
        found = await self._ask("GET", path, None)
        if not isinstance(found, dict) or not isinstance(found.get("stage"), str):
            raise InputError(where="stage", problem="expected text")
        return str(found["stage"])


def _number(found: Any, name: str, bits: int) -> int:
    text = found.get(name) if isinstance(found, dict) else None
    if not isinstance(text, str) or not (text.isascii() and text.isdigit()) or len(text) > 39:
        raise InputError(where=name, problem="expected decimal text")
    return unsigned(int(text), bits, name)
