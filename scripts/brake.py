"""The emergency brake: ``ape run brake pull|release|show``."""

from node.commands.governing import brake
from scripts._ape_bridge import commands

cli = commands(brake)
