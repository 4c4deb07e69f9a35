"""How every process learns of a change: each write inserts a row into a table that is only ever added to.

A selection reads one sum of that table and reuses its result while the sum is the same. The numbers are random: a
count that is rolled back and counted up again by another writer would be the same for different data. In which order
transactions are committed does not matter, as each of them changes the sum.

An insert waits for nobody. Once in a while one writer replaces old rows by a single row with their sum, in a
transaction of its own after the commit, so that a selection never reads many. SQLite lets one writer in at a time, so
there a write adds its number to the only row.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import Error, connections, models, transaction

from django_plugin_system.signals import plugin_instance_changed

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

TABLE = "django_plugin_system_change"
FOLD_EVERY = 16
"""How many changes go by before old rows are replaced by their sum."""
_BITS, _LIMIT = 40, 2**62 - 1
"""A number has 40 bits. A sum begins anew at 2**62, and then looks like any other change."""

_READ = f"SELECT sum(nonce) FROM {TABLE}"  # noqa: S608 - names only
_READ_POSTGRESQL = f"SELECT '{TABLE}'::regclass::oid, sum(nonce)::bigint FROM {TABLE}"  # noqa: S608 - names only
"""Which table was read is part of the answer: by what the search path says, it may be another schema's."""
_INSERT = f"INSERT INTO {TABLE} (nonce) VALUES (%s) RETURNING id"  # noqa: S608 - names only
_ADD = (
    f"INSERT INTO {TABLE} (id, nonce) VALUES (1, %s) "  # noqa: S608 - names only
    f"ON CONFLICT (id) DO UPDATE SET nonce = (nonce + %s) & {_LIMIT}"
)
_FOLD = f"""
WITH old AS (DELETE FROM {TABLE} WHERE id IN (SELECT id FROM {TABLE} FOR UPDATE SKIP LOCKED) RETURNING nonce)
INSERT INTO {TABLE} (nonce) SELECT sum(nonce)::bigint & {_LIMIT} FROM old HAVING count(*) > 0
"""  # noqa: S608 - names only

_changing: set[tuple[int, str]] = set()
"""The threads, by identity, and databases, by alias, with a write of ours under way."""
uncommitted: set[tuple[int, str]] = set()
"""Those that have changed something in a transaction that may be open still."""
commits = 0
"""How many commits of changes this process has seen; selections made under a smaller number look again."""


_without_schemas: set[str] = set()
"""Aliases whose connections are not switched from schema to schema."""


def get_place(using: str) -> tuple[Hashable, ...]:
    """Return what tells one set of tables from another, however a connection was switched: part of every cache key.

    That is the alias, the database that it stands for now, and the schema that django-tenants chose. Ask in the thread
    in which the queries are made.
    """
    name = connections.settings[using]["NAME"]  # the very dict of each thread's connection
    if using in _without_schemas:  # to find the connection of a thread takes longer than all the rest
        return (using, name)
    connection = connections[using]
    if not hasattr(connection, "schema_name"):
        _without_schemas.add(using)
        return (using, name)
    return (using, name, connection.schema_name)


def read(using: str) -> Hashable:
    """Return a value that differs after every change; None while there was none, as in a flushed test database."""
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(_READ_POSTGRESQL if connection.vendor == "postgresql" else _READ)
        row: tuple[int | None, ...] = cursor.fetchone()
    return None if row[-1] is None else row


@contextmanager
def changing(using: str) -> Iterator[None]:
    """Note a change, then run the block, in one transaction on the database ``using``.

    A write within the write of the same thread, as those of ``bulk_update()``, is noted by the outer one. On SQLite,
    other writers are kept out from here on.
    """
    here = (threading.get_ident(), using)
    if here in _changing:
        yield
        return
    is_outermost = not connections[using].in_atomic_block
    with transaction.atomic(using=using, savepoint=False):
        if is_outermost:
            _look_rows_up_by_key(using)
        note_change(using)
        _changing.add(here)
        try:
            yield
        finally:
            _changing.discard(here)


def _look_rows_up_by_key(using: str) -> None:
    """Keep SERIALIZABLE transactions apart that write rows of their own in a table of a few.

    PostgreSQL would look through all of such a table for one row, and take that for reading them all.
    """
    connection = connections[using]
    level = getattr(connection, "isolation_level", None)  # PostgreSQL's only, once connected
    if getattr(level, "name", "") == "SERIALIZABLE":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")


