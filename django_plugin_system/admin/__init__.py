"""The admin of plugin types, items and instances. Django imports it only where its admin is installed."""

from django_plugin_system.admin.instances import PluginInstanceAdmin
from django_plugin_system.admin.items import PluginItemAdmin
from django_plugin_system.admin.overview import PluginOverviewAdmin
from django_plugin_system.admin.types import PluginTypeAdmin

__all__ = ["PluginInstanceAdmin", "PluginItemAdmin", "PluginOverviewAdmin", "PluginTypeAdmin"]
