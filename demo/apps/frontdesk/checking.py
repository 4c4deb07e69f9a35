"""Try the connection of one instance, as the front page's Test button does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_plugin_system import PluginSystemError

if TYPE_CHECKING:
    from django_plugin_system.models import PluginInstance


def can_check(instance: PluginInstance) -> bool:
    """Say whether the class behind ``instance`` knows how to try its connection."""
    return callable(getattr(instance.item.plugin_class, "check", None))


def find_fault(instance: PluginInstance) -> str:
    """Try the connection and return what is wrong, safe to show; empty if all is well."""
    try:
        instance.load_plugin().check()
    except PluginSystemError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - foreign code; the text of an unknown error may quote a secret
        return f"The check failed with {type(error).__name__}."
    return ""
