"""A message together with its signature: what travels and what is kept as evidence."""

from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from settlement.protocol.messages import Acknowledgement, Close, Statement, Voucher
from settlement.protocol.signing import SigningKey, recover, require_signer
from settlement.protocol.typed_data import Domain, TypedMessage
from settlement.types import Address, Signature

M = TypeVar("M", bound=TypedMessage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed(Generic[M]):
    """A typed message and the signature over its digest; nothing is checked by holding it."""

    message: M
    signature: Signature

    @classmethod
    def by(cls, key: SigningKey, domain: Domain, message: M) -> Self:
        """Sign ``message`` with ``key``."""
        return cls(message=message, signature=key.sign(domain, message))

    def signer(self, domain: Domain) -> Address:
        """The address whose key signed; raises SignatureInvalid."""
        return recover(domain, self.message, self.signature)

    def require(self, domain: Domain, expected: Address) -> None:
        """Raise SignatureInvalid unless ``expected`` signed."""
        require_signer(domain, self.message, self.signature, expected)


SignedVoucher = Signed[Voucher]
SignedAcknowledgement = Signed[Acknowledgement]
SignedStatement = Signed[Statement]
SignedClose = Signed[Close]
