"""Files in instances that operators configure.

``"django_plugin_system.contrib.storage"`` in ``INSTALLED_APPS``, and ::

STORAGES = {
"invoices": {
"BACKEND": "django_plugin_system.contrib.storage.PluginStorage",
"OPTIONS": {"name": "invoices"},
},
...
}
"""

from django_plugin_system.contrib.storage.backend import AbstractStorage, PluginStorage

__all__ = ["AbstractStorage", "PluginStorage"]
