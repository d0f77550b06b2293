"""A month through ape: deposit, statement, settlement, commitment, distribution, withdrawal."""

from typing import Any

import ape
from ape_cast import TOKEN, Actors, Deployment, address_of, signing_key

from settlement.core.splits import Shares, split
from settlement.protocol.merkle_sum import Tree, payout_leaf
from settlement.protocol.messages import Acknowledgement, Statement, Voucher
from settlement.types import ZERO_ADDRESS, Hash, Signature, checksum

SHARES = Shares(protocol=250, burn=4_000, anchor=500)
ISSUER_SHARE = 1_000
SPENT = 40 * TOKEN + 7


def compact(signature: Signature) -> tuple[bytes, bytes]:
    """r and vs of EIP-2098."""
    parity = (signature[64] - 27) << 255
    return signature[:32], (int.from_bytes(signature[32:64], "big") | parity).to_bytes(32, "big")


def statement_row(deployed: Deployment, actors: Actors, amount: int) -> tuple[Any, ...]:
    root = Hash(bytes(31) + b"\x02")
    message = Statement(
        anchor=address_of(actors.anchor), period=0, amount=amount, vouchers_root=root
    )
    signature = signing_key(actors.session).sign(deployed.domain, message)
    return (amount, root, *compact(signature))


def open_channel(deployed: Deployment, actors: Actors, amount: int) -> None:
    deployed.hub.open(actors.session, actors.payer, actors.anchor, amount, sender=actors.payer)


def pass_to(chain: Any, timestamp: int) -> None:
    chain.pending_timestamp = timestamp
    chain.mine()


def test_a_month_ends_with_everybody_paid_to_the_last_unit(
    deployed: Deployment, actors: Actors, chain: Any
) -> None:
    hub = deployed.hub
    open_channel(deployed, actors, 100 * TOKEN)
    pass_to(chain, deployed.parameters.windowsOf(0).settleFrom)
    hub.settleChunk(0, [statement_row(deployed, actors, SPENT)], sender=actors.anchor)
    assert hub.potOf(actors.anchor, 0).sum == SPENT
    assert hub.channelOf(actors.session).balance == 100 * TOKEN - SPENT

    parts = split(SPENT, SHARES, ISSUER_SHARE)
    payouts = sorted(
        [
            (ZERO_ADDRESS, parts.burnt),
            (address_of(actors.treasury), parts.treasury),
            (address_of(actors.anchor_payout), parts.anchor),
            (address_of(actors.issuer_payout), parts.issuer),
            (address_of(actors.node_payout), parts.node),
        ]
    )
    tree = Tree.of([payout_leaf(account, amount) for account, amount in payouts])
    hub.commitPeriod(0, tree.root.hash, tree.root.sum, len(payouts), sender=actors.anchor)
    leaves = [(checksum(account), amount) for account, amount in payouts]
    with ape.reverts(hub.ChannelHub_NotFinal):
        hub.distribute(actors.anchor, 0, 0, leaves, [], sender=actors.payer)

    pass_to(chain, hub.potOf(actors.anchor, 0).finalAt)
    hub.distribute(actors.anchor, 0, 0, leaves, [], sender=actors.payer)
    for account, amount in leaves:
        assert hub.creditOf(account) == amount

    supply = deployed.service.totalSupply()
    hub.burnCredit(sender=actors.payer)
    assert deployed.service.totalSupply() == supply - parts.burnt
    hub.withdrawCredit(actors.node_payout, parts.node, sender=actors.node_payout)
    assert deployed.service.balanceOf(actors.node_payout) == parts.node
    hub.releaseBond(actors.anchor, 0, sender=actors.payer)
    assert deployed.nodes.nodeOf(actors.anchor).locked == 0


def test_a_node_claims_what_a_vanished_anchor_left(
    deployed: Deployment, actors: Actors, chain: Any
) -> None:
    hub = deployed.hub
    open_channel(deployed, actors, 100 * TOKEN)
    session, anchor = signing_key(actors.session), signing_key(actors.anchor)
    lane = {
        "signer": session.address,
        "period": 0,
        "node": address_of(actors.node),
        "token_class": Hash(deployed.ticket_class),
    }
    voucher = Voucher(**lane, cumulative=SPENT)
    acknowledgement = Acknowledgement(**lane, acknowledged=SPENT, lease_cap=50 * TOKEN)
    row = (
        actors.session,
        deployed.ticket_class,
        voucher.cumulative,
        acknowledgement.acknowledged,
        acknowledgement.lease_cap,
        *compact(session.sign(deployed.domain, voucher)),
        *compact(anchor.sign(deployed.domain, acknowledgement)),
    )
    with ape.reverts(hub.ChannelHub_OutsideWindow):
        hub.claimDirect(actors.node, 0, 0, [], [row], sender=actors.payer)

    pass_to(chain, deployed.parameters.windowsOf(0).settleUntil)
    receipt = hub.claimDirect(actors.node, 0, 0, [], [row], sender=actors.payer)

    parts = split(SPENT, Shares(protocol=250, burn=4_000, anchor=0), ISSUER_SHARE)
    assert hub.creditOf(actors.node_payout) == parts.node
    assert hub.creditOf(actors.issuer_payout) == parts.issuer
    assert [event.claimed for event in receipt.events.filter(hub.DirectClaimed)] == [SPENT]


def test_a_bad_row_is_skipped_and_logged(deployed: Deployment, actors: Actors, chain: Any) -> None:
    open_channel(deployed, actors, 10 * TOKEN)
    pass_to(chain, deployed.parameters.windowsOf(0).settleFrom)
    rows = [
        statement_row(deployed, actors, 11 * TOKEN),
        statement_row(deployed, actors, 9 * TOKEN),
    ]
    receipt = deployed.hub.settleChunk(0, rows, sender=actors.anchor)
    skipped = receipt.events.filter(deployed.hub.RowSkipped)
    assert [(event.index, event.signer) for event in skipped] == [(0, actors.session)]
    assert deployed.hub.potOf(actors.anchor, 0).sum == 9 * TOKEN


def test_rent_is_quoted_then_paid(deployed: Deployment, actors: Actors) -> None:
    amount, expiry = deployed.rent.quote(deployed.ticket_class, 10, 3)
    deployed.rent.start(deployed.ticket_class, 10, 3, sender=actors.airline)
    assert deployed.service.balanceOf(deployed.rent) == amount == 30 * 10**15
    assert deployed.rent.expiryOf(deployed.ticket_class) == expiry


def test_an_airline_mints_a_ticket(deployed: Deployment, actors: Actors) -> None:
    deployed.ticket.mint(actors.payer, "SL204", "HB-17", sender=actors.airline)
    assert deployed.ticket.ownerOf(1) == actors.payer
    assert deployed.ticket.flightOf(1) == "SL204"
