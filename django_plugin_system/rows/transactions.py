"""Reads and writes of the package's own account, apart from the transaction that a caller has open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import connections

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


def is_in_transaction(using: str) -> bool:
    """Say whether a transaction of the caller's is open; the one around a TestCase counts as the database.

    Without autocommit there always is one.
    """
    connection: Any = connections[using]
    if connection.atomic_blocks:
        return not getattr(connection.atomic_blocks[0], "_from_testcase", False)
    return not (connection.settings_dict["AUTOCOMMIT"] if connection.connection is None else connection.autocommit)


@contextmanager
def outside_transaction(using: str) -> Iterator[None]:
    """Let the block see and write what is committed, whatever transaction is open: then on another connection."""
    connection: Any = connections[using]
    in_memory = connection.vendor == "sqlite" and connection.is_in_memory_db()  # which another one would not see
    if in_memory or not is_in_transaction(using):
        yield
        return
    connections[using] = own = connection.copy()
    own.settings_dict["AUTOCOMMIT"] = True
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
