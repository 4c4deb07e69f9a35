"""Further databases, of the kind that the test run uses, for as long as a test needs them."""

from __future__ import annotations

import shutil
import uuid
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.test import TransactionTestCase

from django_plugin_system.models import Change, PluginHealth, PluginInstance, PluginItem, PluginType

if TYPE_CHECKING:
    from collections.abc import Iterator

REPLICATED = (PluginType, PluginItem, PluginInstance, PluginHealth, Change)
KEPT = {"auth_permission", "django_content_type"}
TABLES_OF_110 = Path(__file__).with_name("tables_of_110")


@contextmanager
def new_database(folder: Path, alias: str = "fresh", *, like: str = "") -> Iterator[str]:
    """Yield the alias of a new database: a copy of the one with the name ``like``, or an empty one."""
    with _made(folder, like) as name, new_alias(alias, name):
        yield alias


@contextmanager
def new_alias(alias: str, name: str) -> Iterator[None]:
    """Let ``alias`` stand for the database ``name``."""
    connections.settings[alias] = {**connection.settings_dict, "NAME": name}
    try:
        yield
    finally:
        connections[alias].close()
        del connections.settings[alias]
        del connections[alias]


@contextmanager
def _made(folder: Path, like: str) -> Iterator[str]:
    if connection.vendor == "sqlite":
        file = folder / f"{uuid.uuid4().hex}.sqlite3"
        if like:
            shutil.copy(like, file)
        yield str(file)
        return
    name = f"fresh_{uuid.uuid4().hex}"
    with closing(connection.copy()) as server:
        with server.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} TEMPLATE {like or 'template1'}")
        yield name
        with server.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def make_tables_of_110(alias: str) -> None:
    """Create the tables as 1.1.0 had them."""
    statements = (TABLES_OF_110 / f"{connections[alias].vendor}.sql").read_text().splitlines()
    with connections[alias].cursor() as cursor:
        for statement in statements[1:]:
            cursor.execute(statement)


def describe_tables(alias: str, *names: str) -> dict[str, Any]:
    """Return all that the database knows of the columns, constraints and indexes of tables."""
    connection = connections[alias]
    described = {}
    with connection.cursor() as cursor:
        for name in names:
            columns = connection.introspection.get_table_description(cursor, name)
            constraints = connection.introspection.get_constraints(cursor, name)
            described[name] = ([tuple(column) for column in columns], constraints)
    return described


def fetch_rows(alias: str, table: str) -> list[tuple[Any, ...]]:
    """Return the rows of a table as they are."""
    with connections[alias].cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY 1")  # noqa: S608 - our tables
        return list(cursor.fetchall())


class EmptyingTestCase(TransactionTestCase):
    """What is behind ``transactional_db``: it deletes the rows, and keeps Django's content types and permissions.

    A flush makes them anew, signals a migration and lets PostgreSQL make files for each table: twenty times the work.
    """

    def _fixture_teardown(self) -> None:
        if not ContentType.objects.exists():  # the test itself has flushed the database
            call_command("flush", verbosity=0, interactive=False)
            return
        for alias in self.databases:
            connection = connections[alias]
            tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
            rows = [f"DELETE FROM {table}" for table in sorted({*tables} - KEPT)]  # noqa: S608 - our tables
            connection.ops.execute_sql_flush(rows)


class LaggingRouter:
    """Reads from the alias "second", a replica that is behind, and writes to "default"."""

    def db_for_read(self, _model: type, **_hints: Any) -> str:
        """Return the replica."""
        return "second"

    def db_for_write(self, _model: type, **_hints: Any) -> str:
        """Return the primary."""
        return "default"

    def allow_relation(self, *_rows: object, **_hints: Any) -> bool:
        """Let rows of both be related."""
        return True


def replicate() -> None:
    """Let the database "second" catch up: it holds every row as "default" holds it, and the changes with them."""
    with transaction.atomic(using="second"), connections["second"].cursor() as cursor:
        for model in reversed(REPLICATED):
            cursor.execute(f"DELETE FROM {model._meta.db_table}")  # noqa: S608 - our tables
        for model in REPLICATED:
            table = model._meta.db_table
            for row in fetch_rows("default", table):
                cursor.execute(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(row))})", row)  # noqa: S608
