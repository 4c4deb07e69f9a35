"""What code declared: plugin types and items, what each must fulfil, and the import of every app's ``plugins.py``."""

from django_plugin_system.registry.registrations import (
    ItemSpec,
    PluginItemRegistry,
    PluginTypeRegistry,
    Registry,
    TypeKey,
    TypeSpec,
    registry,
    temporary_registry,
)

__all__ = [
    "ItemSpec",
    "PluginItemRegistry",
    "PluginTypeRegistry",
    "Registry",
    "TypeKey",
    "TypeSpec",
    "registry",
    "temporary_registry",
]
