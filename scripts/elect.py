"""Which anchors serve: ``ape run elect approve|count|fix-seed|show|ballot``."""

from node.commands.governing import anchors
from scripts._ape_bridge import commands

cli = commands(anchors)
