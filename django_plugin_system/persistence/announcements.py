"""Tells those who listen to ``plugin_instance_changed`` which instances were changed, once that is committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections, transaction

from django_plugin_system.signals import plugin_instance_changed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from django.db import models

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
