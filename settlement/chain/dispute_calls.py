"""Transactions of challenges, disputes and session keys, as pure values.

As in :mod:`settlement.chain.calls`: arguments are checked against the ABI's widths (InputError),
everything else is the contracts' to refuse.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from settlement.chain.calls import amount_text, contract_call
from settlement.chain.deployment import Deployment
from settlement.ports.chain import Call
from settlement.ports.chain_records import (
    Authorization,
    DirectClaimRow,
    Lease,
    OwedLane,
    PayoutProof,
    Penalties,
)
from settlement.protocol.messages import Close, ServiceFinding
from settlement.protocol.typed_data import TypedMessage, members
from settlement.types import Address, Hash, Signature, Uint256, checksum, keccak


def authorization_nonce(signer: Address, anchor: Address, salt: Hash) -> Hash:
    """The ERC-3009 nonce that binds a deposit to a channel; ``anchor`` is zero for a top-up.

    keccak256(abi.encode(signer, anchor, salt)), so that nobody else can use the payment.
    """
    return keccak(bytes(12) + signer + bytes(12) + anchor + salt)


@dataclass(frozen=True, slots=True)
class DisputeCalls:
    """The builders of one deployment."""

    deployment: Deployment

    # Deposits by signature

    def open_with_permit(
        self,
        *,
        signer: Address,
        owner: Address,
        anchor: Address,
        amount: int,
        deadline: Uint256,
        permit: Signature,
    ) -> Call:
        """Open a channel, paid by the sender's permit (ERC-2612)."""
        purpose = f"open a channel for {checksum(signer)} with {amount_text(amount, 'SVC')}"
        v, r, s = permit[64], Hash(permit[:32]), Hash(permit[32:64])
        return self._hub(
            "openWithPermit", purpose, signer, owner, anchor, amount, deadline, v, r, s
        )

    def top_up_with_permit(
        self, signer: Address, amount: int, deadline: Uint256, permit: Signature
    ) -> Call:
        """Add to a channel, paid by the sender's permit (ERC-2612)."""
        purpose = f"add {amount_text(amount, 'SVC')} to the channel of {checksum(signer)}"
        v, r, s = permit[64], Hash(permit[:32]), Hash(permit[32:64])
        return self._hub("topUpWithPermit", purpose, signer, amount, deadline, v, r, s)

    def open_with_authorization(
        self,
        *,
        signer: Address,
        owner: Address,
        anchor: Address,
        amount: int,
        authorization: Authorization,
    ) -> Call:
        """Open a channel, paid by its owner's authorization (ERC-3009); anyone may send it."""
        purpose = f"open a channel for {checksum(signer)} with {amount_text(amount, 'SVC')}"
        return self._hub(
            "openWithAuthorization", purpose, signer, owner, anchor, amount, authorization
        )

    def top_up_with_authorization(
        self, signer: Address, payer: Address, amount: int, authorization: Authorization
    ) -> Call:
        """Add to a channel, paid by an authorization (ERC-3009); anyone may send it."""
        purpose = f"add {amount_text(amount, 'SVC')} to the channel of {checksum(signer)}"
        return self._hub("topUpWithAuthorization", purpose, signer, payer, amount, authorization)

    # Session keys

    def rotate_signer(self, signer: Address, next_signer: Address) -> Call:
        """Let another session key sign from the next period on; the sender owns the channel."""
        purpose = f"let {checksum(next_signer)} sign for the channel of {checksum(signer)}"
        return self._hub("rotateSigner", purpose, signer, next_signer)

    def close_channel(self, agreement: Close, payer: Signature, anchor: Signature) -> Call:
        """Close in agreement; all but the final amount goes back to the owner."""
        purpose = f"close the channel of {checksum(agreement.signer)}"
        return self._hub("close", purpose, _plain(agreement), payer, anchor)

    # Evidence against roots

    def post_voucher(self, node: Address, period: int, row: DirectClaimRow) -> Call:
        """Post a voucher that the anchor does not acknowledge, before its grace ends."""
        return self._hub("postVoucher", f"post a voucher of period {period}", node, period, row)

    def challenge(
        self,
        anchor: Address,
        period: int,
        node: Address,
        lanes: Sequence[OwedLane],
        proof: PayoutProof,
    ) -> Call:
        """Disprove a root that pays a node less than its anchor acknowledged."""
        purpose = f"challenge the root of period {period}"
        return self._hub("challenge", purpose, anchor, period, node, lanes, proof)

    def challenge_order(self, anchor: Address, period: int, proof: PayoutProof) -> Call:
        """Disprove a root whose accounts do not ascend."""
        purpose = f"challenge the order of period {period}"
        return self._hub("challengeOrder", purpose, anchor, period, proof)

    def demand_payout(
        self, anchor: Address, period: int, node: Address, lanes: Sequence[OwedLane]
    ) -> Call:
        """Ask to see what a root pays a node."""
        purpose = f"demand a payout of period {period}"
        return self._hub("demandPayout", purpose, anchor, period, node, lanes)

    def show_payout(
        self, anchor: Address, period: int, account: Address, proof: PayoutProof
    ) -> Call:
        """Answer a demand."""
        purpose = f"show a payout of period {period}"
        return self._hub("showPayout", purpose, anchor, period, account, proof)

    def void_unshown(self, anchor: Address, period: int, account: Address) -> Call:
        """Void a root whose demanded payout was not shown in time."""
        purpose = f"void the root of period {period}"
        return self._hub("voidUnshown", purpose, anchor, period, account)

    def forfeit_bond(
        self, anchor: Address, period: int, challenger: Address, node: Address
    ) -> Call:
        """Have the bond of a void period slashed, or freed where nobody disproved the root."""
        purpose = f"forfeit the bond of period {period}"
        return self._hub("forfeitBond", purpose, anchor, period, challenger, node)

    # Credit

    def spend_credit_on_rent(self, token_class: Hash, periods: int, maximum: int) -> Call:
        """Buy rent with the sender's credit, for at most ``maximum``."""
        purpose = f"buy {periods} periods of rent for at most {amount_text(maximum, 'SVC')}"
        return self._hub("spendCreditOnRent", purpose, token_class, periods, maximum)

    # Verdicts

    def punish_election(
        self, first: TypedMessage, first_by: Signature, second: TypedMessage, second_by: Signature
    ) -> Call:
        """Report an anchor that voted twice on one fence."""
        return self._disputes(
            "punishElection",
            "report two votes on one fence",
            _plain(first),
            first_by,
            _plain(second),
            second_by,
        )

    def punish_journal(
        self, first: TypedMessage, first_by: Signature, second: TypedMessage, second_by: Signature
    ) -> Call:
        """Report an executor that wrote two entries on one index."""
        return self._disputes(
            "punishJournal",
            "report two entries on one index",
            _plain(first),
            first_by,
            _plain(second),
            second_by,
        )

    def punish_over_leasing(
        self, anchor: Address, signer: Address, period: int, leases: Sequence[Lease]
    ) -> Call:
        """Report an anchor that leased more of a channel than it held."""
        purpose = f"report the leases of {checksum(signer)} in period {period}"
        return self._disputes("punishOverLeasing", purpose, anchor, signer, period, leases)

    def schedule_penalties(self, penalties: Penalties) -> Call:
        """Change the penalties, two periods from now; the sender owns the disputes."""
        return self._disputes("schedulePenalties", "change the penalties", penalties)

    def open_case(
        self, finding: ServiceFinding, evidence_uri: str, r: Sequence[Hash], vs: Sequence[Hash]
    ) -> Call:
        """Open a case about a node's service level, by findings of anchors in ascending order of
        their keys."""
        purpose = f"open a case against {checksum(finding.node)} for period {finding.period}"
        return self._disputes("openCase", purpose, _plain(finding), evidence_uri, r, vs)

    def veto_case(self, case_id: Hash) -> Call:
        """End a case; the sender owns the disputes."""
        return self._disputes("vetoCase", f"veto case 0x{case_id.hex()}", case_id)

    def execute_case(self, case_id: Hash) -> Call:
        """Punish the node of a case that nobody vetoed in time."""
        return self._disputes("executeCase", f"execute case 0x{case_id.hex()}", case_id)

    def _hub(self, function: str, purpose: str, *arguments: object) -> Call:
        return contract_call(self.deployment, "ChannelHub", function, purpose, *arguments)

    def _disputes(self, function: str, purpose: str, *arguments: object) -> Call:
        return contract_call(self.deployment, "DisputeManager", function, purpose, *arguments)


def _plain(message: TypedMessage) -> tuple[object, ...]:
    return tuple(getattr(message, member.attribute) for member in members(type(message)))
