"""Every transaction of the network as a pure value: where to, calldata, and in words what for.

Node, demo and operator's scripts all build their transactions here. Arguments are checked against
the ABI's widths (InputError); everything else is the contract's to refuse.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from settlement.chain.abi import artifact
from settlement.chain.deployment import Deployment
from settlement.core.claim_pages import lane_id
from settlement.ports.chain import Call
from settlement.ports.chain_records import (
    AcceptedRow,
    DirectClaimRow,
    PaidLane,
    Payout,
    ProofNode,
    StatementRow,
    Terms,
)
from settlement.protocol.messages import KeyProof
from settlement.protocol.signing import SigningKey
from settlement.types import Address, Hash, Signature, checksum

_UNIT = 10**18
SERVICE, ANCHOR = 1, 2


def compact(signature: Signature) -> tuple[Hash, Hash]:
    """A signature as EIP-2098's (r, vs): the parity sits in the top bit of s."""
    parity = (signature[64] - 27) << 255
    s = int.from_bytes(signature[32:64], "big")
    return Hash(signature[:32]), Hash((s | parity).to_bytes(32, "big"))


def amount_text(amount: int, unit: str) -> str:
    """Base units as a decimal number of tokens: ``1,250.5 SVC``."""
    whole, rest = divmod(amount, _UNIT)
    return f"{whole:,}" + (f".{rest:018d}".rstrip("0") if rest else "") + f" {unit}"


def send_coin(receiver: Address, wei: int) -> Call:
    """Pay the chain's own coin, for gas."""
    purpose = f"send {amount_text(wei, 'coin')} to {checksum(receiver)}"
    return Call(contract=receiver, data=b"", purpose=purpose, value=wei)


def create_ticket_contract(airline: Address) -> Call:
    """Deploy the example token contract, owned by ``airline``."""
    code = artifact("SmartTicket").creation(airline)
    return Call(contract=None, data=code, purpose="deploy the ticket contract")


def mint_ticket(contract: Address, holder: Address, flight: str, hotel_booking: str) -> Call:
    """Issue an example ticket; its number is in the receipt's Transfer."""
    data = artifact("SmartTicket").calldata("mint", holder, flight, hotel_booking)
    return Call(contract=contract, data=data, purpose=f"mint a ticket for flight {flight}")


def contract_call(
    deployment: Deployment, name: str, function: str, purpose: str, *arguments: object
) -> Call:
    """A call of one contract of a deployment, by its artifact's name. Raises InputError."""
    data = artifact(name).calldata(function, *arguments)
    return Call(contract=deployment.address_of(name), data=data, purpose=purpose)


