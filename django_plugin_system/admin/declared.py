"""The admin of what code declares, types and items: the rows can be looked at and described, not added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Count, Func, IntegerField, Model, OuterRef, Q, QuerySet, Subquery, Value
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_plugin_system.admin.columns import show_path
from django_plugin_system.admin.shared import (
    STATUS_AND_PRIORITY,
    CodeFilter,
    Links,
    PathFilter,
    PluginAdmin,
    VisibleRows,
)
from django_plugin_system.models import PluginInstance, PluginItem, PluginOverview, PluginStatus, PluginType
from django_plugin_system.querysets import MOST_NAMED, UNTOUCHED

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString


def find_instances(**conditions: Any) -> QuerySet[PluginInstance]:
    """Return the instances of the items that meet ``conditions``."""
    return PluginInstance.objects.filter(item__in=PluginItem.objects.filter(**conditions).values("pk"))


def count_instances(item_path: str) -> Subquery:
    """Return an annotation: how many instances hang on a row, which an item has at ``item_path``; by index alone."""
    total = Func(Value(1), function="COUNT", output_field=IntegerField())
    return Subquery(find_instances(**{item_path: OuterRef(OuterRef("pk"))}).values(total=total))


def make_count(name: str, title: Any) -> Any:
    """Return a column of a list: a number that the query has counted."""

    @admin.display(description=title, ordering=name)
    def count(row: Any) -> int:
        return int(getattr(row, name))

    count.__name__ = name
    return count


class CountingChangeList(VisibleRows):
    """A list of what code declares, with the number of instances that hang on each row."""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        """Count in the same query."""
        item_path = cast("FromCode", self.model_admin).item_path
        self.root_queryset = self.root_queryset.annotate(instance_count=count_instances(item_path))
        return super().get_queryset(request, *args, **kwargs)


MOST_COUNTED = 10_000
"""Instances that a page counts which says that they stand in the way."""


class FromCode(PluginAdmin):
    """Rows that code declares: none can be added, and none is deleted while an operator's instances hang on it."""

    item_path: str
    """How an item names the row that it is, or belongs to."""
    counted: ClassVar[dict[type[Model], tuple[Any, ...]]] = {
        PluginInstance: (make_count("instance_count", gettext_lazy("instances")),)
    }
    """Columns of the list, after the others, for who may see the rows that they count."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: code declares what there is."""
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the class of the list."""
        return CountingChangeList

    def get_list_display(self, request: HttpRequest) -> Any:
        """Count only what the user may see."""
        links = Links(self.admin_site, request)
        counts = [columns for model, columns in self.counted.items() if links.may("view", model)]
        return (*self.list_display, *(column for columns in counts for column in columns))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name the first instances that stand in the way, as far as the user may see them, and say how many do."""
        deleted, counts, missing, protected = super().get_deleted_objects(objs, request)
        rows = find_instances(**{f"{self.item_path}__in": [row.pk for row in objs]}).exclude(UNTOUCHED)
        if protected and (total := rows[: MOST_COUNTED + 1].count()):
            links = Links(self.admin_site, request)
            protected = [links.show(row) for row in links.find_visible(rows.select_related("item")[:MOST_NAMED])]
            count = total if total <= MOST_COUNTED else f"{MOST_COUNTED}+"
            text = ngettext("%(count)s instance in all", "%(count)s instances in all", total) % {"count": count}
            protected.append(text if protected else _("instances that you may not see"))
        return deleted, counts, missing, protected


_COUNTS = {
    "active_items": (PluginStatus.ACTIVE, gettext_lazy("active")),
    "reserved_items": (PluginStatus.RESERVED, gettext_lazy("reserved")),
    "disabled_items": (PluginStatus.DISABLED, gettext_lazy("disabled")),
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
    list_filter = (("manager", PathFilter),)
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

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Link the part of the overview that is about the type, for who may see it."""
        if Links(self.admin_site, request).may("view", PluginOverview):
            address = reverse("admin:django_plugin_system_overview", current_app=self.admin_site.name)
            context["overview_url"] = f"{address}?{urlencode({'q': kwargs['obj'].name})}"
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=gettext_lazy("in code"), boolean=True)
    def is_declared(self, row: PluginType) -> bool:
        """Return whether the type's code is there."""
        return row.is_registered


MOST_LINKS = 50


@admin.register(PluginItem)
class PluginItemAdmin(FromCode):
    """Items come from code: their status, priority and description can be changed, and none can be added."""

    item_path = "pk"
    list_display = ("name", "type_and_module", "status", "priority", "class_loads")
    actions = STATUS_AND_PRIORITY
    list_editable = ("status", "priority")
    list_filter = ("status", ("plugin_type", CodeFilter), ("module", PathFilter))
    list_select_related = ("plugin_type",)
    search_fields = ("name", "module", "plugin_type__name", "description")
    ordering = ("plugin_type__name", "plugin_type__manager", "status", "priority", "name", "module")
    fields = ("plugin_type", "module", "name", "status", "priority", "description", "class_loads")
    readonly_fields = ("plugin_type", "module", "name", "class_loads")

    @admin.display(description=gettext_lazy("type and module"), ordering="plugin_type__name")
    def type_and_module(self, row: PluginItem) -> SafeString:
        """Return the type, and the app that provides the item."""
        text = '<span title="{}">{}</span> <span class="dps-origin dps-module">{}</span>'
        return format_html(text, row.plugin_type, row.plugin_type.name, show_path(row.module))

    @admin.display(description=gettext_lazy("class loads"), boolean=True)
    def class_loads(self, row: PluginItem) -> bool:
        """Return whether the item's code is there."""
        return row.is_registered

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Link the first instances by name, and the page that adds one: what the user may see and open of them."""
        row: PluginItem = kwargs["obj"]
        links = Links(self.admin_site, request)
        shown = row.instances.select_related("item").order_by("name")[:MOST_LINKS]
        context["instance_links"] = [links.show(instance) for instance in links.find_visible(shown)]
        if links.may("add", PluginInstance):
            address = reverse("admin:django_plugin_system_plugininstance_add", current_app=self.admin_site.name)
            context["add_url"] = f"{address}?item={row.pk}"
        return super().render_change_form(request, context, *args, **kwargs)
