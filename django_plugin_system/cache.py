"""What this process remembers of its selections, and for how long it may.

A remembered value is used while the database's change token is the one it was made under. With ``MAX_STALENESS`` it
is used for that long without looking. It is never used longer than ``MAX_AGE``, for the sake of writes that set no
token.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django_plugin_system import freshness
from django_plugin_system.conf import get_settings
from django_plugin_system.registry import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

MAX_AGE = 60.0
"""Seconds after which any remembered value is made anew."""
MAX_ENTRIES = 1024
"""How many values one process remembers; the oldest go first."""
NEVER = float("-inf")


@dataclass
class _Entry:
    value: Any
    token: str
    generation: int
    expires: float
    verified: float
    commits: int


@dataclass(frozen=True)
class Made:
    """A value and for how many seconds it holds at most."""

    value: Any
    lifetime: float = MAX_AGE


_entries: dict[Hashable, _Entry] = {}
_lock = threading.Lock()


def remember(using: str, key: Hashable, make: Callable[[], Made]) -> Any:
    """Return the value for ``key``, which names ``using`` too, as of now; ``make`` runs only if it may have changed."""
    now = time.monotonic()
    entry = _find_valid(key, now)
    if entry is not None and _is_recent(entry, using, now):
        return entry.value
    commits = freshness.count_commits()  # before the token: a commit after it may be missing from what is read now
    token = freshness.read_token(using)
    settled = not freshness.is_changing(using)
    if entry is not None and settled and entry.token == token:
        entry.verified, entry.commits = _get_verified(using, now), commits
        return entry.value
    generation = registry.generation
    made = make()
    if token is not None and settled:
        expires = now + min(made.lifetime, MAX_AGE)
        _store(key, _Entry(made.value, token, generation, expires, _get_verified(using, now), commits))
    return made.value


def _find_valid(key: Hashable, now: float) -> _Entry | None:
    entry = _entries.get(key)
    if entry is None or entry.generation != registry.generation or now >= entry.expires:
        return None
    return entry


def _is_recent(entry: _Entry, using: str, now: float) -> bool:
    staleness = get_settings().MAX_STALENESS
    if not staleness or now - entry.verified >= staleness:
        return False
    return entry.commits == freshness.count_commits() and not freshness.has_uncommitted_changes(using)


def _get_verified(using: str, now: float) -> float:
    """Return when a value counts as checked: never, while it rests on a change that others must not see."""
    return NEVER if freshness.has_uncommitted_changes(using) else now


def _store(key: Hashable, entry: _Entry) -> None:
    with _lock:
        _entries.pop(key, None)
        _entries[key] = entry
        while len(_entries) > MAX_ENTRIES:
            del _entries[next(iter(_entries))]


def forget_all() -> None:
    """Forget every value, so that each is made anew."""
    with _lock:
        _entries.clear()
