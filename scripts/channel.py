"""An integration's channel: ``ape run channel open|top-up|anchor|rotate|close|…|show``."""

from node.commands.channels import channel
from scripts._ape_bridge import commands

cli = commands(channel)
