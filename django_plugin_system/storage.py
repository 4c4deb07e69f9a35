"""RemovedInPluginSystem30Warning: the 1.1.0 import path of the registration dicts."""

from django_plugin_system import registry
from django_plugin_system.compat import hand_on

__getattr__ = hand_on(__name__, registry, "PluginItemRegistry", "PluginTypeRegistry")
