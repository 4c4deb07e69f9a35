"""What this process remembers of its selections, and for how long it may.

A remembered value is used while the table of changes holds what it was made under. With ``MAX_STALENESS`` it
is used for that long without looking. It is never used longer than ``MAX_AGE``, for the sake of writes that set no
token.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from django_plugin_system import changes
from django_plugin_system.conf import get_settings
from django_plugin_system.registry import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

MAX_AGE = 60.0
"""Seconds after which any remembered value is made anew."""
MAX_ENTRIES = 1024
"""How many values one process remembers; the oldest go first."""
MAX_ROWS = 10_000
"""How many rows these may keep in memory together."""
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


@dataclass(frozen=True)
class Made:
    """A value, for how many seconds it holds at most, and how many rows it keeps in memory."""

    value: Any
    lifetime: float = MAX_AGE
    rows: int = 1


_entries: dict[Hashable, _Entry] = {}
_lock = threading.Lock()
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
    return entry.value


def remember(using: str, key: Hashable, make: Callable[[], Made]) -> Any:
    """Return the value for ``key``, which names ``using`` too, as of now; ``make`` runs only if it may have changed."""
    recalled = recall(key)
    return _look(using, key, make) if recalled is None else recalled


def _look(using: str, key: Hashable, make: Callable[[], Made]) -> Any:
    now = monotonic()
    commits = changes.commits  # before the token: a commit after it may be missing from what is read now
    token = changes.read(using)
    settled = not changes.is_changing(using)
    entry = _entries.get(key)
    if entry is not None and settled and _is_valid(entry, token, now):
        entry.fresh_until, entry.commits = _get_fresh_until(using, now, entry.expires), commits
        return entry.value
    generation, forgotten = registry.generation, _forgotten
    made = make()
    if token is not None and settled and made.rows <= MAX_ROWS and forgotten == _forgotten:
        expires = now + min(made.lifetime, MAX_AGE)
        fresh_until = _get_fresh_until(using, now, expires)
        _store(key, _Entry(made.value, made.rows, using, token, generation, expires, fresh_until, commits))
    return made.value


def _is_valid(entry: _Entry, token: Hashable, now: float) -> bool:
    return entry.token == token and entry.generation == registry.generation and now < entry.expires


def _get_fresh_until(using: str, now: float, expires: float) -> float:
    """Return until when a value checked ``now`` counts as checked; never, inside an uncommitted change."""
    staleness = get_settings().MAX_STALENESS
    return NEVER if not staleness or changes.has_uncommitted_changes(using) else min(expires, now + staleness)


def _store(key: Hashable, entry: _Entry) -> None:
    with _lock:
        _entries.pop(key, None)
        _entries[key] = entry
        while len(_entries) > MAX_ENTRIES or sum(kept.rows for kept in _entries.values()) > MAX_ROWS:
            del _entries[next(iter(_entries))]


def forget_all() -> None:
    """Forget every value, so that each is made anew."""
    global _forgotten  # noqa: PLW0603 - one number for the process
    with _lock:
        _forgotten += 1
        _entries.clear()
