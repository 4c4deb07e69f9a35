"""Reads and writes of the package's own account, apart from the transaction that a caller has open."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import connections

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper


def is_in_transaction(using: str) -> bool:
    """Say whether a transaction of the caller's is open; the one around a TestCase counts as the database."""
    blocks = connections[using].atomic_blocks
    return bool(blocks) and not getattr(blocks[0], "_from_testcase", False)


@contextmanager
def outside_transaction(using: str) -> Iterator[None]:
    """Let the block see and write what is committed, whatever transaction is open: then on another connection."""
    connection: Any = connections[using]
    in_memory = connection.vendor == "sqlite" and connection.is_in_memory_db()  # which another one would not see
    if in_memory or not is_in_transaction(using):
        yield
        return
    connections[using] = own = connection.copy()
    adopt_schema(own, get_schema(connection))
    try:
        yield
    finally:
        connections[using] = connection
        own.close()


def get_schema(connection: BaseDatabaseWrapper) -> str | None:
    """Return the schema that django-tenants switched the connection to, if it did."""
    return getattr(connection, "schema_name", None)


def adopt_schema(connection: Any, schema: str | None) -> None:
    """Switch another connection to it."""
    if schema is not None:
        connection.set_schema(schema)
