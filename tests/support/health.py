"""Lets a test say how instances fare, as a failover or a connection test of another process would have left it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_plugin_system.models import PluginHealth, PluginInstance

if TYPE_CHECKING:
    from collections.abc import Iterable

COLUMNS = ("unavailable_until", "last_error", "last_tested_at", "last_test_error")


def set_health(rows: Iterable[PluginInstance] | None = None, **columns: Any) -> None:
    """Write columns of the health of ``rows``, of all instances by default; a test is one of what is stored now."""
    for row in PluginInstance.objects.all() if rows is None else rows:
        tested = {"tested_revision": row.config_revision} if "last_tested_at" in columns else {}
        PluginHealth.objects.filter(pk=row.pk).update(**columns, **tested)


def take_health(values: dict[str, Any]) -> dict[str, Any]:
    """Take the columns of health out of ``values`` and return them."""
    return {name: values.pop(name) for name in COLUMNS if name in values}
