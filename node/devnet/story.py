"""A month in the life of two flight tickets, over the interfaces that everybody has.

Read it from top to bottom: each chapter is one paragraph of the whitepaper's example. The people
(airline, traveller, car rental, hotel) are in their own files; the nodes are processes of their
own, and nothing here reaches into them.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from node.client.http import expect_json
from node.devnet.airline import ISSUER_SHARE, Airline
from node.devnet.narrator import Narrator
from node.devnet.network import Devnet, DevNode, new_key, start_nodes
from node.devnet.recount import recount
from node.devnet.rental import DEPOSIT, Rental, grant_to
from node.devnet.report import NodeSeen, PayoutSeen, StoryReport, TokenSeen, tokens_text
from node.errors import NetworkError
from settlement.core.statements import StatementDraft
from settlement.errors import OurError
from settlement.ports.chain_records import PotStatus
from settlement.protocol.signing import SigningKey
from settlement.types import ZERO_ADDRESS, Address, TokenId, checksum

FLIGHT = "SL123"
DELAY_MINUTES = 180
NIGHT = 86_400
ANCHORS = 4
SERVICE_NODES = 4
GOOD_BOOKING = "H-1001"
SILENT_BOOKING = "H-2002"
PATIENCE_S = 60.0
_POLL_S = 0.1


@dataclass(kw_only=True, eq=False, repr=False)
class StoryStalled(OurError):
    """Something that the story waits for did not happen."""

    code: ClassVar[str] = "SL-9101"
    title: ClassVar[str] = "The story does not go on"
    fix: ClassVar[str] = "Look for warnings in {folder}: {waiting_for}, not within {seconds} s."

    waiting_for: str
    seconds: int
    folder: str


@dataclass(slots=True, kw_only=True)
class Story:
    """The stage: who takes part, and what has been seen so far."""

    net: Devnet
    narrator: Narrator
    report: StoryReport
    airline: Airline
    hotel_url: str
    traveller: SigningKey = field(default_factory=new_key)
    nodes: list[DevNode] = field(default_factory=list)

    holders: dict[TokenId, list[str]] = field(default_factory=dict)
    coordinators: dict[TokenId, str] = field(default_factory=dict)
    executors: dict[TokenId, str] = field(default_factory=dict)

    @property
    def anchors(self) -> list[DevNode]:
        return [node for node in self.nodes if node.role == "anchor"]

    @property
    def tickets(self) -> tuple[TokenId, TokenId]:
        return self.airline.token(1), self.airline.token(2)

    def holders_of(self, token: TokenId) -> list[DevNode]:
        """The nodes that the hash table names for a token."""
        return [node for node in self.nodes if checksum(node.key) in self.holders[token]]

    def name_of(self, key: str) -> str:
        """A node's name by its key in text."""
        return next((n.name for n in self.nodes if checksum(n.key).lower() == key.lower()), key)

    def tell(self, lane: str, actor: str, deed: str, signature: str = "") -> None:
        """A line of the timeline."""
        self.narrator.moment(lane, actor, deed, signature)

    def check(self, claim: str, held: bool) -> None:
        """A claim, and whether it held."""
        self.narrator.check(claim, held)

    async def until(self, what: str, done: Callable[..., Awaitable[bool]], *args: Any) -> None:
        """Ask a public interface until ``done(*args)``; raises StoryStalled if it never is."""
        waited = time.perf_counter()
        while time.perf_counter() - waited < PATIENCE_S:
            self.net.children.check()
            try:
                if await done(*args):
                    return
            except NetworkError:
                self.narrator.progress(f"{what}: not yet")
            await asyncio.sleep(_POLL_S)
        raise StoryStalled(waiting_for=what, seconds=int(PATIENCE_S), folder=self.report.folder)


async def described(story: Story, token: TokenId) -> list[dict[str, Any]]:
    """What each holder of a token says of it now: version, state root, holders."""
    found = []
    for node in story.holders_of(token):
        path = f"{node.api_url}/tokens/{token.path}"
        found.append(await expect_json(story.net.session, "GET", path))
    return found


async def agreed(story: Story, token: TokenId, version: int) -> bool:
    """Whether every replica has reached at least ``version``, all with one state root."""
    seen = await described(story, token)
    return all(int(each["version"]) >= version for each in seen) and (
        len({(each["version"], each["stateRoot"]) for each in seen}) == 1
    )


