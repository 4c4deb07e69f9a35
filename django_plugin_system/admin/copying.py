"""Adding an instance as a copy of another one: everything but its secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.urls import reverse

from django_plugin_system.models import PluginInstance

if TYPE_CHECKING:
    from django_plugin_system.models import PluginItem

COPIED = ("status", "priority", "description")


def find_source(source_id: str | None, item: PluginItem) -> PluginInstance | None:
    """Return the instance of ``item`` with this id, or None."""
    if not source_id:
        return None
    try:
        return PluginInstance.objects.select_related("item__plugin_type").get(pk=source_id, item=item)
    except (PluginInstance.DoesNotExist, ValidationError):
        return None


def get_initial(source: PluginInstance) -> dict[str, Any]:
    """Return what the columns of a copy start with; its name is a proposal."""
    return {"name": f"{source.name}-copy", **{name: getattr(source, name) for name in COPIED}}


def get_copy_url(source: PluginInstance) -> str:
    """Return the address of the form of a copy."""
    address = reverse("admin:django_plugin_system_plugininstance_add")
    return f"{address}?{urlencode({'item': source.item_id, 'copy': source.pk})}"
