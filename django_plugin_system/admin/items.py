"""The admin of plugin items: the classes, with the status and priority that operators give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from django_plugin_system.admin.shared import STATUS_AND_PRIORITY, FromCode, Links
from django_plugin_system.models import PluginInstance, PluginItem

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

MOST_LINKS = 50


@admin.register(PluginItem)
class PluginItemAdmin(FromCode):
    """Items come from code: their status, priority and description can be changed, and none can be added."""

    item_path = "pk"
    list_display = ("name", "type_and_module", "status", "priority", "class_loads")
    actions = STATUS_AND_PRIORITY
    list_editable = ("status", "priority")
    list_filter = ("status", "plugin_type", "module")
    list_select_related = ("plugin_type",)
    search_fields = ("name", "module", "plugin_type__name", "description")
    ordering = ("plugin_type__name", "plugin_type__manager", "status", "priority", "name", "module")
    fields = ("plugin_type", "module", "name", "status", "priority", "description", "class_loads")
    readonly_fields = ("plugin_type", "module", "name", "class_loads")

    @admin.display(description=_("type and module"), ordering="plugin_type__name")
    def type_and_module(self, row: PluginItem) -> SafeString:
        """Return the type, and the app that provides the item."""
        text = '<span title="{}">{}</span> <span class="dps-origin dps-module">{}</span>'
        return format_html(text, row.plugin_type, row.plugin_type.name, row.module)

    @admin.display(description=_("class loads"), boolean=True)
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
