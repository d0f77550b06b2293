"""What to do about reverts of challenges, disputes and session keys, by the error's name.

Part of the one table in :mod:`settlement.chain.reverts`.
"""

DISPUTE_ADVICE: dict[str, str] = {
    # ChannelHub
    "ChannelHub_LaneInvalid": "Row {index} of the evidence does not hold (reason {reason}); take "
    "the lane's last acknowledgement, and only channels that the anchor settled.",
    "ChannelHub_LanesUnordered": "Row {index} is out of order; name each lane once, by signer and "
    "then by class.",
    "ChannelHub_PayoutNotShown": "These payouts say nothing of {account}; show its own, or the two "
    "between which it would stand.",
    "ChannelHub_NotUnderpaid": "The root pays {paid} base units and {owed} are owed: nothing is "
    "wrong with it.",
    "ChannelHub_InOrder": "{first} comes before {second}, as it must: nothing is wrong with it.",
    "ChannelHub_DemandInvalid": "No demand is open for {account}, or it was made before.",
    "ChannelHub_ChallengerInvalid": "Challenger {challenger} and node {node} are not those by whom "
    "the root was disproved; take them from the event.",
    "ChannelHub_SignatureInvalid": "The signature is not that of {account} for this message.",
    "ChannelHub_Expired": "The agreement could be used until {deadline:time}; sign a new one.",
    "ChannelHub_WrongPeriod": "The agreement is for period {period}, and {current} is running; "
    "sign one for it.",
    "ChannelHub_RotationPending": "The last change of key for {signer} holds from period "
    "{from_period} on; change it again then.",
    "ChannelHub_ExpiryInvalid": "The key would end with period {until}, and {current} is running; "
    "name a later period, or 0 for no end.",
    "ChannelHub_LimitPending": "The cap before the last change is still needed for earlier "
    "periods; lower it again from {free_at:time} on.",
    "ChannelHub_PageInvalid": "Page {page} holds other lanes by now, or the page before it none; "
    "build the claim again from the newest events.",
    "ChannelHub_PageFull": "Page {page} would hold {lanes} lanes; beyond {most} only the node's "
    "own key, operator and payout account add to it: claim from one of them.",
    "ChannelHub_LaneOffPage": "Row {index} is out of order or belongs to another page; name each "
    "lane once, by its number.",
    "ChannelHub_ExtensionMismatch": "The hub's extension {extension} was made for another network; "
    "deploy it with the hub's own contracts.",
    "ChannelHub_NotDelegated": "Call the hub; its extension does nothing by itself.",
    # DisputeManager
    "DisputeManager_NotHub": "Only the hub brings payment fraud; {caller} is not the hub. Use its "
    "forfeitBond.",
    "DisputeManager_SignatureInvalid": "Signature {index} is not that of {account} for this "
    "message.",
    "DisputeManager_NoContradiction": "The two messages are the same, or do not stand in the same "
    "place: they do not contradict each other.",
    "DisputeManager_UnknownNode": "No node has the key {key}, so there is no stake to slash.",
    "DisputeManager_AlreadyPunished": "Case {case_id} was punished already; there is nothing left "
    "to do.",
    "DisputeManager_LeasesUnordered": "Lease {index} is out of order; name each once, by node and "
    "then by class.",
    "DisputeManager_Covered": "The leases sum to {leased:tokens} SVC and the channel held "
    "{held:tokens} SVC: nothing is wrong with them.",
    "DisputeManager_HeldUnknown": "What the channel of {signer} held in period {period} is not "
    "known any more.",
    "DisputeManager_PeriodOutOfReach": "A finding is about the running period, {current}, or the "
    "one before it, not about {period}.",
    "DisputeManager_FindingInvalid": "A finding names a fault from 0 to 3 (not {fault}), the hash "
    "of its evidence, and an address of it of 1 to 512 bytes (this one has {uri_length}).",
    "DisputeManager_AnchorInvalid": "Signature {index} is by {signer}: no active anchor of the "
    "period, the accused itself, or out of order; order them by their keys.",
    "DisputeManager_TooFewAnchors": "{signatures} anchors signed the finding, and {needed} must.",
    "DisputeManager_CaseStatus": "Case {case_id} is in state {status} (0 none, 1 open, 2 vetoed, "
    "3 executed), and this call needs another.",
    "DisputeManager_TooEarly": "Case {case_id} can be executed from {executable_at:time} on; until "
    "then governance may veto it.",
    "DisputeManager_OutOfBounds": "{penalty:name} is {value}, and must lie between {minimum} and "
    "{maximum}.",
}
