"""The admin of plugin types: what code declared, with the number of items and instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db.models import Count, Q
from django.utils.translation import gettext_lazy as _

from django_plugin_system.admin.shared import FromCode, make_count
from django_plugin_system.models import PluginItem, PluginStatus, PluginType

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

_COUNTS = {
    "active_items": (PluginStatus.ACTIVE, _("active")),
    "reserved_items": (PluginStatus.RESERVED, _("reserved")),
    "disabled_items": (PluginStatus.DISABLED, _("disabled")),
}


@admin.register(PluginType)
class PluginTypeAdmin(FromCode):
    """Types come from code: they can be looked at and described, not added."""

    item_path = "plugin_type"
    list_display = ("name", "manager", "is_declared")
    counted: ClassVar[Any] = {
        PluginItem: tuple(make_count(name, title) for name, (_status, title) in _COUNTS.items()),
        **FromCode.counted,
    }
    list_filter = ("manager",)
    search_fields = ("name", "manager", "description")
    ordering = ("name", "manager")
    fields = ("name", "manager", "description")
    readonly_fields = ("name", "manager")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PluginType]:
        """Count in the same query."""
        counts = {
            name: Count("pluginitem", filter=Q(pluginitem__status=status)) for name, (status, _title) in _COUNTS.items()
        }
        rows: QuerySet[PluginType] = super().get_queryset(request).annotate(**counts)
        return rows

    @admin.display(description=_("in code"), boolean=True)
    def is_declared(self, row: PluginType) -> bool:
        """Return whether the type's code is there."""
        return row.is_registered