@dataclass(frozen=True, slots=True)
class Calls:
    """The builders of one deployment."""

    deployment: Deployment

    # Tokens

    def pay(self, receiver: Address, amount: int) -> Call:
        """Send Service Tokens."""
        purpose = f"send {amount_text(amount, 'SVC')} to {checksum(receiver)}"
        return self._call("ServiceToken", "transfer", purpose, receiver, amount)

    def pay_stake(self, receiver: Address, amount: int) -> Call:
        """Send Stake Tokens."""
        purpose = f"send {amount_text(amount, 'STK')} to {checksum(receiver)}"
        return self._call("StakeToken", "transfer", purpose, receiver, amount)

    def approve_stake(self, amount: int) -> Call:
        """Let the registry take stake."""
        purpose = f"let the registry take {amount_text(amount, 'STK')}"
        return self._call("StakeToken", "approve", purpose, self.deployment.registry, amount)

    def approve_rent(self, amount: int) -> Call:
        """Let the rent vault take rent."""
        purpose = f"let the rent vault take {amount_text(amount, 'SVC')}"
        return self._call("ServiceToken", "approve", purpose, self.deployment.rent, amount)

    def approve_deposit(self, amount: int) -> Call:
        """Let the hub take a deposit."""
        purpose = f"let the hub take {amount_text(amount, 'SVC')}"
        return self._call("ServiceToken", "approve", purpose, self.deployment.hub, amount)

    # Nodes and stake

    def key_proof(self, node_key: SigningKey, operator: Address) -> Signature:
        """The node key's consent to be registered by ``operator``."""
        proof = KeyProof(operator=operator, key=node_key.address)
        return node_key.sign(self.deployment.domain, proof)

    def register_node(
        self,
        *,
        key: Address,
        key_proof: Signature,
        payout: Address,
        roles: int,
        api_url: str,
        link_url: str,
        stake: int,
    ) -> Call:
        """Register a node with the sender as its operator; stake must be approved before."""
        purpose = f"register node {checksum(key)} with {amount_text(stake, 'STK')} at stake"
        return self._call(
            "NodeRegistry",
            "register",
            purpose,
            key,
            payout,
            roles,
            api_url,
            link_url,
            stake,
            key_proof,
        )

    def add_stake(self, key: Address, amount: int) -> Call:
        """Add approved stake to a node."""
        purpose = f"add {amount_text(amount, 'STK')} to node {checksum(key)}"
        return self._call("NodeRegistry", "addStake", purpose, key, amount)

    def request_thaw(self, key: Address, amount: int) -> Call:
        """Let part of a node's stake thaw."""
        purpose = f"thaw {amount_text(amount, 'STK')} of node {checksum(key)}"
        return self._call("NodeRegistry", "requestThaw", purpose, key, amount)

    def leave_network(self, key: Address) -> Call:
        """Let all of a node's stake thaw; it is no member any more."""
        purpose = f"leave with node {checksum(key)}"
        return self._call("NodeRegistry", "leave", purpose, key)

    def withdraw_thawed(self, key: Address) -> Call:
        """Take thawed stake back."""
        purpose = f"withdraw the thawed stake of node {checksum(key)}"
        return self._call("NodeRegistry", "withdrawThawed", purpose, key)

    def update_urls(self, key: Address, api_url: str, link_url: str) -> Call:
        """Say where a node is reached now."""
        purpose = f"move node {checksum(key)} to {api_url}"
        return self._call("NodeRegistry", "updateUrls", purpose, key, api_url, link_url)

    # Issuers and rent

    def register_class(
        self,
        *,
        token_contract: Address,
        payout: Address,
        issuer_share: int,
        script_uri: str,
        script_hash: Hash,
    ) -> Call:
        """Register a token contract's class with its first script; the sender owns the contract."""
        purpose = f"register the token class of {checksum(token_contract)}"
        return self._call(
            "IssuerRegistry",
            "registerClass",
            purpose,
            token_contract,
            payout,
            issuer_share,
            script_uri,
            script_hash,
        )

    def publish_script(self, token_class: Hash, script_uri: str, script_hash: Hash) -> Call:
        """Replace a class's TokenScript."""
        purpose = f"publish the script 0x{script_hash.hex()}"
        return self._call(
            "IssuerRegistry", "publishScript", purpose, token_class, script_uri, script_hash
        )

    def schedule_share(self, token_class: Hash, issuer_share: int) -> Call:
        """Change the issuer's share, two periods from now."""
        purpose = f"set the issuer's share to {issuer_share} basis points"
        return self._call("IssuerRegistry", "scheduleShare", purpose, token_class, issuer_share)

    def start_rent(self, token_class: Hash, instances: int, periods: int) -> Call:
        """Begin rent; its quoted price must be approved before."""
        purpose = f"start rent for {instances} instances and {periods} periods"
        return self._call("RentVault", "start", purpose, token_class, instances, periods)

    def top_up_rent(self, token_class: Hash, periods: int) -> Call:
        """Extend rent; its quoted price must be approved before."""
        purpose = f"extend rent by {periods} periods"
        return self._call("RentVault", "topUp", purpose, token_class, periods)

    def roll_rent(self, limit: int) -> Call:
        """Close the books of past rent periods."""
        return self._call("RentVault", "roll", f"roll up to {limit} rent periods", limit)

    # Channels

    def open_channel(
        self, *, signer: Address, owner: Address, anchor: Address, amount: int
    ) -> Call:
        """Open a channel for a session key with an approved deposit."""
        purpose = f"open a channel for {checksum(signer)} with {amount_text(amount, 'SVC')}"
        return self._call("ChannelHub", "open", purpose, signer, owner, anchor, amount)

    def top_up_channel(self, signer: Address, amount: int) -> Call:
        """Add an approved deposit to a channel."""
        purpose = f"add {amount_text(amount, 'SVC')} to the channel of {checksum(signer)}"
        return self._call("ChannelHub", "topUp", purpose, signer, amount)

    def set_anchor(self, signer: Address, anchor: Address) -> Call:
        """Choose another anchor from the next period on."""
        purpose = f"move the channel of {checksum(signer)} to anchor {checksum(anchor)}"
        return self._call("ChannelHub", "setAnchor", purpose, signer, anchor)

    def request_withdrawal(self, signer: Address, amount: int) -> Call:
        """Ask for part of a channel's balance back; zero cancels."""
        purpose = f"ask for {amount_text(amount, 'SVC')} back from {checksum(signer)}"
        return self._call("ChannelHub", "requestWithdrawal", purpose, signer, amount)

    def withdraw(self, signer: Address) -> Call:
        """Take the released withdrawal."""
        purpose = f"withdraw from the channel of {checksum(signer)}"
        return self._call("ChannelHub", "withdraw", purpose, signer)

    # Settlement

    def settle_chunk(self, period: int, rows: Sequence[StatementRow]) -> Call:
        """Debit channels by their signed Statements; the sender is the anchor's node key."""
        purpose = f"settle {len(rows)} statements of period {period}"
        return self._call("ChannelHub", "settleChunk", purpose, period, rows)

    def commit_period(self, period: int, root: Hash, total: int, leaf_count: int) -> Call:
        """Commit a period's payouts; the sender is the anchor's node key."""
        purpose = f"commit {leaf_count} payouts of period {period}, {amount_text(total, 'SVC')}"
        return self._call("ChannelHub", "commitPeriod", purpose, period, root, total, leaf_count)

    def restore_chunk(
        self, anchor: Address, period: int, chunk: int, rows: Sequence[AcceptedRow]
    ) -> Call:
        """Give the debits of an accepted chunk back."""
        purpose = f"restore chunk {chunk} of period {period}"
        return self._call("ChannelHub", "restoreChunk", purpose, anchor, period, chunk, rows)

    def distribute(
        self,
        anchor: Address,
        period: int,
        first_index: int,
        payouts: Sequence[Payout],
        siblings: Sequence[ProofNode],
    ) -> Call:
        """Credit a range of payouts of a final period; anyone may."""
        purpose = f"distribute {len(payouts)} payouts of period {period}"
        return self._call(
            "ChannelHub", "distribute", purpose, anchor, period, first_index, payouts, siblings
        )

    def claim(
        self,
        anchor: Address,
        period: int,
        index: int,
        payout: Payout,
        siblings: Sequence[ProofNode],
    ) -> Call:
        """Credit one payout of a final period; anyone may."""
        purpose = f"claim payout {index} of period {period}"
        return self._call("ChannelHub", "claim", purpose, anchor, period, index, payout, siblings)

    def release_bond(self, anchor: Address, period: int) -> Call:
        """Give the bond of a final period back to the anchor's stake."""
        purpose = f"release the bond of period {period}"
        return self._call("ChannelHub", "releaseBond", purpose, anchor, period)

    def claim_direct(
        self,
        node: Address,
        period: int,
        rows: Sequence[DirectClaimRow],
        *,
        page: int = 0,
        paid: Sequence[PaidLane] = (),
    ) -> Call:
        """Pay a node for lanes that its anchor did not settle.

        ``paid`` is all that ``page`` holds; :class:`settlement.core.claim_pages.ClaimPages` knows
        it and puts rows on their pages. A node's first claim of a period has neither.
        """
        purpose = f"claim {len(rows)} lanes of period {period} directly"
        ordered = sorted(rows, key=lambda row: lane_id(row.signer, period, node, row.token_class))
        return self._call("ChannelHub", "claimDirect", purpose, node, period, page, paid, ordered)

    def withdraw_credit(self, receiver: Address, amount: int) -> Call:
        """Send the sender's credit out of the hub."""
        purpose = f"withdraw {amount_text(amount, 'SVC')} of credit to {checksum(receiver)}"
        return self._call("ChannelHub", "withdrawCredit", purpose, receiver, amount)

    def burn_credit(self) -> Call:
        """Burn the part of protocol fees that nobody gets."""
        return self._call("ChannelHub", "burnCredit", "burn the protocol's share")

    # Governance

    def schedule_terms(self, terms: Terms) -> Call:
        """Schedule new terms, two periods from now; the sender owns the parameters."""
        return self._call("Parameters", "schedule", "schedule new terms", terms)

    def _call(self, name: str, function: str, purpose: str, *arguments: object) -> Call:
        return contract_call(self.deployment, name, function, purpose, *arguments)
