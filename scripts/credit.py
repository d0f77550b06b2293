"""What the hub owes an account: ``ape run credit show|withdraw``."""

from node.commands.channels import credit
from scripts._ape_bridge import commands

cli = commands(credit)
