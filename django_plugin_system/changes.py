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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import Error, connections, transaction

from django_plugin_system.signals import plugin_instance_changed

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator
    from uuid import UUID

    from django.db import models

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
uncommitted: dict[tuple[int, str], _Commit] = {}
"""What is done on the commit of the last transaction of each thread and database that held a change."""
commits = 0
"""How many transactions with changes this process has committed; selections made under a smaller number look again."""


def get_place(using: str) -> tuple[Hashable, ...]:
    """Return what tells one set of tables from another, however a connection was switched: part of every cache key.

    That is the alias, the database that it stands for now, and the schema that django-tenants chose. Ask in the thread
    in which the queries are made.
    """
    connection = connections[using]
    return (using, connection.settings_dict["NAME"], getattr(connection, "schema_name", None))


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
    with transaction.atomic(using=using, savepoint=False):
        note_change(using)
        _changing.add(here)
        try:
            yield
        finally:
            _changing.discard(here)


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
        if not has_uncommitted_changes(using):
            uncommitted[threading.get_ident(), using] = commit = _Commit(using)
            transaction.on_commit(commit, using=using)
        uncommitted[threading.get_ident(), using].folds |= folds


@dataclass(eq=False)
class _Commit:
    """What is done once a transaction with changes is committed."""

    using: str
    folds: bool = False

    def __call__(self) -> None:
        global commits  # noqa: PLW0603 - one number for the process
        commits += 1
        if self.folds:
            fold_changes(self.using)


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
    commit = uncommitted.get(here)
    if commit is None:
        return False
    pending = any(entry[1] is commit for entry in connections[using].run_on_commit)
    if not pending:
        del uncommitted[here]
    return pending


TRACES = frozenset({"unavailable_until", "last_error", "last_tested_at", "last_test_error", "updated_at"})
"""Columns that say how an instance fared, not what it is."""


class _Announcement:
    """What a transaction does on its commit: one signal for changes that follow each other."""

    def __init__(self, sender: type[models.Model], using: str, ids: Iterable[UUID] | None) -> None:
        self.sender = sender
        self.using = using
        self.ids = None if ids is None else {*ids}

    def add(self, ids: Iterable[UUID] | None) -> None:
        """Add further changes; None for those that nobody counted."""
        self.ids = None if ids is None or self.ids is None else self.ids | {*ids}

    def __call__(self) -> None:
        ids = None if self.ids is None else frozenset(self.ids)
        plugin_instance_changed.send_robust(sender=self.sender, using=self.using, ids=ids)


def announce_instances(
    sender: type[models.Model], using: str, ids: Iterable[UUID] | None, columns: Iterable[str] | None = None
) -> None:
    """Send ``plugin_instance_changed`` after the commit, unless nobody listens or all ``columns`` are traces."""
    if not plugin_instance_changed.has_listeners(sender) or (columns is not None and TRACES.issuperset(columns)):
        return
    waiting: list[Any] = connections[using].run_on_commit
    if waiting and _belongs_to(waiting[-1], using):
        waiting[-1][1].add(ids)
    else:
        transaction.on_commit(_Announcement(sender, using, ids), using=using, robust=True)


def _belongs_to(entry: Any, using: str) -> bool:
    """Say whether another change can join what waits: a savepoint that is rolled back takes its own along."""
    savepoints, announcement = entry[:2]
    return isinstance(announcement, _Announcement) and savepoints == set(connections[using].savepoint_ids)
