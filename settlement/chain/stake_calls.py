"""Transactions of stake, rewards, elections, rent and issuers beyond those of a node's everyday.

Pure values, as in :mod:`settlement.chain.calls`: arguments are checked against the ABI's widths
(InputError); everything else is the contract's to refuse.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from settlement.chain.calls import amount_text, contract_call
from settlement.chain.deployment import Deployment
from settlement.ports.chain import Call
from settlement.ports.chain_records import UptimeRow
from settlement.protocol.messages import ClassClaim
from settlement.protocol.signing import SigningKey
from settlement.types import ZERO_ADDRESS, Address, Hash, Signature, checksum


@dataclass(frozen=True, slots=True)
class StakeCalls:
    """The builders of one deployment."""

    deployment: Deployment

    # A node's keys and accounts

    def rotate_key(self, key: Address, new_key: Address, key_proof: Signature) -> Call:
        """Replace a node's key from the next period on; ``key_proof`` is the new key's consent."""
        purpose = f"replace node key {checksum(key)} by {checksum(new_key)} from the next period on"
        return self._registry("rotateKey", purpose, key, new_key, key_proof)

    def offer_operator(self, key: Address, operator: Address) -> Call:
        """Offer a node with its stake to another account; the zero account takes it back."""
        purpose = f"offer node {checksum(key)} to {checksum(operator)}"
        if operator == ZERO_ADDRESS:
            purpose = f"take the offer of node {checksum(key)} back"
        return self._registry("offerOperator", purpose, key, operator)

    def accept_operator(self, key: Address) -> Call:
        """Take over a node that was offered to the sender."""
        return self._registry("acceptOperator", f"take over node {checksum(key)}", key)

    def set_payout(self, key: Address, payout: Address) -> Call:
        """Pay a node's earnings elsewhere, from the next period on."""
        purpose = f"pay node {checksum(key)} at {checksum(payout)} from the next period on"
        return self._registry("setPayout", purpose, key, payout)

    def set_commission(self, key: Address, commission: int) -> Call:
        """Change a node's commission (basis points); a higher one is scheduled."""
        purpose = f"set the commission of node {checksum(key)} to {commission / 100:g} %"
        return self._registry("setCommission", purpose, key, commission)

    def apply_commission(self, key: Address) -> Call:
        """Let a scheduled commission hold."""
        return self._registry("applyCommission", f"apply the commission of {checksum(key)}", key)

    # Delegated stake and rewards

    def delegate(self, key: Address, amount: int) -> Call:
        """Delegate approved stake to a node."""
        purpose = f"delegate {amount_text(amount, 'STK')} to node {checksum(key)}"
        return self._registry("delegate", purpose, key, amount)

    def undelegate(self, key: Address, shares: int) -> Call:
        """Let shares of a node's pool thaw."""
        return self._registry("undelegate", f"undelegate from node {checksum(key)}", key, shares)

    def withdraw_delegation(self, key: Address) -> Call:
        """Take thawed delegated stake back."""
        purpose = f"withdraw what was delegated to node {checksum(key)}"
        return self._registry("withdrawDelegation", purpose, key)

    def claim_node_rewards(self, number: int) -> Call:
        """Pay a node's rewards to its payout account; anyone may."""
        return self._call("RewardPool", "claimNode", f"claim rewards of node {number}", number)

    def claim_delegator_rewards(self, number: int, delegator: Address) -> Call:
        """Pay a delegator's rewards from one node; anyone may."""
        purpose = f"claim rewards of {checksum(delegator)} from node {number}"
        return self._call("RewardPool", "claimDelegator", purpose, number, delegator)

    def collect_fees(self) -> Call:
        """Take the pool's fees out of the hub, for stakers and treasury; anyone may."""
        return self._call("RewardPool", "collect", "share collected fees among stakers")

    def fund_rewards(self, amount: int) -> Call:
        """Share approved Service Tokens among all active stake."""
        purpose = f"share {amount_text(amount, 'SVC')} among stakers"
        return self._call("RewardPool", "fund", purpose, amount)

    # Election, placement, commitments, brake

    def approve_anchors(self, anchors: Sequence[Address]) -> Call:
        """Approve these anchors and no others; they are sorted as the contract asks."""
        purpose = f"approve {len(anchors)} anchors"
        return self._call("AnchorElection", "approve", purpose, sorted(set(anchors)))

    def count_ballot(self, voter: Address) -> Call:
        """Count a voter's ballot in the current period; anyone may."""
        purpose = f"count the ballot of {checksum(voter)}"
        return self._call("AnchorElection", "count", purpose, voter)

    def fix_seed(self) -> Call:
        """Fix the block that the current period's placement seed comes from; anyone may."""
        return self._call("PlacementSeeds", "fix", "fix the block of the period's seed")

    def draw_seed(self, period: int, header: bytes) -> Call:
        """Draw a period's seed from its fixed block's ``header`` (RLP); anyone may."""
        return self._call(
            "PlacementSeeds", "draw", f"draw the seed of period {period}", period, header
        )

    def post_root(self, root: Hash, entries: int) -> Call:
        """Post the current slot's root; the sender is the key of the anchor on duty."""
        purpose = f"post the root of {entries} journals and feeds"
        return self._call("Commitments", "post", purpose, root, entries)

    def pull_brake(self, reason: str) -> Call:
        """Stop new money for a while; ``reason`` has up to 32 bytes."""
        word = reason.encode()[:32].ljust(32, b"\0")
        return self._call("EmergencyBrake", "pull", f"stop new money: {reason}", word)

    def release_brake(self) -> Call:
        """Let new money in again before the stop ends."""
        return self._call("EmergencyBrake", "release", "let new money in again")

    # Rent

    def earn_rent(self, node: Address, period: int, rows: Sequence[UptimeRow]) -> Call:
        """Credit a node its rent of several classes by what anchors acknowledged."""
        purpose = f"credit {checksum(node)} the rent of {len(rows)} classes in period {period}"
        return self._call("RentVault", "earn", purpose, node, period, rows)

    def withdraw_rent(self, receiver: Address, amount: int) -> Call:
        """Send the sender's earned rent out of the vault."""
        purpose = f"withdraw {amount_text(amount, 'SVC')} of rent to {checksum(receiver)}"
        return self._call("RentVault", "withdrawRent", purpose, receiver, amount)

    def return_unearned_rent(self, token_class: Hash, period: int) -> Call:
        """Give rent that nobody earned back to the class's balance."""
        purpose = f"return the unearned rent of period {period}"
        return self._call("RentVault", "returnUnearned", purpose, token_class, period)

    def extend_rent(self, token_class: Hash, periods: int) -> Call:
        """Extend rent out of the class's balance."""
        purpose = f"extend rent by {periods} periods out of its balance"
        return self._call("RentVault", "extend", purpose, token_class, periods)

    def update_garnish(self, token_class: Hash) -> Call:
        """Begin or end the garnish of the issuer's revenue, as the rent's state asks for."""
        return self._call("RentVault", "updateGarnish", "update the garnish", token_class)

    def garnish(self, token_class: Hash) -> Call:
        """Pay owed rent out of the issuer's garnished revenue."""
        return self._call("RentVault", "garnish", "pay rent out of revenue", token_class)

    # Issuers

    def class_claim(self, deployer: SigningKey, contract: Address, issuer: Address) -> Signature:
        """The deployer's consent that ``issuer`` acts for the class of ``contract``."""
        claim = ClassClaim(token_contract=contract, issuer=issuer)
        return deployer.sign(self.deployment.domain, claim)

    def register_class_by_deployer(
        self,
        *,
        token_contract: Address,
        payout: Address,
        issuer_share: int,
        script_uri: str,
        script_hash: Hash,
        nonce: int,
        consent: Signature,
    ) -> Call:
        """Register the class of a contract that names no owner; ``nonce`` is the number of the
        deployer's transaction that created it."""
        return self._call(
            "IssuerRegistry",
            "registerClassByDeployer",
            f"register the token class of {checksum(token_contract)} for its deployer",
            token_contract,
            payout,
            issuer_share,
            script_uri,
            script_hash,
            nonce,
            consent,
        )

    def offer_class(self, token_class: Hash, controller: Address) -> Call:
        """Offer a class to another account."""
        purpose = f"offer the class to {checksum(controller)}"
        return self._call("IssuerRegistry", "offerClass", purpose, token_class, controller)

    def accept_class(self, token_class: Hash) -> Call:
        """Become the controller of a class that was offered to the sender."""
        return self._call("IssuerRegistry", "acceptClass", "take over the class", token_class)

    def set_issuer_payout(self, token_class: Hash, payout: Address) -> Call:
        """Pay the issuer's revenue elsewhere, from the next period on."""
        purpose = f"pay the issuer at {checksum(payout)} from the next period on"
        return self._call("IssuerRegistry", "setIssuerPayout", purpose, token_class, payout)

    def _registry(self, function: str, purpose: str, *arguments: object) -> Call:
        return self._call("NodeRegistry", function, purpose, *arguments)

    def _call(self, name: str, function: str, purpose: str, *arguments: object) -> Call:
        return contract_call(self.deployment, name, function, purpose, *arguments)
