"""Proposals and votes: ``ape run govern propose-terms|…|vote|queue|execute|cancel|show|power``."""

from node.commands.governing import govern
from scripts._ape_bridge import commands

cli = commands(govern)
