"""The list of plugin instances: the state of each at a glance, in a constant number of queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from django_plugin_system.admin.actions import StatusAndPriorityActions
from django_plugin_system.admin.columns import (
    find_positions,
    show_last_error,
    show_last_test,
    show_priority,
    show_state,
)
from django_plugin_system.admin.copying import SecretCopies
from django_plugin_system.admin.filters import LastErrorFilter, LastTestFilter, StateFilter, TierFilter
from django_plugin_system.admin.links import Links

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    from django_plugin_system.models import PluginInstance


class InstanceList(SecretCopies, StatusAndPriorityActions):
    """The columns, filters and actions of the list."""

    list_display = ("instance", "state_and_error", "position", "status", "priority", "last_test")
    list_display_links = None  # the first column has links of its own
    actions = (*StatusAndPriorityActions.actions, "duplicate_with_secrets")
    list_editable = ("status", "priority")
    list_filter = (StateFilter, TierFilter, LastErrorFilter, LastTestFilter, "status", "item__plugin_type", "item")
    list_select_related = ("item__plugin_type",)
    search_fields = ("name", "description", "item__name", "item__plugin_type__name")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PluginInstance]:
        """Load items and types along."""
        rows: QuerySet[PluginInstance] = super().get_queryset(request).select_related("item__plugin_type")
        return rows

    def lookup_allowed(self, lookup: str, value: str, *request: Any) -> bool:
        """Refuse to filter by what is stored in a configuration: it may be a secret that is not encrypted yet."""
        return lookup.partition("__")[0] != "config" and super().lookup_allowed(lookup, value, *request)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Sort by type and name, then as selection does among equal names."""
        del request
        return ("item__plugin_type__name", "item__plugin_type__manager", "name", "item__name", "item__module")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Find each row's place in the order of selection, in one query for the page; let links lead back to it."""
        changelist = super().get_changelist_instance(request)
        positions = find_positions(row.item.plugin_type_id for row in changelist.result_list)
        links, query = Links(self.admin_site, request), self.get_preserved_filters(request)
        for row in changelist.result_list:
            row.admin_position, row.admin_links, row.admin_query = positions.get(row.pk), links, query
        return changelist

    @admin.display(description=_("name"), ordering="name")
    def instance(self, row: Any) -> SafeString:
        """Return links to the row, to its type and to its item: three in one column, as the list has many."""
        item, show = row.item, row.admin_links.show
        links = show(item.plugin_type, item.plugin_type.name), show(item, item.name)
        return format_html(
            '{}<div class="dps-quiet">{} &rsaquo; {}</div>', show(row, row.name, row.admin_query), *links
        )

    @admin.display(description=_("state"))
    def state_and_error(self, row: PluginInstance) -> SafeString:
        """Return whether the row can be used, why not, and the error of the last failover."""
        return format_html("{}{}", show_state(row), show_last_error(row))

    @admin.display(description=_("order"))
    def position(self, row: Any) -> SafeString:
        """Return the row's place in the order of selection of its type, with what puts it there."""
        return format_html('{} <span class="dps-quiet">{}</span>', row.admin_position, show_priority(row))

    @admin.display(description=_("last test"), ordering="last_tested_at")
    def last_test(self, row: PluginInstance) -> str | SafeString:
        """Return when the row was tested and what came of it."""
        return show_last_test(row)
