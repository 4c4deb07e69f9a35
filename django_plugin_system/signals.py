"""Signals that a project may listen to. ``sender`` is ``PluginInstance``; an ``instance`` is the row."""

from django.dispatch import Signal

plugin_failed = Signal()
"""A failover set ``instance`` aside until its ``unavailable_until``; ``error`` is what its plugin raised."""

plugin_recovered = Signal()
"""A plugin served again after a failure; ``instance`` is free of it now."""

plugin_instance_changed = Signal()
"""Instances were created, changed or deleted in the database ``using``, and that is committed.

``ids`` is a frozenset of their ids, or None where a query changed rows that nobody counted: any of them, then.
"""
