"""The story as one self-contained HTML page: the network, the timeline, the money."""

from html import escape
from math import cos, pi, sin

from node.devnet.report import Moment, PayoutSeen, StoryReport, tokens_text

_STYLE = """
:root{--ink:#16202c;--soft:#5a6878;--line:#d8dfe6;--paper:#fbfcfd;--card:#fff;--anchor:#3b5bdb;
--service:#0b8a6a;--hot:#d9480f;--good:#2b8a3e;--bad:#c92a2a;--issuer:#9c36b5;--treasury:#b08900}
@media (prefers-color-scheme:dark){:root{--ink:#e8edf2;--soft:#9aa8b6;--line:#2c3742;
--paper:#0f151b;--card:#161e26;--anchor:#7c96ff;--service:#3fc9a0;--hot:#ff8a50;--good:#69db7c;
--bad:#ff8787;--issuer:#da77f2;--treasury:#ffd43b}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,sans-serif}main{max-width:1080px;margin:auto;padding:32px 20px 64px}
h1{font-size:30px;margin:0 0 4px}h2{font-size:20px;margin:40px 0 12px}p{color:var(--soft);margin:0}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;
margin-top:24px}.card{background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:14px 16px}.card b{display:block;font-size:24px}.card span{color:var(--soft);font-size:13px}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:12px;overflow-x:auto}svg{display:block;width:100%;height:auto}
svg text{fill:var(--ink);font:13px system-ui,sans-serif}svg .soft{fill:var(--soft);font-size:11px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
td,th{padding:6px 10px;border-bottom:1px solid var(--line);text-align:left}
td.n,th.n{text-align:right}code{font:12px ui-monospace,monospace;color:var(--soft)}
.ok{color:var(--good)}.no{color:var(--bad)}ul{list-style:none;padding:0;margin:0}
li{padding:3px 0}.wrap{overflow-x:auto}
"""

_LANES = ("airline", "holder", "rental", "service", "anchor", "hotel", "chain")
_LANE_COLOUR = {
    "airline": "issuer",
    "holder": "soft",
    "rental": "hot",
    "service": "service",
    "anchor": "anchor",
    "hotel": "treasury",
    "chain": "soft",
}
_ROLE_COLOUR = {
    "service node": "service",
    "anchor": "anchor",
    "issuer": "issuer",
    "treasury": "treasury",
    "burnt": "bad",
}


def render(report: StoryReport) -> str:
    """The page, complete; no script, no request to anywhere."""
    verdict = "every check held" if report.held else "a check failed"
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>Smart Layer: a whole month</title><style>{_STYLE}</style><main>"
        "<h1>A whole month on a live chain</h1>"
        f"<p>{escape(report.chain)}, {len(report.nodes)} node processes, {verdict}.</p>"
        f"{_cards(report)}"
        f"<h2>The network</h2><figure>{_network(report)}</figure>"
        f"<h2>Who signed what</h2><figure>{_timeline(report.moments)}</figure>"
        f"<h2>The money: from one deposit to every payout</h2><figure>{_flow(report)}</figure>"
        f"<div class=wrap>{_payouts(report)}</div>"
        f"<h2>Checks</h2>{_checks(report)}"
        f"<p>Logs and databases: <code>{escape(report.folder)}</code></p></main></html>"
    )


def _cards(report: StoryReport) -> str:
    cards = (
        (f"{report.reads}", "paid reads"),
        (f"{report.reads_per_s:,.0f}/s", "reads a second, paid and durable"),
        (f"{report.percentile(0.5):.1f} ms", "median read"),
        (f"{report.percentile(0.99):.1f} ms", "99 of 100 reads within"),
        (tokens_text(report.statement), "Service Tokens settled"),
        (f"{report.difference}", "base units of difference"),
        (f"{report.seconds:.1f} s", "for the whole story"),
    )
    inner = "".join(f"<div class=card><b>{a}</b><span>{b}</span></div>" for a, b in cards)
    return f"<div class=cards>{inner}</div>"


def _network(report: StoryReport) -> str:
    width, height, middle = 1000, 500, 235
    places: dict[str, tuple[float, float]] = {}
    for role, left, radius in (("anchor", 330, 105), ("service", 330, 195)):
        group = [node for node in report.nodes if node.role == role]
        for index, node in enumerate(group):
            angle = 2 * pi * index / len(group) + (pi / 4 if role == "anchor" else 0)
            places[node.name] = (left + 1.35 * radius * cos(angle), middle + radius * sin(angle))
    parts = [f"<svg viewBox='0 0 {width} {height}' role=img aria-label='The network'>"]
    names = list(places)
    parts += [
        _line(places[a], places[b], "line", 1) for i, a in enumerate(names) for b in names[i + 1 :]
    ]
    for index, token in enumerate(report.tokens):
        at = (840.0, 130.0 + 200 * index)
        for holder in token.holders:
            colour = "hot" if holder == token.executor else "service"
            parts.append(_line(at, places[holder], colour, 3 if holder == token.executor else 1.5))
        parts.append(
            f"<rect x={at[0] - 62} y={at[1] - 34} width=200 height=68 rx=10 "
            "fill='var(--card)' stroke='var(--hot)'/>"
            f"<text x={at[0] - 50} y={at[1] - 12}>{escape(token.name)}</text>"
            f"<text class=soft x={at[0] - 50} y={at[1] + 6}>"
            f"executor {escape(token.executor)}</text>"
            f"<text class=soft x={at[0] - 50} y={at[1] + 22}>{escape(token.outcome)}</text>"
        )
    for node in report.nodes:
        x, y = places[node.name]
        reads = report.reads_by_node.get(node.name)
        note = f"{reads} reads" if reads else node.key[:10]
        parts.append(
            f"<circle cx={x:.0f} cy={y:.0f} r=26 fill='var(--card)' stroke='var(--{node.role})' "
            f"stroke-width=3 /><text x={x:.0f} y={y + 4:.0f} text-anchor=middle>"
            f"{escape(node.name.split('-')[-1])}</text><text class=soft x={x:.0f} y={y + 42:.0f} "
            f"text-anchor=middle>{escape(node.name)} · {escape(note)}</text>"
        )
    return "".join(parts) + "</svg>"


