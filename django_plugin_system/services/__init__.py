"""RemovedInPluginSystem30Warning: the 1.1.0 import path of the sync."""

from django_plugin_system import sync
from django_plugin_system.compat import hand_on

__getattr__ = hand_on(__name__, sync, "sync_registered_plugins_to_db")
