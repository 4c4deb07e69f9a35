"""The change token: one random value per database, set anew by every write, so that selections know when to look again.

A write takes the token's row before any other row of ours. So writers wait for each other there, in one order, and
cannot deadlock on the rows after it. The token is random, not counted: a counter that is rolled back and counted up
again by another writer would show the same number for different data.

Where the driver sends several statements at once (psycopg 3), the token travels with the first statement of the write,
so that it costs no round trip to the server. In query logs both are one statement.
"""

from __future__ import annotations

import threading
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, connections, transaction

from django_plugin_system.signals import plugin_instance_changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from uuid import UUID

    from django.db import models

TABLE = "django_plugin_system_changetoken"
_READ = f"SELECT token FROM {TABLE} WHERE id = 1"  # noqa: S608 - names only
_WRITE = f"UPDATE {TABLE} SET token = '{{}}' WHERE id = 1"  # noqa: S608 - names, and a token made here
_INSERT = f"INSERT INTO {TABLE} (id, token) VALUES (1, '{{}}')"  # noqa: S608 - names, and a token made here
_WRITE_OR_INSERT = f"{_INSERT} ON CONFLICT (id) DO UPDATE SET token = EXCLUDED.token"

uncommitted: set[tuple[int, str]] = set()
"""The threads, by identity, that have changed a database, by alias, in a transaction that may be open still."""
_changing: set[tuple[int, str]] = set()
"""The threads and databases with a write of ours under way."""
commits = 0
"""How many changes this process has committed; selections made under a smaller number look again."""


def read_token(using: str) -> str | None:
    """Return the token of the database ``using``; None while it has none, as in a flushed test database."""
    with connections[using].cursor() as cursor:
        cursor.execute(_READ)
        row = cursor.fetchone()
    return row[0] if row else None


@contextmanager
def changing(using: str) -> Iterator[None]:
    """Set a new token, then run the block, in one transaction on the database ``using``.

    A write within the write of the same thread, as those of ``bulk_update()``, is announced by the outer one.
    """
    here = (threading.get_ident(), using)
    if here in _changing:
        yield
        return
    with transaction.atomic(using=using, savepoint=False), _announcing(using):
        _changing.add(here)
        try:
            yield
        finally:
            _changing.discard(here)


def announce_change(using: str) -> None:
    """Set a new token, in the transaction that is open, or in one of its own."""
    _write_token(using)
    _note_change(using)


@contextmanager
def _announcing(using: str) -> Iterator[None]:
    """Set a new token before, or together with, the first statement of the block; at its end if there was none."""
    connection = connections[using]
    driver: Any = getattr(connection, "Database", None)
    if connection.vendor != "postgresql" or driver.__name__ != "psycopg":
        announce_change(using)
        yield
        return
    _note_change(using)
    first = _FirstStatement(using)
    with connection.execute_wrapper(first):
        yield
    if not first.passed:
        _write_token(using)


@dataclass
class _FirstStatement:
    """Puts the token before the first statement that passes; Django calls it in the place of ``execute``."""

    using: str
    passed: bool = False

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's
        if self.passed:
            return execute(sql, params, many, context)
        self.passed = True
        cursor = context["cursor"]
        if many or not isinstance(sql, str) or not _takes_several(cursor):
            _write_token(self.using)
            return execute(sql, params, many, context)
        result = execute(f"{_WRITE_OR_INSERT.format(_make_token())}; {sql}", params, many, context)
        cursor.nextset()
        return result


def _takes_several(cursor: Any) -> bool:
    """Say whether a cursor of psycopg 3 sends text with its parameters filled in, and keeps no SELECT on the server."""
    return hasattr(cursor, "mogrify") and not getattr(cursor, "name", None)


def _make_token() -> str:
    return uuid.uuid4().hex


def _write_token(using: str) -> None:
    token = _make_token()
    with connections[using].cursor() as cursor:
        cursor.execute(_WRITE.format(token))
        missing = cursor.rowcount == 0
    if missing:
        _insert_token(token, using)


def _note_change(using: str) -> None:
    """Note that the open transaction, if there is one, holds a change."""
    if not has_uncommitted_changes(using):
        transaction.on_commit(_count_commit, using=using)
        uncommitted.add((threading.get_ident(), using))


def lock_token(using: str) -> None:
    """Wait for other writers, and keep them waiting until the open transaction ends.

    Where the database has no row locks, as SQLite, writers exclude each other anyway.
    """
    connection = connections[using]
    if connection.features.has_select_for_update:
        with connection.cursor() as cursor:
            cursor.execute(_READ + " FOR UPDATE")


def _insert_token(token: str, using: str) -> None:
    try:
        with transaction.atomic(using=using), connections[using].cursor() as cursor:
            cursor.execute(_INSERT.format(token))
    except IntegrityError:  # another writer was faster: its row is there now
        with connections[using].cursor() as cursor:
            cursor.execute(_WRITE.format(token))


def is_changing(using: str) -> bool:
    """Say whether a write of ours is under way right here: the token is new already, the rows may be old still."""
    return (threading.get_ident(), using) in _changing


def has_uncommitted_changes(using: str) -> bool:
    """Say whether the open transaction on ``using`` holds a change that others must not see yet."""
    here = (threading.get_ident(), using)
    if here not in uncommitted:
        return False
    pending = any(entry[1] is _count_commit for entry in connections[using].run_on_commit)
    if not pending:
        uncommitted.discard(here)
    return pending


def _count_commit() -> None:
    global commits  # noqa: PLW0603 - one number for the process
    commits += 1


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
