"""The list of plugin instances: the state of each at a glance, filters, actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Q
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from django_plugin_system.admin.adding import SecretCopies
from django_plugin_system.admin.shared import (
    Links,
    StatusAndPriorityActions,
    find_positions,
    show_last_error,
    show_last_test,
    show_priority,
    show_state,
)
from django_plugin_system.models import PluginStatus

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    from django_plugin_system.models import PluginInstance


_OFF = Q(status=PluginStatus.DISABLED) | Q(item__status=PluginStatus.DISABLED)
_FIRST = Q(status=PluginStatus.ACTIVE, item__status=PluginStatus.ACTIVE)


class TierFilter(admin.SimpleListFilter):
    """The tier that counts: the worse of the instance's status and its item's."""

    title = _("effective tier")
    parameter_name = "tier"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Offer the three tiers."""
        del request, model_admin
        return [(status.value, status.label) for status in PluginStatus]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PluginInstance]) -> QuerySet[PluginInstance]:
        """Keep the chosen tier."""
        del request
        wanted = {PluginStatus.ACTIVE: _FIRST, PluginStatus.RESERVED: ~_FIRST & ~_OFF, PluginStatus.DISABLED: _OFF}
        chosen = self.value()
        return queryset.filter(wanted[PluginStatus(chosen)]) if chosen in PluginStatus.values else queryset


class StateFilter(admin.SimpleListFilter):
    """Whether selection can use the row now. Reads every configuration that is not switched off, in one query."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Offer what the column says."""
        del request, model_admin
        return [("usable", _("Usable")), ("attention", _("Needs attention")), ("off", _("Off"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PluginInstance]) -> QuerySet[PluginInstance]:
        """Keep the rows in the chosen state."""
        del request
        if self.value() == "off":
            return queryset.filter(_OFF)
        if self.value() not in {"usable", "attention"}:
            return queryset
        rows = queryset.exclude(_OFF).select_related("item__plugin_type").iterator()
        wanted = self.value() == "usable"
        return queryset.filter(pk__in=[row.pk for row in rows if (row.reason_unusable() is None) == wanted])


class LastErrorFilter(admin.SimpleListFilter):
    """Whether a failover has noted an error that no success has cleared since."""

    title = _("last error")
    parameter_name = "error"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Offer both."""
        del request, model_admin
        return [("yes", _("With an error")), ("no", _("Without"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PluginInstance]) -> QuerySet[PluginInstance]:
        """Keep the chosen rows."""
        del request
        wanted = {"yes": ~Q(last_error=""), "no": Q(last_error="")}
        return queryset.filter(wanted.get(self.value() or "", Q()))


class LastTestFilter(admin.SimpleListFilter):
    """What came of the last test of what is stored."""

    title = _("last test")
    parameter_name = "test"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Offer what the column says."""
        del request, model_admin
        return [("passed", _("Passed")), ("failed", _("Failed")), ("none", _("Not tested"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PluginInstance]) -> QuerySet[PluginInstance]:
        """Keep the rows with the chosen result."""
        del request
        tested, failed = Q(last_tested_at__isnull=False), ~Q(last_test_error="")
        wanted = {"passed": tested & ~failed, "failed": tested & failed, "none": ~tested}
        return queryset.filter(wanted.get(self.value() or "", Q()))


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
