"""What happens at the same time on other connections, at whatever isolation level."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, connections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LEVELS = {"read committed": 2, "repeatable read": 3, "serializable": 4}
every_level = pytest.mark.parametrize("level", LEVELS)


def run_elsewhere(*tasks: Callable[[], Any]) -> list[Any]:
    """Run each of ``tasks`` in a thread and on a connection of its own, all at once; return their results."""

    def run(task: Callable[[], Any]) -> Any:
        try:
            return task()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, tasks))


@contextmanager
def connecting(**options: Any) -> Iterator[None]:
    """Let every new connection of this process have further options."""
    usual = connection.settings_dict["OPTIONS"]
    connection.settings_dict["OPTIONS"] = {**usual, **options}
    yield
    connection.settings_dict["OPTIONS"] = usual


@contextmanager
def at_level(level: str) -> Iterator[None]:
    """Let the transactions of new connections be isolated as PostgreSQL calls it; SQLite has one level only."""
    options = {"isolation_level": LEVELS[level]} if connection.vendor == "postgresql" else {}
    with connecting(**options):
        yield
