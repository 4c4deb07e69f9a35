"""Why a row cannot be used now, in words for operators; never with a secret in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

from django_plugin_system.configuration import read_config
from django_plugin_system.exceptions import ConfigError, NewerConfigVersion, PluginNotRegistered, SecretError
from django_plugin_system.querysets import PluginStatus

if TYPE_CHECKING:
    from django_plugin_system.models import PluginInstance


def find_reason(row: PluginInstance) -> str | None:
    """Return why selection skips ``row``, or None if it can be used."""
    return find_status_reason(row) or find_row_reason(row)


def find_status_reason(row: PluginInstance) -> str | None:
    """Return which ``disable`` takes ``row`` out, or None."""
    if row.status == PluginStatus.DISABLED:
        return "disabled"
    return "its item is disabled" if row.item.status == PluginStatus.DISABLED else None


def find_row_reason(row: PluginInstance) -> str | None:
    """Return why ``row`` cannot be used whatever the statuses say: code gone, cooling down, config unreadable."""
    if not row.item.is_registered:
        return "class not registered: is its app installed?"
    if is_cooling_down(row):
        return f"cooling down until {row.unavailable_until:%Y-%m-%d %H:%M:%S %Z}"
    return find_config_reason(row)


def is_cooling_down(row: PluginInstance) -> bool:
    """Say whether a failover has set ``row`` aside for now."""
    return row.unavailable_until is not None and row.unavailable_until > timezone.now()


def find_config_reason(row: PluginInstance) -> str | None:
    """Return what is wrong with the stored config of ``row``, or None."""
    try:
        read_config(row)
    except ConfigError as error:
        return describe_config_error(error)
    return None


def describe_config_error(error: ConfigError) -> str:
    """Return the reason for a config that cannot be read, with its kind first."""
    if isinstance(error, PluginNotRegistered):
        return "class not registered: is its app installed?"
    if isinstance(error, SecretError):
        return f"secret unreadable: {error}"
    if isinstance(error, NewerConfigVersion):
        return f"stored by a newer version ({error.stored}, this code knows {error.known})"
    errors = getattr(error, "errors", None)
    return f"config invalid: {'; '.join(map(str, errors)) if errors else error}"
