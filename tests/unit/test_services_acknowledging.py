"""An anchor answers a linked node about that node's own lanes, and about no other's."""

import pytest

from node.protocol.frames import AcknowledgeReply, AcknowledgeRequest
from node.services.acknowledging import serve_acknowledgements
from node.services.dispatch import Dispatch
from settlement.core.refusals import VoucherWrongNode
from settlement.protocol.messages import Acknowledgement, Voucher
from settlement.protocol.signed import Signed, SignedAcknowledgement, SignedVoucher
from settlement.types import Address, Hash, Signature

NODE, OTHER = Address(b"n" * 20), Address(b"o" * 20)


def asked() -> AcknowledgeRequest:
    voucher = Voucher(
        signer=Address(b"s" * 20), period=0, node=NODE, token_class=Hash(bytes(32)), cumulative=5
    )
    return AcknowledgeRequest(voucher=voucher, signature=Signature(bytes(65)))


class Ledger:
    """Stands where the anchor is; keeps what reached it."""

    def __init__(self) -> None:
        self.reached: list[Voucher] = []

    async def acknowledge(self, voucher: SignedVoucher) -> SignedAcknowledgement:
        promise = voucher.message
        self.reached.append(promise)
        granted = Acknowledgement(
            signer=promise.signer,
            period=promise.period,
            node=promise.node,
            token_class=promise.token_class,
            acknowledged=promise.cumulative,
            lease_cap=promise.cumulative,
        )
        return Signed(message=granted, signature=Signature(bytes(65)))


async def test_a_node_leases_only_for_itself() -> None:
    ledger, dispatch = Ledger(), Dispatch()
    serve_acknowledgements(dispatch, ledger.acknowledge)
    with pytest.raises(VoucherWrongNode):
        await dispatch(OTHER, asked())
    assert ledger.reached == []
    assert isinstance(await dispatch(NODE, asked()), AcknowledgeReply)
