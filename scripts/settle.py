"""A period's settlement by hand: ``ape run settle status|chunk|commit|distribute|…``."""

from node.commands.settling import settle
from scripts._ape_bridge import commands

cli = commands(settle)
