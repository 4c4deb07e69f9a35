"""Marks of failures that went with the caller's transaction: kept in this thread until they can be written again.

A mark is written through the caller's connection. Where a rollback takes it along, as with ``ATOMIC_REQUESTS`` and an
error at the end of the view, it is written again after the request, or by the next failover of the thread.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connections, transaction

if TYPE_CHECKING:
    import datetime as dt
    from uuid import UUID

    from django.db.backends.base.base import BaseDatabaseWrapper

_thread = threading.local()
"""``marks``: those of this thread whose transaction was not committed, or not yet."""


@dataclass(frozen=True, eq=False)
class Mark:
    """What a failure leaves in a row: until when the instance is set aside, and why."""

    using: str
    pk: UUID
    unavailable_until: dt.datetime
    last_error: str

    def confirm(self) -> None:
        """Forget the mark: it is committed. A failover in an earlier callback of the commit may have done so."""
        with suppress(ValueError):
            _get_marks().remove(self)

    def is_waiting(self) -> bool:
        """Say whether the transaction that the mark was written in may still be committed."""
        return any(entry[1] == self.confirm for entry in connections[self.using].run_on_commit)


def _get_marks() -> list[Mark]:
    marks: list[Mark] = _thread.__dict__.setdefault("marks", [])
    return marks


def keep(mark: Mark) -> None:
    """Keep a mark that could not be written in the open transaction."""
    if _may_be_lost(connections[mark.using]):
        _get_marks().append(mark)


def keep_until_commit(mark: Mark) -> None:
    """Keep a mark that was written, until its transaction is committed."""
    if _may_be_lost(connections[mark.using]):
        _get_marks().append(mark)
        transaction.on_commit(mark.confirm, using=mark.using)


def _may_be_lost(connection: BaseDatabaseWrapper) -> bool:
    """Say whether a transaction of the caller's is open; one that a TestCase will roll back takes all rows along."""
    blocks = connection.atomic_blocks
    return bool(blocks) and not getattr(blocks[0], "_from_testcase", False)


def take_lost() -> list[Mark]:
    """Return the marks whose transaction was rolled back, and keep them no longer."""
    marks = _get_marks()
    lost = [mark for mark in marks if not mark.is_waiting()]
    for mark in lost:
        marks.remove(mark)
    return lost
