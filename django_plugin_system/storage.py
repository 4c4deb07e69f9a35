"""RemovedInPluginSystem30Warning: the 1.1.0 import path of the registration dicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_plugin_system import registry
from django_plugin_system.compat import hand_on

if TYPE_CHECKING:
    from django_plugin_system.registry import PluginItemRegistry, PluginTypeRegistry

__all__ = ["PluginItemRegistry", "PluginTypeRegistry"]

__getattr__ = hand_on(__name__, registry, *__all__)
