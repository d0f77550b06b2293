"""Runs the devnet: sets the stage, tells the story, writes the page, cleans up."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from node.devnet.airline import open_airline
from node.devnet.narrator import Narrator
from node.devnet.network import KEYSTORE_COST, Devnet, devnet
from node.devnet.page import render
from node.devnet.rental import open_rental
from node.devnet.report import StoryReport
from node.devnet.story import (
    SILENT_BOOKING,
    Story,
    airline_issues,
    flight_is_late,
    hotels_answer,
    month_ends,
    nodes_join,
    rental_reads,
)
from settlement.chain.keystore import create_keystore, write_password
from settlement.types import Address


async def run_devnet(
    *, folder: Path, reads: int, keep: bool, as_json: bool, embedded: bool
) -> bool:
    """Live through the month; whether every check held. Everything started is stopped."""
    _end_like_ctrl_c()
    console = Console(stderr=as_json)
    report = StoryReport(folder=str(folder))
    narrator = Narrator(console, report)
    async with devnet(folder, embedded=embedded) as net:
        report.chain = f"{net.chain.kind}, chain {net.chain.chain_id}"
        await _story(net, narrator, report, reads)
        report.seconds = narrator.seconds
        page = folder / "story.html"
        await asyncio.to_thread(page.write_text, render(report))
        narrator.summary()
        console.print(
            f"Page: {page}\nLogs and databases: {folder}", highlight=False, soft_wrap=True
        )
        if as_json:
            sys.stdout.write(json.dumps(figures(report)) + "\n")
        if keep:
            _show_addresses(console, report, net)
            await asyncio.Event().wait()
    return report.held


def _end_like_ctrl_c() -> None:
    """However this process is asked to end, it takes its children along."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, signal.raise_signal, signal.SIGINT)


async def _story(net: Devnet, narrator: Narrator, report: StoryReport, reads: int) -> None:
    with narrator.step("A chain, a hotel and an airline"):
        hotel_url, hotel_key = await _open_hotel(net)
    async with open_airline(net, hotel_url, hotel_key) as airline:
        story = Story(
            net=net, narrator=narrator, report=report, airline=airline, hotel_url=hotel_url
        )
        hosts = [urlsplit(url).netloc for url in (hotel_url, airline.script_url)]
        with narrator.step("Four anchors and four service nodes join"):
            await nodes_join(story, hosts)
        with narrator.step("The airline issues two tickets"):
            await airline_issues(story)
        async with open_rental(net, story.nodes) as rental:
            with narrator.step(f"The car rental reads {reads} times"):
                await rental_reads(story, rental, reads)
            with narrator.step("The flight is late"):
                await flight_is_late(story, rental)
            with narrator.step("The hotel is rebooked, and once it is not"):
                await hotels_answer(story, rental)
            with narrator.step("A month passes and is settled"):
                await month_ends(story, rental)


async def _open_hotel(net: Devnet) -> tuple[str, Address]:
    """Start the hotel's process; its URL and its key's address."""
    folder = net.folder / "hotel"
    key = await asyncio.to_thread(_hotel_key, folder)
    child = await net.children.start(
        "hotel",
        *("-m", "node.cli", "hotel"),
        *("--keystore", str(folder / "key.json"), "--password-file", str(folder / "password")),
        *("--chain-id", str(net.deployment.chain_id), "--silent", SILENT_BOOKING),
    )
    return (await child.ready())["url"], key


def _hotel_key(folder: Path) -> Address:
    folder.mkdir(parents=True, exist_ok=True)
    return create_keystore(
        folder / "key.json", write_password(folder / "password"), cost=KEYSTORE_COST
    )


def figures(report: StoryReport) -> dict[str, object]:
    """The story in numbers, for scripts."""
    return {
        "held": report.held,
        "reads": report.reads,
        "reads_per_s": round(report.reads_per_s, 1),
        "read_p50_ms": round(report.percentile(0.5), 2),
        "read_p99_ms": round(report.percentile(0.99), 2),
        "difference": report.difference,
        "seconds": round(report.seconds, 2),
        "checks": {check.claim: check.held for check in report.checks},
    }


def _show_addresses(console: Console, report: StoryReport, net: Devnet) -> None:
    for node in report.nodes:
        console.print(f"{node.name:10} {node.api_url}", highlight=False)
    console.print(f"{'chain':10} {net.chain.endpoint}\nCtrl-C stops everything.", highlight=False)