async def nodes_join(story: Story, private_hosts: list[str]) -> None:
    """Anchors and service nodes start, stake, register and link up."""
    names = [(f"anchor-{i + 1}", "anchor") for i in range(ANCHORS)]
    names += [(f"node-{i + 1}", "service") for i in range(SERVICE_NODES)]
    story.nodes = await start_nodes(story.net, names, private_hosts)
    for node in story.nodes:
        registered = await story.net.reader.node(node.key)
        assert registered is not None, "start_nodes has registered it"
        story.report.nodes.append(
            NodeSeen(
                name=node.name,
                role=node.role,
                key=checksum(node.key),
                api_url=node.api_url,
                stake=registered.stake,
            )
        )
    story.tell("chain", "operators", "stake for eight nodes and register them", "key proofs")
    shown = [
        await expect_json(story.net.session, "GET", f"{node.api_url}/members")
        for node in story.nodes
    ]
    whole = all(sum(m["linked"] for m in each["members"]) == len(story.nodes) for each in shown)
    story.check("every node shows eight members, each with a live link", whole)


async def airline_issues(story: Story) -> None:
    """The class is registered with its signed script, rent is paid, two tickets are minted."""
    rent = await story.airline.register()
    story.tell("airline", "airline", "registers its class and script", "the TSML file")
    story.tell("airline", "airline", f"pays {tokens_text(rent)} SVC of rent")
    await story.airline.mint(story.traveller.address, FLIGHT, GOOD_BOOKING)
    await story.airline.mint(story.traveller.address, FLIGHT, SILENT_BOOKING)
    story.tell("holder", "traveller", "receives two tickets")
    for number, ticket in enumerate(story.tickets, 1):
        await story.until(f"ticket {number} has a route", placed, story, ticket)
        await story.until(f"ticket {number} is active", agreed, story, ticket, 1)
        holders = tuple(node.name for node in story.holders_of(ticket))
        story.tell("anchor", story.coordinators[ticket], f"places ticket {number}", "placement")
        story.check(f"ticket {number} lives on three service nodes", len(holders) == 3)
        story.report.tokens.append(
            TokenSeen(name=f"ticket {number}", holders=holders, executor="", outcome="")
        )


async def placed(story: Story, token: TokenId) -> bool:
    """Whether the anchors' hash table answers where a token lives; remembers what it says."""
    url = f"{story.anchors[-1].api_url}/routes/{token.path}"
    record = await expect_json(story.net.session, "GET", url)
    story.holders[token] = [replica["key"] for replica in record["replicas"]]
    story.coordinators[token] = story.name_of(record["anchor"])
    return True


async def rental_reads(story: Story, rental: Rental, count: int) -> None:
    """The site opens its channel, gets the traveller's grants, and reads with vouchers."""
    await rental.open_channel()
    story.tell("rental", "car rental", f"opens a channel with {tokens_text(DEPOSIT)} SVC")
    now_ms = int(time.time() * 1_000)
    for ticket in story.tickets:
        grant = grant_to(story.net, story.traveller, rental.channel.signer, ticket, now_ms)
        rental.take_grant(grant)
    story.tell("holder", "traveller", "allows the rental to read", "two grants")
    first = story.tickets[0]
    await story.until("the channel is known", readable, rental, first)
    began = time.perf_counter()

    def counted(done: int) -> None:
        story.narrator.progress(f"The car rental reads: {done} of {count} answers, all verified")

    answers, story.report.read_ms = await rental.read_many(first, count, counted)
    story.report.reads = len(answers)
    story.report.reads_per_s = len(answers) / (time.perf_counter() - began)
    by_node = Counter(story.name_of(checksum(answer.node)) for answer in answers)
    story.report.reads_by_node = dict(by_node)
    story.tell("rental", "car rental", f"reads the ticket {count} times", f"{count} vouchers")
    story.tell("service", "three replicas", "answer, each proven", f"{count} answers")
    story.check(f"{count} paid reads were answered", len(answers) == count)
    story.check("answers came from all three replicas", len(by_node) == 3)
    scheduled = all(answer.result["status"] == "scheduled" for answer in answers)
    story.check("every answer says that the flight is on time", scheduled)
    proven = all(set(answer.proven) == set(answer.result) for answer in answers)
    story.check("every field of every answer is proven against the state root", proven)


