"""The admin of plugin items: the classes, with the status and priority that operators give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Count
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from django_plugin_system.admin.shared import Links, StatusAndPriorityActions
from django_plugin_system.models import PluginInstance, PluginItem

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString


@admin.register(PluginItem)
class PluginItemAdmin(StatusAndPriorityActions):
    """Items come from code: their status, priority and description can be changed, and none can be added."""

    list_display = ("name", "type_and_module", "status", "priority", "instance_count", "class_loads")
    list_editable = ("status", "priority")
    list_filter = ("status", "plugin_type", "module")
    list_select_related = ("plugin_type",)
    search_fields = ("name", "module", "plugin_type__name", "description")
    fields = ("plugin_type", "module", "name", "status", "priority", "description", "class_loads", "instance_links")
    readonly_fields = ("plugin_type", "module", "name", "class_loads", "instance_links")

    class Media:
        css = {"all": ["django_plugin_system/admin.css"]}  # noqa: RUF012 - Django's way to declare media

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: an item is declared in code."""
        del request
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[PluginItem]:
        """Count in the same query."""
        rows: QuerySet[PluginItem] = super().get_queryset(request).annotate(instance_count=Count("instances"))
        return rows

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Sort by type, then as selection does among its items."""
        del request
        return ("plugin_type__name", "plugin_type__manager", "status", "priority", "name", "module")

    @admin.display(description=_("type and module"), ordering="plugin_type__name")
    def type_and_module(self, row: PluginItem) -> SafeString:
        """Return the type, and the app that provides the item."""
        text = '<span title="{}">{}</span> <span class="dps-origin dps-module">{}</span>'
        return format_html(text, row.plugin_type, row.plugin_type.name, row.module)

    @admin.display(description=_("instances"), ordering="instance_count")
    def instance_count(self, row: Any) -> int:
        """Return the number of instances."""
        return int(row.instance_count)

    @admin.display(description=_("class loads"), boolean=True)
    def class_loads(self, row: PluginItem) -> bool:
        """Return whether the item's code is there."""
        return row.is_registered

    @admin.display(description=_("instances"))
    def instance_links(self, row: Any) -> SafeString:
        """Return a link to each of the first 50 instances, and to the page that adds one."""
        links: Links = row.admin_links
        instances = row.instances.select_related("item").in_order()[:50]
        listed = format_html_join("", "<li>{}</li>", ((links.show(instance),) for instance in instances))
        shown = format_html('<ul class="dps-links">{}</ul>', listed)
        if not links.may("add", PluginInstance):
            return shown
        address = reverse("admin:django_plugin_system_plugininstance_add", current_app=self.admin_site.name)
        return shown + format_html('<a class="addlink" href="{}?item={}">{}</a>', address, row.pk, _("Add instance"))

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the page, with links to what the user may open."""
        context["adminform"].form.instance.admin_links = Links(self.admin_site, request)
        return super().render_change_form(request, context, *args, **kwargs)
