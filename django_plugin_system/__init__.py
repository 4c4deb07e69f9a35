"""Swap providers without changing code: plugin types, items, and configured instances for Django.

The names below are the public front door. They are imported when first used, since models cannot be imported before
Django is set up.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django_plugin_system.clients import shared_client as shared_client
    from django_plugin_system.compat import get_plugin_class as get_plugin_class  # RemovedInPluginSystem30Warning
    from django_plugin_system.compat import get_plugin_instance as get_plugin_instance  # RemovedInPluginSystem30Warning
    from django_plugin_system.exceptions import AllPluginsFailed as AllPluginsFailed
    from django_plugin_system.exceptions import NoPluginAvailable as NoPluginAvailable
    from django_plugin_system.exceptions import PluginCredentialsRefused as PluginCredentialsRefused
    from django_plugin_system.exceptions import PluginOutcomeUnknown as PluginOutcomeUnknown
    from django_plugin_system.exceptions import PluginRejected as PluginRejected
    from django_plugin_system.exceptions import PluginSystemError as PluginSystemError
    from django_plugin_system.exceptions import PluginTypeNotFound as PluginTypeNotFound
    from django_plugin_system.exceptions import PluginUnavailable as PluginUnavailable
    from django_plugin_system.helpers import aget_plugin as aget_plugin
    from django_plugin_system.helpers import aget_plugin_by_id as aget_plugin_by_id
    from django_plugin_system.helpers import aget_plugins as aget_plugins
    from django_plugin_system.helpers import explain_selection as explain_selection
    from django_plugin_system.helpers import get_plugin as get_plugin
    from django_plugin_system.helpers import get_plugin_by_id as get_plugin_by_id
    from django_plugin_system.helpers import get_plugins as get_plugins
    from django_plugin_system.helpers import refresh_plugins as refresh_plugins
    from django_plugin_system.plugin import ConfigurablePlugin as ConfigurablePlugin
    from django_plugin_system.register import plugin_item as plugin_item
    from django_plugin_system.register import plugin_type as plugin_type
    from django_plugin_system.register import register_plugin_item as register_plugin_item
    from django_plugin_system.register import register_plugin_type as register_plugin_type
    from django_plugin_system.schema.tree import BoundTo as BoundTo
    from django_plugin_system.selection.attempts import areport_failure as areport_failure
    from django_plugin_system.selection.attempts import areport_success as areport_success
    from django_plugin_system.selection.attempts import failover as failover
    from django_plugin_system.selection.attempts import report_failure as report_failure
    from django_plugin_system.selection.attempts import report_success as report_success

__version__ = "1.2.0"

_HOMES = {
    "exceptions": (
        *("PluginUnavailable", "PluginCredentialsRefused", "PluginRejected", "PluginOutcomeUnknown"),
        *("PluginSystemError", "PluginTypeNotFound", "NoPluginAvailable", "AllPluginsFailed"),
    ),
    "helpers": (
        *("get_plugin", "get_plugins", "get_plugin_by_id", "explain_selection", "refresh_plugins"),
        *("get_plugin_class", "get_plugin_instance"),  # RemovedInPluginSystem30Warning
        *("aget_plugin", "aget_plugins", "aget_plugin_by_id"),
    ),
    "selection.attempts": ("failover", "report_failure", "report_success", "areport_failure", "areport_success"),
    "clients": ("shared_client",),
    "plugin": ("ConfigurablePlugin",),
    "schema.tree": ("BoundTo",),
    "register": ("plugin_item", "plugin_type", "register_plugin_item", "register_plugin_type"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605 - computed, so that the names stand in one place


def __getattr__(name: str) -> Any:
    """Import a public name from the module where it lives."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
