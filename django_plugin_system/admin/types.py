"""The admin of plugin types: what code declared, and how many items and instances it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_plugin_system.admin.columns import ShortDescription
from django_plugin_system.admin.order import make_table
from django_plugin_system.admin.order_form import save_order
from django_plugin_system.models import PluginInstance, PluginStatus, PluginType

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from django_plugin_system.admin.order_form import Outcome


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
    fields = ("name", "manager", "description")
    readonly_fields = ("name", "manager")
    change_form_template = "admin/django_plugin_system/plugintype/change_form.html"

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

    @admin.display(description=_("in code"), boolean=True)
    def is_declared(self, row: PluginType) -> bool:
        """Return whether the type's code is there."""
        return row.is_registered

    # The order of selection, on the page of a type

    def get_urls(self) -> list[URLPattern]:
        """Add the address that the order is posted to."""
        view = self.admin_site.admin_view(self.order_view)
        own = path("<path:object_id>/order/", view, name="django_plugin_system_plugintype_order")
        return [own, *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the order of selection below the form."""
        row: PluginType = kwargs["obj"]
        context |= self._get_order_context(request, row)
        return super().render_change_form(request, context, *args, **kwargs)

    def order_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Save the status and priority of instances; show the table again if one of them is refused."""
        row = self.get_object(request, unquote(object_id))
        instances = self._get_instance_admin()
        if row is None:
            raise Http404
        if not self.has_view_or_change_permission(request, row) or not self._may_change_instances(request):
            raise PermissionDenied
        address = f"{self._get_url(row)}?{request.GET.urlencode()}"
        if request.method != "POST" or instances is None:
            return HttpResponseRedirect(f"{address}#order")
        outcome = save_order(request, instances, row)
        if outcome.lost:
            messages.error(request, gettext("An instance that you edited is not there any more. Nothing was saved."))
        elif not outcome.refused:
            self._say_what_changed(request, outcome)
        if not outcome.refused:
            return HttpResponseRedirect(f"{address}#order")
        return self._show_refused(request, row, outcome)

    def _get_url(self, row: PluginType, page: str = "change") -> str:
        return reverse(f"admin:django_plugin_system_plugintype_{page}", args=[row.pk], current_app=self.admin_site.name)

    def _get_instance_admin(self) -> admin.ModelAdmin[Any] | None:
        return self.admin_site._registry.get(PluginInstance)  # noqa: SLF001 - get_model_admin came with Django 5.0

    def _may_change_instances(self, request: HttpRequest) -> bool:
        instances = self._get_instance_admin()
        return instances is not None and instances.has_change_permission(request)

    def _get_order_context(self, request: HttpRequest, row: PluginType, refused: Any = None) -> dict[str, Any]:
        instances = self._get_instance_admin()
        editable = self._may_change_instances(request)
        address = self._get_url(row, "order")
        return {
            "order": make_table(row, request.GET, editable=editable, forms=refused),
            "order_back": self._get_url(row),
            "order_url": f"{address}?{request.GET.urlencode()}",
            "order_links": instances is not None and instances.has_view_permission(request),
            "order_failed": bool(refused),
        }

    def _say_what_changed(self, request: HttpRequest, outcome: Outcome) -> None:
        count = len(outcome.changed)
        if not count:
            self.message_user(request, gettext("Nothing was changed."), messages.INFO)
            return
        listed = ", ".join(map(str, outcome.changed[:10]))
        text = ngettext("%(count)d instance changed: %(rows)s.", "%(count)d instances changed: %(rows)s.", count)
        self.message_user(request, text % {"count": count, "rows": listed}, messages.SUCCESS)

    def _show_refused(self, request: HttpRequest, row: PluginType, outcome: Outcome) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            **self._get_order_context(request, row, outcome.refused),
            "opts": self.opts,
            "media": self.media,
            "original": row,
            "has_view_permission": True,
            "title": gettext("Order of selection: %(type)s") % {"type": row},
        }
        return TemplateResponse(request, "admin/django_plugin_system/plugintype/order_refused.html", context)