def _line(a: tuple[float, float], b: tuple[float, float], colour: str, width: float) -> str:
    return (
        f"<line x1={a[0]:.0f} y1={a[1]:.0f} x2={b[0]:.0f} y2={b[1]:.0f} "
        f"stroke='var(--{colour})' stroke-width={width} />"
    )


def _timeline(moments: list[Moment]) -> str:
    row, left, column = 40, 90, 128
    height = 50 + row * len(moments)
    parts = [f"<svg viewBox='0 0 1000 {height}' role=img aria-label='Timeline'>"]
    for index, lane in enumerate(_LANES):
        x = left + column * index
        parts.append(
            f"<text x={x} y=20 text-anchor=middle>{lane}</text>"
            f"<line x1={x} y1=30 x2={x} y2={height} stroke='var(--line)' />"
        )
    for index, moment in enumerate(moments):
        y = 50 + row * index
        place = _LANES.index(moment.lane)
        x = left + column * place
        right_half = place > len(_LANES) // 2
        at, anchor = (x - 14, "end") if right_half else (x + 14, "start")
        signed = f" signs: {moment.signature}" if moment.signature else ""
        parts.append(
            f"<circle cx={x} cy={y} r=6 fill='var(--{_LANE_COLOUR[moment.lane]})' />"
            f"<text class=soft x=0 y={y + 4}>{moment.at_ms / 1000:.2f} s</text>"
            f"<text x={at} y={y + 1} text-anchor={anchor}>{escape(moment.deed)}</text>"
            f"<text class=soft x={at} y={y + 15} text-anchor={anchor}>"
            f"{escape(moment.actor + signed)}</text>"
        )
    return "".join(parts) + "</svg>"


def _flow(report: StoryReport) -> str:
    """A flow from the deposit to the statement and on to payouts; widths are amounts."""
    unspent = report.deposit - report.statement
    paid = [payout for payout in report.payouts if payout.computed > 0]
    top, gap = 30, 24
    height = max(420, 2 * top + 58 * len(paid))
    scale = (height - 2 * top - gap) / max(1, report.deposit)
    spent, rest = report.statement * scale, unspent * scale
    below = top + spent + gap
    parts = [f"<svg viewBox='0 0 1000 {height}' role=img aria-label='Flow of money'>"]
    parts.append(_band(34, top, spent, 380, top, spent, "hot"))
    parts.append(_band(34, top + spent, rest, 380, below, rest, "soft"))
    parts.append(_block(20, top, spent + rest, "deposit", tokens_text(report.deposit), "soft"))
    parts.append(_block(380, below, rest, "stays in the channel", tokens_text(unspent), "soft"))
    source, target = float(top), float(top)
    for payout in paid:
        tall = payout.computed * scale
        colour = _ROLE_COLOUR.get(payout.role, "soft")
        parts.append(_band(394, source, tall, 740, target, tall, colour))
        shown = f"{payout.role} {tokens_text(payout.computed)}"
        parts.append(_block(740, target, max(tall, 2), payout.name, shown, colour))
        source, target = source + tall, target + max(tall, 34) + gap / 2
    parts.append(_block(380, top, spent, "settled", tokens_text(report.statement), "hot"))
    return "".join(parts) + "</svg>"


def _band(x1: float, y1: float, h1: float, x2: float, y2: float, h2: float, colour: str) -> str:
    middle = (x1 + x2) / 2
    return (
        f"<path d='M{x1} {y1:.1f}C{middle} {y1:.1f} {middle} {y2:.1f} {x2} {y2:.1f}"
        f"V{y2 + h2:.1f}C{middle} {y2 + h2:.1f} {middle} {y1 + h1:.1f} {x1} {y1 + h1:.1f}Z' "
        f"fill='var(--{colour})' opacity=.28 />"
    )


def _block(x: float, y: float, tall: float, title: str, note: str, colour: str) -> str:
    return (
        f"<rect x={x} y={y:.1f} width=14 height={tall:.1f} rx=3 fill='var(--{colour})' />"
        f"<text x={x + 22} y={y + 14:.1f}>{escape(title)}</text>"
        f"<text class=soft x={x + 22} y={y + 29:.1f}>{escape(note)}</text>"
    )


def _payouts(report: StoryReport) -> str:
    rows = "".join(_payout_row(payout) for payout in report.payouts)
    return (
        "<table><tr><th>account<th>role<th class=n>recomputed<th class=n>on chain"
        f"<th class=n>difference</tr>{rows}</table>"
    )


def _payout_row(payout: PayoutSeen) -> str:
    mark = "ok" if payout.difference == 0 else "no"
    return (
        f"<tr><td>{escape(payout.name)} <code>{escape(payout.account)}</code>"
        f"<td>{escape(payout.role)}<td class=n>{tokens_text(payout.computed)}"
        f"<td class=n>{tokens_text(payout.on_chain)}"
        f"<td class='n {mark}'>{payout.difference}</tr>"
    )


def _checks(report: StoryReport) -> str:
    return (
        "<ul>"
        + "".join(
            f"<li><span class={'ok' if check.held else 'no'}>{'✓' if check.held else '✗'}</span> "
            f"{escape(check.claim)}</li>"
            for check in report.checks
        )
        + "</ul>"
    )
