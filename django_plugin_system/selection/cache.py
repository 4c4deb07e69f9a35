"""What this process remembers of its selections, and for how long it may.

A remembered value is used while the table of changes holds what it was made under. With ``MAX_STALENESS`` it is used
for that long without looking. It is never used longer than ``MAX_AGE``, for the sake of writes that note no change.

There is room for ``MAX_CACHED_INSTANCES`` rows. What was not used since it was last looked at in turn goes first.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from django_plugin_system import changes
from django_plugin_system.conf import get_settings
from django_plugin_system.registry import registry

MAX_AGE = 60.0
"""Seconds after which any remembered value is made anew."""
NEVER = float("-inf")


@dataclass
class _Entry:
    value: Any
    rows: int
    using: str
    token: Hashable
    generation: int
    expires: float
    fresh_until: float
    """Until then the value counts as checked, unless this process changes something."""
    commits: int
    is_used: bool = False
    """Whether anybody asked for it since its turn came last."""


@dataclass(frozen=True)
class Made:
    """A value, for how many seconds it holds at most, and how many rows it keeps in memory; None: it is not kept."""

    value: Any
    lifetime: float = MAX_AGE
    rows: int | None = 1


_entries: dict[Hashable, _Entry] = {}
_rows = 0
"""How many rows these keep in memory together; a value without rows counts as one."""
_lock = threading.Lock()
getattr(os, "register_at_fork", lambda **_options: None)(
    before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
)
_forgotten = 0
"""How often everything was forgotten: what was being made meanwhile is not kept."""


def recall(key: Hashable) -> Any:
    """Return the value for ``key`` if it may be used without asking the database, or None.

    Every call for a plugin comes by here, so this does as little as it can.
    """
    entry = _entries.get(key)
    if (
        entry is None
        or monotonic() >= entry.fresh_until
        or entry.generation != registry.generation
        or entry.commits != changes.commits
        or (changes.uncommitted and changes.has_uncommitted_changes(entry.using))
    ):
        return None
    entry.is_used = True
    return entry.value


def is_known(key: Hashable) -> bool:
    """Say whether there is a value for ``key``, new or old, of the types and items that are registered now."""
    entry = _entries.get(key)
    return entry is not None and entry.generation == registry.generation


def remember(using: str, key: Hashable, make: Callable[[], Made]) -> Any:
    """Return the value for ``key`` as of now; ``make`` runs only if it may have changed.

    The key names the place in the database that the value is from.
    """
    recalled = recall(key)
    if recalled is not None:
        return recalled
    now = monotonic()
    commits = changes.commits  # before the token: a commit after it may be missing from what is read now
    token = changes.read(using)
    settled = not changes.is_changing(using)
    entry = _entries.get(key)
    if entry is not None and settled and _is_valid(entry, token, now):
        entry.fresh_until, entry.commits = _get_fresh_until(using, now, entry.expires), commits
        entry.is_used = True
        return entry.value
    generation, forgotten = registry.generation, _forgotten
    made = make()
    if token is not None and settled and made.rows is not None and forgotten == _forgotten:
        expires = now + min(made.lifetime, MAX_AGE)
        fresh_until = _get_fresh_until(using, now, expires)
        _store(key, _Entry(made.value, max(1, made.rows), using, token, generation, expires, fresh_until, commits))
    return made.value


def _is_valid(entry: _Entry, token: Hashable, now: float) -> bool:
    return entry.token == token and entry.generation == registry.generation and now < entry.expires


def _get_fresh_until(using: str, now: float, expires: float) -> float:
    """Return until when a value checked ``now`` counts as checked; never, inside an uncommitted change."""
    staleness = get_settings().MAX_STALENESS
    return NEVER if not staleness or changes.has_uncommitted_changes(using) else min(expires, now + staleness)


def _store(key: Hashable, entry: _Entry) -> None:
    global _rows  # noqa: PLW0603 - one number for the process
    room = get_settings().MAX_CACHED_INSTANCES
    if entry.rows > room:
        return
    with _lock:
        _rows -= _entries.pop(key).rows if key in _entries else 0
        while _rows + entry.rows > room:
            oldest = next(iter(_entries))
            passed = _entries.pop(oldest)
            if passed.is_used:
                passed.is_used = False
                _entries[oldest] = passed
            else:
                _rows -= passed.rows
        _entries[key] = entry
        _rows += entry.rows


def forget_selections() -> None:
    """Let the next selection in this process look at the database, whatever the table of changes says."""
    global _forgotten, _rows  # noqa: PLW0603 - one number for the process
    with _lock:
        _forgotten += 1
        _rows = 0
        _entries.clear()
