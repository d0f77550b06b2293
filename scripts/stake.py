"""A node's stake: ``ape run stake add|thaw|leave|withdraw|show|list``."""

from node.commands.nodes import stake
from scripts._ape_bridge import commands

cli = commands(stake)
