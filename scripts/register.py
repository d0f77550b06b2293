"""Register nodes, token classes and scripts: ``ape run register node|class|publish|share|…``."""

from node.commands.chain import register_node
from node.commands.issuing import classes
from scripts._ape_bridge import commands

cli = commands(classes, node=register_node)
cli.add_command(cli.commands.pop("register"), "class")
