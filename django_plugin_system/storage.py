"""The 1.1.0 import path of the registration dicts; removed in 3.0."""

from django_plugin_system.registry import PluginItemRegistry, PluginTypeRegistry

__all__ = ["PluginItemRegistry", "PluginTypeRegistry"]