async def readable(rental: Rental, token: TokenId) -> bool:
    """Whether nodes take the rental's vouchers: they wait for the deposit to be confirmed."""
    for _ in range(3):
        await rental.status(token)
    return True


async def flight_is_late(story: Story, rental: Rental) -> None:
    """One attestation moves both tickets on every replica alike; a lounge pass appears."""
    before = [await rental.status(ticket) for ticket in story.tickets]
    nodes = [node.api_url for node in story.nodes]
    arrival = int(time.time()) + NIGHT
    said = await story.airline.attest_delay(nodes, FLIGHT, DELAY_MINUTES, arrival)
    published = time.perf_counter()
    story.tell("airline", "airline", f"attests {DELAY_MINUTES} minutes of delay", "EAS attestation")
    for number, (ticket, earlier) in enumerate(zip(story.tickets, before, strict=True), 1):
        version = earlier.version + 1
        await story.until(f"ticket {number} moves", agreed, story, ticket, version)
        answer = await rental.status(ticket)
        story.check(f"ticket {number} has a lounge pass", bool(answer.result["lounge"]))
    took_ms = (time.perf_counter() - published) * 1_000
    story.tell("service", "all replicas", f"agree on one root after {took_ms:.0f} ms", "journal")
    story.check(
        "the attestation is the first entry of the airline's feed", said.entry.sequence == 0
    )


async def hotels_answer(story: Story, rental: Rental) -> None:
    """The executors call the hotel: one booking moves, the other call fails, attested."""
    good, silent = story.tickets
    outcomes = []
    for ticket, wanted in ((good, "rebooked"), (silent, "failed")):
        await story.until(f"the hotel is {wanted}", hotel, rental, ticket, wanted)
        answer = await rental.status(ticket)
        outcomes.append(answer.result["hotel"])
        story.executors[ticket] = await executor_of(story, ticket)
    executor = story.executors[good]
    story.tell("anchor", "four anchors", f"elect {executor} as executor", "votes")
    confirmation = outcomes[0]["confirmation"]
    story.tell("hotel", "hotel", f"moves {GOOD_BOOKING}: {confirmation}", "booking attestation")
    story.tell("service", story.executors[silent], "gets no answer three times, asks anchors")
    story.tell("anchor", "two anchors", "call the hotel themselves in vain", "failure attestations")
    story.check("the first booking was moved", outcomes[0]["status"] == "rebooked")
    story.check("the second is in its failure state", outcomes[1]["status"] == "failed")
    ledger = await expect_json(story.net.session, "GET", f"{story.hotel_url}/ledger")
    moved = [entry["booking"] for entry in ledger["moved"]]
    story.check("the hotel moved one booking, once", moved == [GOOD_BOOKING])
    story.check("anchors noted who needed them", await noted(story, silent))
    for number, ticket in enumerate(story.tickets):
        seen, shown = story.report.tokens[number], outcomes[number]["status"]
        story.report.tokens[number] = TokenSeen(
            name=seen.name,
            holders=seen.holders,
            executor=story.executors[ticket],
            outcome=f"hotel {shown}",
        )


async def hotel(rental: Rental, token: TokenId, wanted: str) -> bool:
    """Whether a paid read shows the hotel's wanted status."""
    answer = await rental.status(token)
    return bool(answer.result["hotel"]["status"] == wanted)


async def journal(story: Story, token: TokenId) -> list[dict[str, Any]]:
    """A token's committed entries, from its first holder."""
    url = f"{story.holders_of(token)[0].api_url}/journals/{token.path}"
    body = await expect_json(story.net.session, "GET", url)
    entries: list[dict[str, Any]] = body["entries"]
    return entries


async def executor_of(story: Story, token: TokenId) -> str:
    """Who wrote the newest entry of a token's journal."""
    newest = (await journal(story, token))[-1]
    return story.name_of(newest["entry"]["executor"])


async def noted(story: Story, token: TokenId) -> bool:
    """Whether anchors hold a routed call against the token's executor in their records."""
    key = (await journal(story, token))[-1]["entry"]["executor"]
    records = [
        await expect_json(story.net.session, "GET", f"{node.api_url}/service-records/{key}")
        for node in story.anchors
    ]
    return bool(sum(record["routed"] for record in records) >= 2)


