"""What a founding tells, in order: the events of the contracts that a deployment creates."""

FOUNDING = [
    "TermsScheduled",
    "RatesScheduled",
    "GuardianChanged",
    "FeeSplitChanged",
    "PenaltiesScheduled",
    "HubSet",
    "DisputesSet",
    "SourcesSet",
    "VenuesSet",
]
