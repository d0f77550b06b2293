"""The public API as one aiohttp application."""

from collections.abc import Iterable
from typing import Protocol

from aiohttp import web

from node.api.problems import problems

BODY_LIMIT = 256 * 1024


class Routes(Protocol):
    """A group of routes."""

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        ...


def make_application(groups: Iterable[Routes]) -> web.Application:
    """The application with the given groups of routes and the problem middleware."""
    application = web.Application(middlewares=[problems], client_max_size=BODY_LIMIT)
    for group in groups:
        group.add_to(application.router)
    return application
