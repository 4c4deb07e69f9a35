"""Write many rows with one statement; Django's bulk methods send more the more rows there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db import models
    from django.db.backends.base.base import BaseDatabaseWrapper


def insert_rows(rows: Sequence[models.Model], using: str) -> None:
    """Insert ``rows``, all of one model, into the database ``using``. Sends no signals, as ``bulk_create``."""
    if not rows:
        return
    connection = connections[using]
    columns: Sequence[Any] = rows[0]._meta.local_concrete_fields  # noqa: SLF001 - Django documents _meta
    names = ", ".join(_quote(connection, column) for column in columns)
    marks = ", ".join(["%s"] * len(columns))
    statement = f"INSERT INTO {_quote_table(connection, rows[0])} ({names}) VALUES ({marks})"  # noqa: S608 - names only
    _execute(
        connection,
        statement,
        ([column.get_db_prep_save(column.pre_save(row, add=True), connection) for column in columns] for row in rows),
    )


def update_rows(rows: Sequence[models.Model], names: Sequence[str], using: str) -> None:
    """Write the plain columns ``names`` of ``rows``, all of one model, in the database ``using``."""
    if not rows:
        return
    connection = connections[using]
    meta = rows[0]._meta  # noqa: SLF001 - Django documents _meta
    columns: list[Any] = [meta.get_field(name) for name in names]
    sets = ", ".join(f"{_quote(connection, column)} = %s" for column in columns)
    key = _quote(connection, meta.pk)
    statement = f"UPDATE {_quote_table(connection, rows[0])} SET {sets} WHERE {key} = %s"  # noqa: S608 - names only
    _execute(
        connection,
        statement,
        (
            [column.get_db_prep_save(getattr(row, column.attname), connection) for column in (*columns, meta.pk)]
            for row in rows
        ),
    )


def _quote(connection: BaseDatabaseWrapper, column: Any) -> str:
    return connection.ops.quote_name(column.column)


def _quote_table(connection: BaseDatabaseWrapper, row: models.Model) -> str:
    return connection.ops.quote_name(row._meta.db_table)  # noqa: SLF001 - Django documents _meta


def _execute(connection: BaseDatabaseWrapper, statement: str, values: Iterable[Sequence[Any]]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(statement, list(values))
