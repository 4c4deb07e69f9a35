"""How what is learned of an instance is written for all processes, without ever waiting for anybody.

A note is one small write in a transaction of its own. Inside the caller's transaction nothing is written: the lock
would last as long as that does, and a rollback would take the note along. Nor is a lock waited for. A note that cannot
be written yet waits in this process, which goes by it meanwhile: for the commit, the end of the request, or the next
failover.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import Error, connections, router, transaction

from django_plugin_system.changes import get_place, is_in_transaction, note_change, outside_transaction
from django_plugin_system.exceptions import make_printable
from django_plugin_system.models import PluginHealth, PluginInstance
from django_plugin_system.selection.cache import forget_selections

if TYPE_CHECKING:
    from django.db.models import Q, QuerySet

logger = logging.getLogger("django_plugin_system")

MAX_WAITING = 1000
"""How many notes wait in one process; the oldest go first."""


@dataclass(frozen=True, eq=False)
class Note:
    """What is to be written in the health of one instance, where it meets ``condition``."""

    using: str
    place: Hashable
    pk: UUID
    condition: Q
    get_values: Callable[[int], dict[str, Any]]
    """The columns to write, given how often in a row the instance had failed."""
    end: float = inf
    """Until when the instance is passed over, by this process's clock, while this is not written; ``inf``: it is not.
    """
    may_be_early: bool = True
    """Whether somebody may try the instance before that end, where there is nobody else."""
    matters: bool = True
    """Whether selection goes by it."""
    tell: Callable[[], None] = lambda: None
    """Says, once it is written, what happened."""

    @property
    def key(self) -> tuple[Hashable, UUID, bool]:
        """What a later note takes the place of this one by."""
        return (self.place, self.pk, self.matters)

    @property
    def cools(self) -> bool:
        """Whether the instance is passed over for it now."""
        return monotonic() < self.end < inf

    @property
    def rows(self) -> QuerySet[PluginHealth]:
        """The row that it is written to, or none if there is nothing to write."""
        health: QuerySet[PluginHealth] = PluginHealth._base_manager.using(self.using)
        return health.filter(self.condition, pk=self.pk)


def make_note(
    instance: PluginInstance, condition: Q, get_values: Callable[[int], dict[str, Any]], **options: Any
) -> Note:
    """Return a note for the database to write to; not for the one where the row was read: that may be a replica."""
    using = router.db_for_write(PluginInstance, instance=instance)
    return Note(using, get_place(using), instance.pk, condition, get_values, **options)


_waiting: dict[tuple[Hashable, UUID, bool], Note] = {}


def write_or_wait(note: Note) -> None:
    """Write ``note``, or let it wait; what happened in a transaction has happened, whatever becomes of that."""
    if is_in_transaction(note.using):
        _wait(replace(note, tell=lambda: None))
        write_waiting()
        note.tell()
        return
    try:
        write(note)
    except Error as error:
        reason = make_printable(str(error).partition("\n")[0])
        logger.warning("The health of plugin instance %s could not be noted yet: %s", note.pk, reason)
        if not connections[note.using].in_atomic_block:  # in a TestCase, which takes back everything, nothing waits
            _wait(note)
    else:
        forget_waiting(note.key)


def write(note: Note) -> bool:
    """Write ``note`` unless there is nothing to change, or somebody is changing it right now; say whether it was.

    :raises Error: if it cannot be written now.
    """
    rows, changed = note.rows, False
    with _not_waiting_for_locks(note.using):
        failures = rows.values_list("failures", flat=True)
        found = list(failures)
        if not found:
            return False
        with transaction.atomic(using=note.using):
            if connections[note.using].features.has_select_for_update_skip_locked:
                found = list(failures.select_for_update(skip_locked=True))
            changed = bool(found) and rows.update(**note.get_values(found[0])) > 0
            if changed and note.matters:
                note_change(note.using)
    if changed:
        note.tell()
    return changed


@contextmanager
def _not_waiting_for_locks(using: str) -> Iterator[None]:
    """Let statements fail at once where SQLite would wait for another writer."""
    if connections[using].vendor != "sqlite":
        yield
        return
    with connections[using].cursor() as cursor:
        (timeout,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {timeout}")


# What waits


def is_known(note: Note) -> bool:
    """Say whether the instance is passed over for a note that waits."""
    known = _waiting.get(note.key)
    return known is not None and known.cools


def _wait(note: Note) -> None:
    _waiting.pop(note.key, None)
    _waiting[note.key] = note
    for key in list(_waiting)[:-MAX_WAITING]:
        _waiting.pop(key, None)
    forget_selections()


def forget_waiting(key: tuple[Hashable, UUID, bool]) -> None:
    """Forget what waits for an instance, as something else has been written."""
    if _waiting.pop(key, None):
        forget_selections()


def write_waiting(**_kwargs: Any) -> None:
    """Write what waits and still holds, now or, where a transaction is open, on its commit."""
    stuck: set[str] = set()
    for key, note in list(_waiting.items()):
        # else this thread's connection is switched to another schema
        if note.using in stuck or get_place(note.using) != note.place:
            continue
        connection = connections[note.using]
        if connection.in_atomic_block:
            stuck.add(note.using)
            if not any(entry[1] is write_waiting for entry in connection.run_on_commit):
                transaction.on_commit(write_waiting, using=note.using, robust=True)
            continue
        try:
            if monotonic() < note.end:
                with outside_transaction(note.using):  # where there is no autocommit
                    write(note)
        except Error:
            stuck.add(note.using)
        else:
            forget_waiting(key)


def get_waiting(using: str) -> dict[UUID, Note]:
    """Return the instances that only this process knows to be cooling down, each with the note that says so."""
    if not _waiting:
        return {}
    places = {get_place(using), get_place(router.db_for_write(PluginInstance))}
    return {note.pk: note for note in list(_waiting.values()) if note.place in places and note.cools}
