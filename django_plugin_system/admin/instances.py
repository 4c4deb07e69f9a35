"""The admin of plugin instances: what operators configure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.forms import Media
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from django_plugin_system.admin.choose_item import find_item, group_items
from django_plugin_system.admin.columns import show_priority, show_state
from django_plugin_system.admin.connection_test_page import ConnectionTests, is_test
from django_plugin_system.admin.copying import find_source, get_copy_url, get_initial
from django_plugin_system.admin.instance_form import PluginInstanceForm, make_form_class
from django_plugin_system.admin.instance_list import InstanceList
from django_plugin_system.admin.links import Links
from django_plugin_system.admin.row_config import look_at
from django_plugin_system.admin.stored_dates import list_secret_notes
from django_plugin_system.exceptions import StaleConfig
from django_plugin_system.models import PluginInstance

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

    from django_plugin_system.models import PluginItem

_BASICS = ("name", "status", "priority", "description")
_HEALTH = ("state", "effective", "last_error", "unavailable_until", "last_test", "last_test_error")
_TIMES = ("created_at", "updated_at")


@admin.register(PluginInstance)
class PluginInstanceAdmin(ConnectionTests, InstanceList):
    """Instances are added in two steps (item, then form) and edited on one page, with a generated form."""

    form = PluginInstanceForm
    exclude = ("config",)  # the form's field of this name is no column: it goes through set_config

    class Media:
        css = {"all": ["django_plugin_system/admin.css"]}  # noqa: RUF012 - Django's way to declare media

    @admin.display(description=gettext_lazy("state"))
    def state(self, row: PluginInstance) -> SafeString:
        """Return whether the row can be used, and why not."""
        return show_state(row)

    @admin.display(description=gettext_lazy("effective tier and priority"))
    def effective(self, row: PluginInstance) -> str:
        """Return the tier and priority that count."""
        return show_priority(row)

    # The page of one instance

    def get_fieldsets(self, request: HttpRequest, obj: PluginInstance | None = None) -> Any:
        """Show the columns, the configuration, and for a stored row its state."""
        config = ("config" if self._get_editable(request, obj) else "stored_config",)
        basics = (None, {"fields": ("item_summary", *_BASICS)})
        if obj is None:
            return (basics, (_("Configuration"), {"fields": config}))
        hidden = ("version",) if self.has_change_permission(request, obj) else ()
        return (
            (None, {"fields": ("item_summary", *_BASICS, *hidden)}),
            (_("Configuration"), {"fields": config}),
            (_("State"), {"fields": (*_HEALTH, *_TIMES)}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: PluginInstance | None = None) -> Any:
        """List what is shown only."""
        del request, obj
        return ("item_summary", "stored_config", *_HEALTH, *_TIMES)

    def _get_row(self, request: HttpRequest, obj: PluginInstance | None) -> PluginInstance | None:
        """Return the row that the page is about: the stored one, or a new one of the chosen item."""
        if obj is not None:
            return obj
        item: PluginItem | None = getattr(request, "plugin_item", None)
        return None if item is None else PluginInstance(item=item)

    def _get_editable(self, request: HttpRequest, obj: PluginInstance | None) -> bool:
        row = self._get_row(request, obj)
        allowed = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        return allowed and row is not None and look_at(row).schema is not None

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Return a form class made for this very row."""
        row = self._get_row(request, obj)
        if row is not None:
            config = look_at(row, getattr(request, "plugin_source", None))
            editable = config.schema if self._get_editable(request, obj) else None
            binding = config.make_binding(editable, request.GET) if editable else None
            kwargs["form"] = make_form_class(row.item, binding)
        return super().get_form(request, obj, change=change, **kwargs)

    @admin.display(description=gettext_lazy("item"))
    def item_summary(self, row: Any) -> SafeString:
        """Return the item with its type and description."""
        item = row.item
        links = row.admin_links.show(item)
        return format_html("{} &rsaquo; {}<br>{}", item.plugin_type, links, item.description or "")

    @admin.display(description=gettext_lazy("configuration"))
    def stored_config(self, row: PluginInstance) -> SafeString:
        """Return the configuration without its secrets, and why it cannot be changed."""
        config = look_at(row)
        text = format_html('<pre class="dps-stored">{}</pre>', config.get_redacted()) if row.config else ""
        return format_html('<div>{}<div class="dps-quiet">{}</div></div>', text, config.obstacle)

    # The two steps of adding, and saving

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Show the page on which the item is chosen, then the form of the chosen item."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        chosen = request.GET.get("item")
        item = find_item(chosen)
        if item is None:
            if chosen:
                messages.error(request, _("This item cannot be configured: it does not exist, or its code is gone."))
            return self._choose_item(request)
        request.plugin_item = item  # type: ignore[attr-defined]
        self._start_copy(request, item)
        context = {"title": _("Add %(item)s instance") % {"item": item.name}, **(extra_context or {})}
        return super().add_view(request, form_url, context)

    def _start_copy(self, request: HttpRequest, item: PluginItem) -> None:
        source = find_source(request.GET.get("copy"), item)
        if source is None or not self.has_view_permission(request, source):
            return
        request.plugin_source = source  # type: ignore[attr-defined]
        if request.method == "GET":
            text = _("This is a copy of %(name)s. Its secrets were not copied: type them where they are needed.")
            messages.info(request, text % {"name": source.name})

    def get_changeform_initial_data(self, request: HttpRequest) -> Any:
        """Start a copy with what its source has."""
        source: PluginInstance | None = getattr(request, "plugin_source", None)
        return get_initial(source) if source else super().get_changeform_initial_data(request)

    def _choose_item(self, request: HttpRequest) -> HttpResponse:
        search = request.GET.get("q", "").replace("\0", "")  # which PostgreSQL refuses to look for
        kept = {key: value for key, value in request.GET.items() if key not in {"q", "item"}}
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "add": True,
            "has_view_permission": self.has_view_permission(request),
            "media": self.media,
            "title": _("Choose what to configure"),
            "groups": group_items(search),
            "search": search,
            "kept": kept,
            "kept_query": urlencode(kept),
        }
        return TemplateResponse(request, "admin/django_plugin_system/plugininstance/choose_item.html", context)

    @method_decorator(sensitive_variables())
    @method_decorator(sensitive_post_parameters())
    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show or save one instance; nothing of it reaches an error report."""
        if object_id and "_saveasnew" in request.POST:  # Django then adds what was posted, whatever ``save_as`` says
            request.plugin_item = self._find_item_of(request, object_id)  # type: ignore[attr-defined]
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except StaleConfig as stale:
            text = _(
                "%(name)s was changed by someone else meanwhile. Nothing was saved: look at it, then change it again."
            )
            messages.error(request, text % {"name": stale.subject})
            return HttpResponseRedirect(request.get_full_path())

    def _find_item_of(self, request: HttpRequest, object_id: str) -> PluginItem:
        row = super().get_object(request, unquote(object_id))
        item = find_item(row.item_id) if row else None
        if item is None:
            raise PermissionDenied
        return item

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Lock the row while it is saved, so that two saves follow each other."""
        row = super().get_object(request, object_id, from_field)
        if row is not None and request.method == "POST" and not is_test(request):
            PluginInstance.objects.select_for_update().filter(pk=row.pk).first()
            row.refresh_from_db()
        return row

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Say above the form why the instance cannot be used, below it since when its secrets are; offer to copy it."""
        row = kwargs.get("obj")
        context["adminform"].form.instance.admin_links = Links(self.admin_site, request)
        if row is not None and request.method == "GET" and (reason := row.reason_unusable()):
            messages.warning(request, _("This instance is not used now: %(reason)s") % {"reason": reason.localize()})
        if row is not None and row.item.is_registered and self.has_add_permission(request):
            context["copy_url"] = get_copy_url(row, self.admin_site.name)
        if row is not None:
            stored = row if request.method == "GET" else PluginInstance.objects.get(pk=row.pk)  # without what was typed
            context["secret_notes"] = list_secret_notes(stored, editable=self._get_editable(request, row))
            context["media"] += Media(js=["django_plugin_system/secret-dates.js"])
        return super().render_change_form(request, context, *args, **kwargs)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Name the configuration's fields that changed; never a value."""
        message: Any = super().construct_change_message(request, form, formsets, add)
        titles: tuple[str, ...] = form.get_changed_config_fields() if isinstance(form, PluginInstanceForm) else ()
        for entry in message:
            names = entry.get("changed", {}).get("fields", [])
            if "Configuration" in names and titles:
                position = names.index("Configuration")
                names[position : position + 1] = [f"Configuration: {title}" for title in titles]
        return message