async def month_ends(story: Story, rental: Rental) -> None:
    """The period closes, the statement is signed, the anchor settles, commits and distributes."""
    reader, chain = story.net.reader, story.net.chain
    period = (await reader.parameters()).period
    promised = await rental.spent(period)
    await story.until("all vouchers are acknowledged", drafted, rental, period, promised)
    story.tell("anchor", rental.anchor.name, "has acknowledged every voucher", "acknowledgements")
    windows = (await reader.parameters(period)).windows_of(period)
    await chain.advance(windows.closes_at - await chain.now() + 1)
    story.tell("chain", "chain", "a month passes")
    draft = await rental.draft(period)
    await rental.sign_statement(draft)
    story.report.deposit, story.report.statement = DEPOSIT, draft.amount
    story.tell("rental", "car rental", f"owes {tokens_text(draft.amount)} SVC", "statement")
    story.check("the statement is what its own vouchers add up to", draft.amount == promised)
    await rent_is_earned(story, period)
    await chain.advance(windows.settle_from - await chain.now() + 1)
    await story.until("the period is committed", committed, story, rental, period)
    story.tell(
        "anchor", rental.anchor.name, "settles and commits the payout tree", "two transactions"
    )
    pot = await reader.pot(rental.anchor.key, period)
    await chain.advance(pot.final_at - await chain.now() + 1)
    await story.until("the payouts are distributed", distributed, story, rental, period)
    story.tell("chain", "chain", "the challenge window passes; credit is given")
    await compare(story, rental, period, draft)


async def rent_is_earned(story: Story, period: int) -> None:
    """The nodes that hold tickets claim the month's rent by the word of the anchors."""
    await story.until("the month's rent is earned", earned, story, period)
    rent = await story.net.reader.rent_in(story.airline.token(1).token_class.id, period)
    story.tell("service", "the replicas", f"earn {tokens_text(rent.spent)} SVC of rent", "uptimes")
    story.check("replicas earned rent, within what was paid", 0 < rent.spent <= rent.rent)


async def earned(story: Story, period: int) -> bool:
    """Whether every node that holds a ticket was credited its rent of the period."""
    name = story.airline.token(1).token_class.id
    holders = {node.key for ticket in story.tickets for node in story.holders_of(ticket)}
    asked = [story.net.reader.view("RentVault", "hasEarned", name, period, key) for key in holders]
    return all(await asyncio.gather(*asked))


async def drafted(rental: Rental, period: int, promised: int) -> bool:
    """Whether the anchor's draft has caught up with what was promised."""
    return (await rental.draft(period)).amount == promised


async def committed(story: Story, rental: Rental, period: int) -> bool:
    """Whether the anchor has committed the period on chain."""
    pot = await story.net.reader.pot(rental.anchor.key, period)
    return pot.status is PotStatus.COMMITTED


async def distributed(story: Story, rental: Rental, period: int) -> bool:
    """Whether every payout of the period has become credit."""
    pot = await story.net.reader.pot(rental.anchor.key, period)
    return pot.sum > 0 and pot.distributed == pot.sum


async def compare(story: Story, rental: Rental, period: int, draft: StatementDraft) -> None:
    """Every account's credit on chain beside what other code counts from the same lanes."""
    reader, net = story.net.reader, story.net
    terms = (await reader.parameters(period)).terms
    roles: dict[Address, tuple[str, str]] = {
        node.payout: (node.name, "anchor" if node.role == "anchor" else "service node")
        for node in story.nodes
    }
    roles |= {story.airline.payout: ("airline", "issuer"), net.treasury: ("treasury", "treasury")}
    roles[ZERO_ADDRESS] = ("nobody", "burnt")
    accounts = {node.key: node.payout for node in story.nodes}
    due = recount(
        draft.lanes, terms, ISSUER_SHARE, accounts, story.airline.payout, rental.anchor.payout
    )
    for account, (name, role) in roles.items():
        story.report.payouts.append(
            PayoutSeen(
                name=name,
                role=role,
                account=checksum(account),
                computed=due.get(account, 0),
                on_chain=await reader.credit(account),
            )
        )
    story.report.payouts.sort(key=lambda payout: -payout.computed)
    story.check("payouts add up to the statement", sum(due.values()) == draft.amount)
    story.check("chain and recomputation differ by nothing", story.report.difference == 0)
    channel = await reader.channel(rental.channel.signer)
    story.check("the rest stays in the channel", channel.balance == DEPOSIT - draft.amount)
    story.report.payouts = [p for p in story.report.payouts if p.computed or p.on_chain]
