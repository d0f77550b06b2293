"""Fees for those who hold stake: ``ape run rewards collect|claim|show``."""

from node.commands.operating import rewards
from scripts._ape_bridge import commands

cli = commands(rewards)
