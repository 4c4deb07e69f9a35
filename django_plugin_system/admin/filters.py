"""Filters of the list of instances: by tier, state, last error and last test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from django_plugin_system.models import PluginStatus

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

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
