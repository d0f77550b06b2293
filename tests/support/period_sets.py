"""Whole periods made at random, what they pay by code that shares nothing with the builder, and the
calls by which the contracts are asked whether they agree."""

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from settlement.core.payouts import AcceptedRow, Accounts, IssuerTerms, PayoutLeaf, payouts
from settlement.core.splits import Shares, split
from settlement.core.statements import LaneAmount, draft_of
from settlement.protocol.merkle_sum import Tree
from settlement.types import ZERO_ADDRESS, Address, Hash, checksum, keccak

WHOLE = 10_000
LARGEST = 1 << 90
"""More than a channel's balance can be; sums of a period stay below 128 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodSet:
    """Everything that a period's payouts follow from."""

    rows: tuple[AcceptedRow, ...]
    shares: Shares
    accounts: Accounts

    @property
    def lanes(self) -> list[LaneAmount]:
        return [lane for row in self.rows for lane in row.lanes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A call of the lens, by name, and the answer that it must give."""

    function: str
    arguments: tuple[object, ...]
    answer: object


def random_period(seed: int) -> PeriodSet:
    """A period with 1 to 12 integrations, up to 40 lanes each: accounts that play several roles,
    classes with no issuer, nodes with no registration, amounts of nothing, one and very much."""
    dice = random.Random(seed)
    people = [_account(seed, i) for i in range(dice.randint(2, 14))]
    nodes = [_account(seed, 100 + i) for i in range(dice.randint(1, 10))]
    classes = [keccak(b"class %d %d" % (seed, i)) for i in range(dice.randint(1, 8))]
    shares_of_issuers = (0, 1, 333, 1_000, 3_000)
    issuers = {
        each: IssuerTerms(
            payout=dice.choice([*people, ZERO_ADDRESS]),
            share=dice.choice(shares_of_issuers),
        )
        for each in classes
        if dice.random() < 0.8
    }
    accounts = Accounts(
        treasury=dice.choice(people),
        anchor=dice.choice(people),
        nodes={node: dice.choice(people) for node in nodes if dice.random() < 0.9},
        issuers=issuers,
    )
    shares = Shares(
        protocol=dice.choice((0, 1, 250, 499, 500)),
        burn=dice.choice((0, 1, 4_000, 9_999, 10_000)),
        anchor=dice.choice((0, 1, 500, 999, 1_000)),
    )
    rows = tuple(_row(dice, seed, i, nodes, classes) for i in range(dice.randint(1, 12)))
    return PeriodSet(rows=rows, shares=shares, accounts=accounts)


def _row(
    dice: random.Random, seed: int, index: int, nodes: list[Address], classes: list[Hash]
) -> AcceptedRow:
    pairs = [(node, each) for node in nodes for each in classes]
    chosen = dice.sample(pairs, dice.randint(1, min(len(pairs), 40)))
    lanes = [LaneAmount(node=n, token_class=c, amount=_amount(dice)) for n, c in chosen]
    signer = _account(seed, 1_000 + index)
    draft = draft_of(signer, signer, 0, lanes)
    return AcceptedRow(
        signer=signer, amount=draft.amount, root=draft.root, lanes=tuple(draft.lanes)
    )


def _amount(dice: random.Random) -> int:
    kind = dice.random()
    if kind < 0.3:
        return dice.randint(1, 40)  # where rounding takes most
    if kind < 0.9:
        return dice.randint(1, 10**21)
    return dice.randint(LARGEST - 10**6, LARGEST)


def _account(seed: int, index: int) -> Address:
    return Address(keccak(b"account %d %d" % (seed, index))[12:])


def recomputed(found: PeriodSet) -> dict[Address, int]:
    """What each account gets, in rational numbers, lane by lane from the sum of a lane downwards:
    first what others get is taken off, then the node has the rest."""
    due: dict[Address, int] = defaultdict(int)
    for lane in found.lanes:
        left, gross = lane.amount, Fraction(lane.amount)
        terms = found.accounts.issuers.get(lane.token_class)
        protocol = ceil(gross * found.shares.protocol / WHOLE)
        burnt = floor(Fraction(protocol * found.shares.burn, WHOLE))
        takers = [
            (found.accounts.treasury, protocol - burnt),
            (ZERO_ADDRESS, burnt),
            (found.accounts.anchor, floor(gross * found.shares.anchor / WHOLE)),
        ]
        if terms is not None and terms.payout != ZERO_ADDRESS:
            takers.append((terms.payout, floor(gross * terms.share / WHOLE)))
        for account, amount in takers:
            due[account] += amount
            left -= amount
        due[found.accounts.nodes.get(lane.node, lane.node)] += left
    return {account: amount for account, amount in due.items() if amount}


def built(found: PeriodSet) -> tuple[PayoutLeaf, ...]:
    """What the product's builder makes of it."""
    return payouts(found.rows, found.shares, found.accounts)


def questions(found: PeriodSet, leaves: tuple[PayoutLeaf, ...], seed: int) -> Iterator[Question]:
    """All payouts in chunks, as they are distributed; one payout raised by one, and one of them in
    another's place, which the contract must refuse; and some lanes' splits."""
    dice = random.Random(seed)
    tree = Tree.of([leaf.node() for leaf in leaves])
    chunk = dice.randint(1, len(leaves))
    pairs = [(checksum(leaf.account), leaf.amount) for leaf in leaves]

    def asked(first: int, part: list[tuple[str, int]], answer: bool) -> Question:
        proof = [(node.hash, node.sum) for node in tree.range_proof(first, len(part))]
        whole = (tree.root.hash, tree.root.sum)
        arguments = (first, len(leaves), part, proof, *whole)
        return Question(function="verifyRange", arguments=arguments, answer=answer)

    for first in range(0, len(leaves), chunk):
        yield asked(first, pairs[first : first + chunk], True)
    index = dice.randrange(len(leaves))
    account, amount = pairs[index]
    yield asked(index, [(account, amount + 1)], False)
    if len(leaves) > 1:
        yield asked((index + 1) % len(leaves), [(account, amount)], False)
    for lane in dice.sample(found.lanes, min(3, len(found.lanes))):
        yield _split_of(found, lane)


def _split_of(found: PeriodSet, lane: LaneAmount) -> Question:
    terms = found.accounts.issuers.get(lane.token_class)
    share = terms.share if terms else 0
    ours = split(lane.amount, found.shares, share)
    shares = (found.shares.protocol, found.shares.burn, found.shares.anchor, share)
    answer = (ours.treasury, ours.burnt, ours.anchor, ours.issuer, ours.node)
    return Question(function="split", arguments=(lane.amount, *shares), answer=answer)
