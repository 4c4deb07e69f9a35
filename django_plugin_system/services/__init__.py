"""The 1.1.0 import path of the sync; removed in 3.0."""

from django_plugin_system.sync import sync_registered_plugins_to_db

__all__ = ["sync_registered_plugins_to_db"]
