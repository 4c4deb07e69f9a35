"""RemovedInPluginSystem30Warning: the longer 1.1.0 import path of the sync."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_plugin_system import sync
from django_plugin_system.compat import hand_on

if TYPE_CHECKING:
    from django_plugin_system.sync import sync_registered_plugins_to_db

__all__ = ["sync_registered_plugins_to_db"]

__getattr__ = hand_on(__name__, sync, *__all__)
