"""What to do about reverts of governance, stake, rewards and elections, by the error's name.

Part of the one table in :mod:`settlement.chain.reverts`.
"""

STAKE_ADVICE: dict[str, str] = {
    # NodeRegistry
    "NodeRegistry_Paused": "New stake is stopped by the emergency brake until {paused_until:time}; "
    "thawing and withdrawing still work.",
    "NodeRegistry_NotDisputes": "Only the dispute contract may slash; {caller} is not it.",
    "NodeRegistry_DisputesAlreadySet": "The registry's dispute contract is {disputes} for good.",
    "NodeRegistry_NotOffered": "Node {key} was not offered to {caller}; its operator offers it "
    "first.",
    "NodeRegistry_CommissionTooHigh": "A commission of {commission} basis points is above the "
    "maximum, {maximum}.",
    "NodeRegistry_CommissionNotDue": "No higher commission of node {key} is due; it would be from "
    "period {from_period} on.",
    "NodeRegistry_DelegationRefused": "Node {key} takes no stake from others: it has no active "
    "stake of its own, or was slashed nearly to nothing; choose another node.",
    # EmergencyBrake
    "ChannelHub_Paused": "New deposits are stopped by the emergency brake until "
    "{paused_until:time}; withdrawals, claims and payouts still work.",
    "EmergencyBrake_NotGuardian": "{caller} may not use the emergency brake; its guardian may.",
    "EmergencyBrake_CoolingDown": "The brake was used lately; it works again at {ready_at:time}.",
    "EmergencyBrake_NotPaused": "Nothing is stopped now.",
    "EmergencyBrake_OutOfBounds": "A stop lasts 1 second to 7 days, and its cooldown at least "
    "three times as long; {duration} s and {cooldown} s do not fit.",
    # VotingPower
    "VotingPower_NotRegistry": "Only the registry reports stake; {caller} is not it.",
    "VotingPower_NotFounder": "The registry is named once, by the founder, not by {caller}.",
    # RewardPool
    "RewardPool_NotRegistry": "Only the registry reports stake; {caller} is not it.",
    "RewardPool_NotFounder": "Registry and hub are named once, by the founder, not by {caller}.",
    "RewardPool_AmountInvalid": "{amount} is zero, or a share above 10,000 basis points.",
    "RewardPool_ZeroTreasury": "Name the treasury; it cannot be the zero account.",
    "RewardPool_NothingDue": "Nothing is due yet; try again after the next fees.",
    # AnchorElection, PlacementSeeds, Commitments
    "AnchorElection_TooManyAnchors": "A ballot approves at most {maximum} anchors, not {count}.",
    "AnchorElection_NotAscending": "Name each anchor once, in ascending order; {anchor} is out of "
    "place.",
    "AnchorElection_NotAnchor": "{anchor} is not the key of an active anchor.",
    "AnchorElection_AlreadyCounted": "The ballot of {voter} was counted in period {period} "
    "already.",
    "AnchorElection_NothingToCount": "{voter} has no ballot, or had no votes when period {period} "
    "opened.",
    "AnchorElection_SeatsOutOfBounds": "A set of anchors has 1 to 64 seats, not {seats}.",
    "PlacementSeeds_AlreadyFixed": "The seed of period {period} comes from block {block_number} "
    "already.",
    "PlacementSeeds_NotFixed": "Fix the block for the seed of period {period} first.",
    "PlacementSeeds_TooEarly": "Block {block_number}, which the seed of period {period} comes "
    "from, is not mined yet; try again after it.",
    "PlacementSeeds_HeaderInvalid": "This is not the header of block {block_number}, which the "
    "seed of period {period} comes from.",
    "Commitments_NotOnDuty": "{anchor} is on duty now, not {caller}; wait for the turn.",
    "Commitments_AlreadyPosted": "Slot {slot} has its root already.",
    "Commitments_RootInvalid": "A root is not zero, and covers at least one journal or feed.",
    "Commitments_NoAnchors": "No anchor is active, so nobody is on duty.",
    "Commitments_OutOfBounds": "A slot of {slot_length} s with a patience of {patience} s does not "
    "fit: at least 4 s, and patience from 1 s to a slot.",
    "FieldNotPresentInBlockHeader": "The block header is too short.",
    "RLPInvalidEncoding": "The block header is not valid RLP.",
    # IssuerRegistry
    "IssuerRegistry_OwnerKnown": "The token contract {token_contract} names its owner itself; "
    "register with the owner's account.",
    "IssuerRegistry_NotDeployer": "{signer} did not create {token_contract} with its transaction "
    "number {nonce}; sign with the deployer's key, and give the right number.",
    "IssuerRegistry_NotOffered": "The class {token_class} was not offered to {caller}.",
    "IssuerRegistry_NotFounder": "Hub and rent vault are named once, by the founder, not by "
    "{caller}.",
    # RentVault
    "RentVault_Paused": "New rent is stopped by the emergency brake until {paused_until:time}; "
    "what was paid is served on.",
    "RentVault_OutsideWindow": "The chain's time is {now:time}; this belongs between {from:time} "
    "and {until:time}.",
    "RentVault_AmountInvalid": "The amount, {amount:tokens} SVC, must be above zero and at most "
    "{available:tokens} SVC.",
    "RentVault_UnknownNode": "No node had the key {node} in that period; use the key of then.",
    "RentPurse_NotVault": "Only the rent vault empties a purse; {caller} is not it.",
    "FailedDeployment": "The purse could not be created.",
    # Governor
    "GovernorAlreadyCastVote": "{voter} has voted on this proposal already.",
    "GovernorAlreadyQueuedProposal": "This proposal is queued already; execute it when its time "
    "comes.",
    "GovernorDisabledDeposit": "The governor takes no coins; send none.",
    "GovernorInsufficientProposerVotes": "{proposer} has {votes:tokens} votes, and proposing needs "
    "{threshold:tokens}; find supporters who delegate their votes.",
    "GovernorInvalidProposalLength": "A proposal has as many targets ({targets}) as calls "
    "({calldatas}) and values ({values}), and at least one.",
    "GovernorInvalidQuorumFraction": "A quorum of {quorum_numerator} in {quorum_denominator} is "
    "more than everybody.",
    "GovernorInvalidSignature": "The vote is not signed by {voter}; sign it again.",
    "GovernorInvalidVoteParams": "This governor's votes carry no parameters.",
    "GovernorInvalidVoteType": "Vote against (0), for (1) or abstain (2).",
    "GovernorInvalidVotingPeriod": "A voting period of {voting_period} s is too short.",
    "GovernorNonexistentProposal": "There is no proposal {proposal_id}; check its text and calls.",
    "GovernorOnlyExecutor": "Only a vote can do this; propose it.",
    "GovernorProposalQueueingFailed": "Proposal {proposal_id} could not be queued.",
    "GovernorProposalQueueingNotRequired": "Proposal {proposal_id} needs no queue; execute it.",
    "GovernorRestrictedProposer": "The proposal's text names another proposer than {proposer}.",
    "GovernorUnableToCancel": "{account} may not cancel proposal {proposal_id} now; its proposer "
    "may, until voting begins.",
    "GovernorUnexpectedProposalState": "Proposal {proposal_id} is {current:proposal} now, which "
    "this does not fit; show it to see what comes next, and when.",
    # Timelock
    "AccessControlBadConfirmation": "A role is given up by the account that has it.",
    "AccessControlUnauthorizedAccount": "{account} does not have the role {needed_role}; what the "
    "timelock does is decided by vote.",
    "TimelockInsufficientDelay": "A delay of {delay} s is shorter than the timelock's, "
    "{min_delay} s.",
    "TimelockInvalidOperationLength": "An operation has as many targets ({targets}) as payloads "
    "({payloads}) and values ({values}).",
    "TimelockUnauthorizedCaller": "{caller} may not change the timelock; only a vote can.",
    "TimelockUnexecutedPredecessor": "Operation {predecessor_id} must be executed before.",
    "TimelockUnexpectedOperationState": "Operation {operation_id} is not ready: it is unknown, "
    "still waiting, or done.",
}
