"""Rent that keeps a token class available: ``ape run rent quote|start|top-up|earn|…|show``."""

from node.commands.renting import rent
from scripts._ape_bridge import commands

cli = commands(rent)
