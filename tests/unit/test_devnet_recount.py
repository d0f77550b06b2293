"""The story counts its payouts a second time, by other code; both must always agree."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from node.devnet.recount import recount
from settlement.core.payouts import AcceptedRow, Accounts, IssuerTerms, payouts
from settlement.core.splits import Shares
from settlement.core.statements import LaneAmount, draft_of
from settlement.ports.chain_terms import monthly_terms
from settlement.types import ZERO_ADDRESS, Address, Hash

SIGNER = Address(b"\x01" * 20)
CLASS = Hash(b"\x02" * 32)
NODES = [Address(bytes([3, n]) * 10) for n in range(5)]
PEOPLE = [Address(bytes([4, n]) * 10) for n in range(4)]

people = st.sampled_from(PEOPLE)
lanes_of_a_month = st.dictionaries(
    st.sampled_from(NODES), st.integers(1, 10**27) | st.integers(1, 200), min_size=1
)


@given(
    amounts=lanes_of_a_month,
    protocol=st.integers(0, 500),
    burn=st.integers(0, 10_000),
    anchor_share=st.integers(0, 1_000),
    issuer_share=st.integers(0, 3_000),
    accounts=st.fixed_dictionaries(dict.fromkeys(NODES, people)),
    treasury=people,
    anchor=people,
    issuer=people,
)
def test_both_counts_agree_to_the_last_unit(
    amounts: dict[Address, int],
    protocol: int,
    burn: int,
    anchor_share: int,
    issuer_share: int,
    accounts: dict[Address, Address],
    treasury: Address,
    anchor: Address,
    issuer: Address,
) -> None:
    lanes = [LaneAmount(node=n, token_class=CLASS, amount=a) for n, a in amounts.items()]
    terms = replace(
        monthly_terms(treasury),
        protocol_share=protocol,
        burn_share=burn,
        anchor_share=anchor_share,
    )
    draft = draft_of(anchor, SIGNER, 0, lanes)
    row = AcceptedRow(signer=SIGNER, amount=draft.amount, root=draft.root, lanes=draft.lanes)
    leaves = payouts(
        [row],
        Shares(protocol=protocol, burn=burn, anchor=anchor_share),
        Accounts(
            treasury=treasury,
            anchor=anchor,
            nodes=accounts,
            issuers={CLASS: IssuerTerms(payout=issuer, share=issuer_share)},
        ),
    )

    due = recount(draft.lanes, terms, issuer_share, accounts, issuer, anchor)

    assert {account: amount for account, amount in due.items() if amount} == {
        leaf.account: leaf.amount for leaf in leaves
    }
    assert sum(due.values()) == sum(amounts.values())


def test_a_month_of_one_unit_goes_to_the_protocol() -> None:
    """Rounding up is the protocol's; of one base unit nothing is left for anybody else."""
    lane = LaneAmount(node=NODES[0], token_class=CLASS, amount=1)
    terms = monthly_terms(PEOPLE[0])

    due = recount([lane], terms, 2_000, {NODES[0]: PEOPLE[1]}, PEOPLE[2], PEOPLE[3])

    assert due[PEOPLE[0]] + due[ZERO_ADDRESS] == 1
    assert due[PEOPLE[1]] == due[PEOPLE[2]] == due[PEOPLE[3]] == 0
