"""What failovers and tests learn of an instance: written for all processes, and nobody ever waits for it.

A note is one small write in a transaction of its own. Inside the caller's transaction nothing is written: the lock
would last as long as that does, and a rollback would take the note along. Nor is a lock waited for. A note that cannot
be written yet waits in this process, which goes by it meanwhile: for the commit, the end of the request, or the next
failover.
"""

from __future__ import annotations

import datetime as dt
import logging
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from django.db import Error, connections, router, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from django_plugin_system.changes import get_place, note_change
from django_plugin_system.config.leaks import describe
from django_plugin_system.exceptions import make_printable
from django_plugin_system.models import PluginHealth, PluginInstance
from django_plugin_system.rows.config import collect_hidden_texts
from django_plugin_system.selection.cache import forget_selections
from django_plugin_system.signals import plugin_failed, plugin_recovered

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from uuid import UUID

    from django.db.backends.base.base import BaseDatabaseWrapper

    from django_plugin_system.config.references import Resolver

logger = logging.getLogger("django_plugin_system")

MAX_WAITING = 1000
"""How many notes wait in one process; the oldest go first."""

_COOLING = Q(unavailable_until__gt=Now())
_HEALTHY = Q(unavailable_until=None, last_error="", failures=0)


@dataclass(frozen=True, eq=False)
class Note:
    """What is to be written in the health of one instance, where it meets ``condition``."""

    using: str
    place: Hashable
    pk: UUID
    condition: Q
    values: dict[str, Any]
    end: float = inf
    """When the cooldown is over that the note begins, by this process's clock; ``inf``: it begins none."""
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
        """Whether the note puts the instance into a cooldown."""
        return self.end < inf

    def get_values(self) -> dict[str, Any]:
        """Return the columns to write; a cooldown lasts as long from now on, by the database's clock, as is left."""
        left = {"unavailable_until": Now() + dt.timedelta(seconds=self.end - monotonic())} if self.cools else {}
        return {**self.values, **left}


_waiting: dict[tuple[Hashable, UUID, bool], Note] = {}


# What happened


def record_failure(
    instance: PluginInstance, error: BaseException, cooldown: float, used: Resolver | None = None
) -> None:
    """Put ``instance``, built with what ``used`` gave, into a cooldown of so many seconds; one write for all."""
    if _is_fake(instance):
        return
    text, health = describe_error(instance, error, used), _get_loaded(instance)
    health.unavailable_until, health.last_error = timezone.now() + dt.timedelta(seconds=cooldown), text

    def tell() -> None:
        logger.warning("Plugin instance %s (%s) failed: %s", instance, instance.pk, text)
        plugin_failed.send_robust(sender=PluginInstance, instance=instance, error=error)

    values = {"last_error": text, "failures": F("failures") + 1}
    note = _make_note(instance, ~_COOLING, values, end=monotonic() + cooldown, tell=tell)
    if not _is_known(note):
        _write_or_wait(note)


def record_success(instance: PluginInstance) -> None:
    """Clear what an earlier failure left, if there is anything."""
    is_loaded, health = PluginInstance.health.is_cached(instance), _get_loaded(instance)
    if _is_fake(instance) or (is_loaded and not (health.unavailable_until or health.last_error or health.failures)):
        return
    values: dict[str, Any] = {"unavailable_until": None, "last_error": "", "failures": 0}
    health.unavailable_until, health.last_error, health.failures = None, "", 0

    def tell() -> None:
        logger.info("Plugin instance %s (%s) serves again.", instance, instance.pk)
        plugin_recovered.send_robust(sender=PluginInstance, instance=instance)

    _write_or_wait(_make_note(instance, ~_HEALTHY, values, tell=tell))


def record_test(instance: PluginInstance, error: str) -> None:
    """Note what came of a test of the stored configuration: an error, or nothing. Selection does not go by it."""
    values = {"last_test_error": error, "tested_revision": instance.config_revision}
    health = _get_loaded(instance)
    health.last_tested_at, health.last_test_error = timezone.now(), error
    health.tested_revision = instance.config_revision
    _write_or_wait(_make_note(instance, Q(), {**values, "last_tested_at": Now()}, matters=False))


def end_cooldown(instance: PluginInstance) -> None:
    """Let an instance be used again, as an operator says, in the operator's transaction."""
    note = _make_note(instance, Q(), {})
    PluginHealth.objects.using(note.using).filter(pk=instance.pk).update(unavailable_until=None)
    _forget_waiting(note.key)


def _make_note(instance: PluginInstance, condition: Q, values: dict[str, Any], **options: Any) -> Note:
    """Return a note for the database to write to; not for the one where the row was read: that may be a replica."""
    using = router.db_for_write(PluginInstance, instance=instance)
    return Note(using, get_place(using), instance.pk, condition, values, **options)


