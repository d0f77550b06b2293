"""Stake on somebody else's node: ``ape run delegation stake|take-back|withdraw|show``."""

from node.commands.operating import delegation
from scripts._ape_bridge import commands

cli = commands(delegation)
