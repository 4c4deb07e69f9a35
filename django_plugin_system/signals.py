"""Signals that a project may listen to. ``sender`` is ``PluginInstance``; an ``instance`` is the row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.dispatch import Signal

if TYPE_CHECKING:
    from django_plugin_system.models import PluginInstance


@dataclass(frozen=True)
class PluginAttempt:
    """What came of one attempt with an instance: of a failover, or as it was reported. No text of an error is in it."""

    instance: PluginInstance
    plugin_type: str
    """The name of the type."""
    name: str | None
    """The name that was asked for; None if none was, or for a report."""
    scope: str | None
    """The scope that was asked for, likewise."""
    outcome: str
    """``served``, ``unavailable``, ``credentials_refused``, ``failed``, ``rejected``, ``unknown``, or ``raised``."""
    seconds: float | None
    """How long the block took; None for a report."""
    error_class: type[BaseException] | None
    """The class of what the block raised."""


plugin_attempted = Signal()
"""A block of a failover ended, or an outcome was reported; ``attempt`` says how it went."""

plugin_failed = Signal()
"""A failover set ``instance`` aside until its ``unavailable_until``; ``error`` is what its plugin raised."""

plugin_recovered = Signal()
"""A plugin served again after a failure; ``instance`` is free of it now."""

plugin_instance_changed = Signal()
"""Instances were created, changed or deleted in the database ``using``, and that is committed.

``ids`` is a frozenset of their ids, or None where a query changed rows that nobody counted: any of them, then.
"""