def note_change(using: str) -> None:
    """Let every process look again, once the transaction that is open is committed, or at once if none is."""
    connection = connections[using]
    nonce = 1 + secrets.randbits(_BITS)
    with transaction.atomic(using=using, savepoint=False):
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(_INSERT, [nonce])
                folds = cursor.fetchone()[0] % FOLD_EVERY == 0
            else:
                cursor.execute(_ADD, [nonce, nonce])
                folds = False
        get_commit(using).folds |= folds


@dataclass(eq=False)
class Commit:
    """Stands for the commit of a transaction with changes, or of a savepoint in it that may be rolled back alone."""

    using: str
    folds: bool = False
    is_done: bool = False
    announced: dict[type[models.Model], set[UUID] | None] = field(default_factory=dict)
    """The ids of changed rows by model, for one signal each; None where nobody counted them."""

    def is_awaited(self) -> bool:
        """Say whether it may still come."""
        return any(entry[1] is self for entry in connections[self.using].run_on_commit)

    def __call__(self) -> None:
        """Note that it has come, tell listeners, and fold earlier changes if it is time."""
        global commits  # noqa: PLW0603 - one number for the process
        commits += 1
        self.is_done = True
        uncommitted.discard((threading.get_ident(), self.using))
        for sender, ids in self.announced.items():
            changed = None if ids is None else frozenset(ids)
            plugin_instance_changed.send_robust(sender=sender, using=self.using, ids=changed)
        if self.folds:
            fold_changes(self.using)


def get_commit(using: str) -> Commit:
    """Return the commit of the innermost savepoint that is open on ``using``, or of the transaction."""
    savepoints = set(connections[using].savepoint_ids)  # one that is rolled back takes its own changes along
    for held_by, commit in _iter_waiting(using):
        if held_by == savepoints:
            return commit
    uncommitted.add((threading.get_ident(), using))
    commit = Commit(using)
    transaction.on_commit(commit, using=using)
    return commit


def _iter_waiting(using: str) -> Iterator[tuple[set[str], Commit]]:
    """Yield the commits that the open transaction waits for, with the savepoints that hold them."""
    waiting: list[Any] = connections[using].run_on_commit
    return ((savepoints, callback) for savepoints, callback, *_ in waiting if isinstance(callback, Commit))


def fold_changes(using: str) -> None:
    """Replace the rows of earlier changes by one with their sum, unless somebody else does so just now.

    This waits for nobody and is never seen by a selection. Inside a transaction, as in Django's ``TestCase``, it is
    left for another time. It reads what is committed, whatever the isolation level of the project: so it neither fails
    for what others wrote meanwhile, nor lets them fail.
    """
    if connections[using].in_atomic_block:
        return
    with suppress(Error), transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        cursor.execute(_FOLD)


def is_changing(using: str) -> bool:
    """Say whether a write of ours is under way right here: its change is noted already, the rows may be old still."""
    return (threading.get_ident(), using) in _changing


def has_uncommitted_changes(using: str) -> bool:
    """Say whether the open transaction on ``using`` holds a change that others must not see yet."""
    here = (threading.get_ident(), using)
    if here not in uncommitted:
        return False
    pending = any(_iter_waiting(using))
    if not pending:
        uncommitted.discard(here)
    return pending


TRACES = frozenset({"updated_at"})
"""Columns that do not say what an instance is."""


def announce_instances(
    sender: type[models.Model], using: str, ids: Iterable[UUID] | None, columns: Iterable[str] | None = None
) -> None:
    """Send ``plugin_instance_changed`` after the commit, unless nobody listens or all ``columns`` are traces."""
    if not plugin_instance_changed.has_listeners(sender) or (columns is not None and TRACES.issuperset(columns)):
        return
    with transaction.atomic(using=using, savepoint=False):  # where there is none, it is committed at once
        announced = get_commit(using).announced
        known = announced.setdefault(sender, set())
        if ids is None or known is None:
            announced[sender] = None
        else:
            known.update(ids)


# Reads and writes of the package's own account, apart from the transaction that a caller has open


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
    with nullcontext() if in_memory or not is_in_transaction(using) else another_connection(using):
        yield


@contextmanager
def another_connection(using: str) -> Iterator[None]:
    """Let the block use a connection of its own to the same tables, whatever has become of this thread's."""
    connection: Any = connections[using]
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
