"""Signals that a project may listen to. ``sender`` is ``PluginInstance``; ``instance`` is the row."""

from django.dispatch import Signal

plugin_failed = Signal()
"""A failover set ``instance`` aside until its ``unavailable_until``; ``error`` is what its plugin raised."""

plugin_recovered = Signal()
"""A plugin served again after a failure; ``instance`` is free of it now."""
