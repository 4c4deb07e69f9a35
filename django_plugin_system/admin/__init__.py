"""The admin of plugin types, items and instances. Django imports it only where its admin is installed."""

from django_plugin_system.admin.declared import PluginItemAdmin, PluginTypeAdmin
from django_plugin_system.admin.instances import PluginInstanceAdmin
from django_plugin_system.admin.overview import PluginOverviewAdmin

__all__ = ["PluginInstanceAdmin", "PluginItemAdmin", "PluginOverviewAdmin", "PluginTypeAdmin"]