def _get_loaded(instance: PluginInstance) -> PluginHealth:
    """Return the health that was read with ``instance``, or a blank one: there may be no way to read it now."""
    loaded = PluginInstance.health.is_cached(instance)
    return instance.health if loaded else PluginHealth(instance=instance, item_id=instance.item_id)


def _is_fake(instance: PluginInstance) -> bool:
    """Say whether a test's fake came without a row."""
    return instance._state.adding  # noqa: SLF001 - Django documents _state


def describe_error(instance: PluginInstance, error: BaseException, used: Resolver | None = None) -> str:
    """Return the type and text of ``error``, fit to be stored and shown: no secret of ``instance``, no great length."""
    try:
        secrets = collect_hidden_texts(instance) | collect_hidden_texts(instance, used)
    except Exception:  # noqa: BLE001 - what cannot be opened, for whatever reason, cannot be looked for
        return type(error).__name__
    return describe(error, secrets)


# How it is written


def _write_or_wait(note: Note) -> None:
    """Write ``note``, or let it wait; what happened in a transaction has happened, whatever becomes of that."""
    if _is_in_transaction(connections[note.using]):
        _wait(replace(note, tell=lambda: None))
        write_waiting()
        note.tell()
        return
    try:
        _write(note)
    except Error as error:
        reason = make_printable(str(error).partition("\n")[0])
        logger.warning("The health of plugin instance %s could not be noted yet: %s", note.pk, reason)
        if not connections[note.using].in_atomic_block:  # in a TestCase, which takes back everything, nothing waits
            _wait(note)
    else:
        _forget_waiting(note.key)


def _is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Say whether a transaction of the caller's is open; the one around a TestCase counts as the database."""
    blocks = connection.atomic_blocks
    return bool(blocks) and not getattr(blocks[0], "_from_testcase", False)


def _write(note: Note) -> None:
    """Write ``note`` unless there is nothing to change, or somebody is changing it right now.

    :raises Error: if it cannot be written now.
    """
    connection = connections[note.using]
    health = PluginHealth._base_manager.using(note.using)  # noqa: SLF001 - Django documents it
    rows = health.filter(note.condition, pk=note.pk)
    with _not_waiting_for_locks(connection):
        if not rows.exists():
            return
        with transaction.atomic(using=note.using):
            if connection.features.has_select_for_update_skip_locked:
                rows = rows.filter(pk__in=list(rows.select_for_update(skip_locked=True).values_list("pk", flat=True)))
            changed = rows.update(**note.get_values()) > 0
            if changed and note.matters:
                note_change(note.using)
    if changed:
        note.tell()


@contextmanager
def _not_waiting_for_locks(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Let statements fail at once where SQLite would wait for another writer."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        (timeout,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {timeout}")


# What waits


def _is_known(note: Note) -> bool:
    """Say whether the instance is put into a cooldown by what waits."""
    known = _waiting.get(note.key)
    return known is not None and known.cools and monotonic() < known.end


def _wait(note: Note) -> None:
    _waiting.pop(note.key, None)
    _waiting[note.key] = note
    for key in list(_waiting)[:-MAX_WAITING]:
        _waiting.pop(key, None)
    forget_selections()


def _forget_waiting(key: tuple[Hashable, UUID, bool]) -> None:
    if _waiting.pop(key, None):
        forget_selections()


def write_waiting(**_kwargs: Any) -> None:
    """Write what waits and still holds, now or, where a transaction is open, on its commit."""
    stuck: set[str] = set()
    for key, note in list(_waiting.items()):
        if note.using in stuck:
            continue
        connection = connections[note.using]
        if get_place(note.using) != note.place:  # this thread's connection is switched to another schema
            continue
        if connection.in_atomic_block:
            stuck.add(note.using)
            if not any(entry[1] is write_waiting for entry in connection.run_on_commit):
                transaction.on_commit(write_waiting, using=note.using, robust=True)
            continue
        try:
            if monotonic() < note.end:
                _write(note)
        except Error:
            stuck.add(note.using)
        else:
            _forget_waiting(key)


def show_waiting(row: PluginInstance, end: float) -> None:
    """Let ``row`` say until when it is cooling down, as only this process knows."""
    _get_loaded(row).unavailable_until = timezone.now() + dt.timedelta(seconds=end - monotonic())


def get_waiting(using: str) -> dict[UUID, float]:
    """Return the instances that only this process knows to be cooling down, each with the end by its clock."""
    if not _waiting:
        return {}
    places = {get_place(using), get_place(router.db_for_write(PluginInstance))}
    return {
        note.pk: note.end for note in list(_waiting.values()) if note.place in places and monotonic() < note.end < inf
    }
