"""A node's key, operator, payout and terms: ``ape run operate rotate-key|offer|accept|…``."""

from node.commands.operating import node_terms
from scripts._ape_bridge import commands

cli = commands(node_terms)
