"""The admin of plugin types: what code declared, and how many items and instances it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Count, Q
from django.utils.translation import gettext_lazy as _

from django_plugin_system.admin.columns import ShortDescription
from django_plugin_system.admin.order import show_order
from django_plugin_system.models import PluginStatus, PluginType

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString


def _count_items(status: PluginStatus) -> Count:
    return Count("pluginitem", filter=Q(pluginitem__status=status), distinct=True)


@admin.register(PluginType)
class PluginTypeAdmin(ShortDescription):
    """Types come from code: they can be looked at and described, not added."""

    list_display = (
        "name",
        "manager",
        "active_items",
        "reserved_items",
        "disabled_items",
        "instance_count",
        "is_declared",
    )
    list_filter = ("manager",)
    search_fields = ("name", "manager", "description")
    ordering = ("name", "manager")
    fields = ("name", "manager", "description", "effective_order")
    readonly_fields = ("name", "manager", "effective_order")

    class Media:
        css = {"all": ["django_plugin_system/admin.css"]}  # noqa: RUF012 - Django's way to declare media

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: a type is declared in code."""
        del request
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[PluginType]:
        """Count in the same query."""
        counts = {
            "active_items": _count_items(PluginStatus.ACTIVE),
            "reserved_items": _count_items(PluginStatus.RESERVED),
            "disabled_items": _count_items(PluginStatus.DISABLED),
            "instance_count": Count("pluginitem__instances", distinct=True),
        }
        rows: QuerySet[PluginType] = super().get_queryset(request).annotate(**counts)
        return rows

    @admin.display(description=_("active"), ordering="active_items")
    def active_items(self, row: Any) -> int:
        """Return the number of active items."""
        return int(row.active_items)

    @admin.display(description=_("reserved"), ordering="reserved_items")
    def reserved_items(self, row: Any) -> int:
        """Return the number of reserved items."""
        return int(row.reserved_items)

    @admin.display(description=_("disabled"), ordering="disabled_items")
    def disabled_items(self, row: Any) -> int:
        """Return the number of disabled items."""
        return int(row.disabled_items)

    @admin.display(description=_("instances"), ordering="instance_count")
    def instance_count(self, row: Any) -> int:
        """Return the number of instances of all items."""
        return int(row.instance_count)

    @admin.display(description=_("declared in code"), boolean=True)
    def is_declared(self, row: PluginType) -> bool:
        """Return whether the type's code is there."""
        return row.is_registered

    @admin.display(description=_("order of selection"))
    def effective_order(self, row: PluginType) -> SafeString | str:
        """Return what selection does now."""
        return show_order(row)
