"""The page of a plugin instance: its form with the generated configuration, and who may see or change what."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms import Media
from django.http import HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from django_plugin_system.admin.adding import find_item, find_source, get_copy_url, get_initial, group_items
from django_plugin_system.admin.connection_test import ConnectionTests, is_test
from django_plugin_system.admin.instance_list import InstanceList
from django_plugin_system.admin.shared import Links, show_priority, show_state, show_time
from django_plugin_system.config.parts import iter_json
from django_plugin_system.exceptions import ConfigError, FieldProblem, InvalidConfig, Path, StaleConfig
from django_plugin_system.forms.binding import ConfigBinding, drop_secrets, redact
from django_plugin_system.forms.field import ConfigFormField, is_jsonform_installed
from django_plugin_system.forms.placeholders import is_placeholder
from django_plugin_system.models import PluginInstance
from django_plugin_system.rows.secret_dates import get_dates, open_readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString
    from pydantic import BaseModel

    from django_plugin_system.forms.binding import Submission
    from django_plugin_system.models import PluginItem

    ModelForm = forms.ModelForm[PluginInstance]
else:
    ModelForm = forms.ModelForm  # not subscriptable at run time


def get_version(row: PluginInstance) -> str:
    """Return a mark of all that an operator can change in ``row``; its health leaves the mark the same."""
    state = [str(row.pk), row.name, row.status, row.priority, row.description, row.config, row.config_version]
    message = json.dumps(state, sort_keys=True, default=str)
    return salted_hmac("django_plugin_system.admin.lock", message, algorithm="sha256").hexdigest()


def is_current(row: PluginInstance, version: str) -> bool:
    """Say whether ``row`` is still as it was when its form got ``version``."""
    return constant_time_compare(get_version(row), version)


AS_TEXT = "json"
"""In the address of a page: edit the configuration as JSON text, where a form could be drawn, too."""


@dataclass(frozen=True)
class RowConfig:
    """A row with the schema its configuration can be edited by, or None and the ``obstacle`` in words."""

    row: PluginInstance
    schema: type[BaseModel] | None
    obstacle: str
    source: PluginInstance | None = None
    """The row that a new one is a copy of."""

    def make_binding(self, schema: type[BaseModel], query: QueryDict | None = None) -> ConfigBinding:
        """Return the configuration's form; as one JSON text if the address of the page, in ``query``, asks for that."""
        query = query or QueryDict()
        generated = is_jsonform_installed() and AS_TEXT not in query
        binding = self._make_binding(schema, generated=generated)
        binding.text_url = f"?{urlencode({**query.dict(), AS_TEXT: 1})}"
        return binding

    def _make_binding(self, schema: type[BaseModel], *, generated: bool) -> ConfigBinding:
        row = self.row
        if row._state.adding:  # noqa: SLF001 - how Django says that a row is new
            start = drop_secrets(_get_current(self.source), schema) if self.source else None
            return ConfigBinding(schema, row=str(row.pk), start=start, generated=generated)
        stored = _get_current(row)
        opened = open_readable(row, stored)
        return ConfigBinding(schema, stored, opened, row=str(row.pk), generated=generated)

    def get_redacted(self) -> str:
        """Return the stored configuration without its secrets."""
        return redact(self.row.config, self.schema)


def look_at(row: PluginInstance, source: PluginInstance | None = None) -> RowConfig:
    """Return how the configuration of ``row``, which may be new and a copy of ``source``, can be edited, if it can."""
    declared = row.item.declared
    if declared is None:
        return RowConfig(
            row, None, _("The code of this item is gone, so its configuration can be neither read nor changed.")
        )
    known, schema = declared.version, declared.schema
    if not row._state.adding and row.config_version > known:  # noqa: SLF001 - how Django says that a row is new
        text = _("Stored by newer code (version %(stored)s, this code knows %(known)s), so it is read-only here.")
        return RowConfig(row, None, text % {"stored": row.config_version, "known": known})
    return RowConfig(row, schema, "" if schema else _("This item takes no configuration."), source)


def _get_current(row: PluginInstance) -> dict[str, Any]:
    """Return the stored configuration, brought to the version of the code if that is possible."""
    if not isinstance(row.config, dict):  # raw SQL left no object there, and so nothing to show in fields
        return {}
    declared = row.item.declared
    if declared is None or row.config_version >= declared.version:
        return dict(row.config)
    upgraded = copy.copy(row)
    try:
        upgraded.renew_config()
    except ConfigError:
        return dict(row.config)
    return dict(upgraded.config)


@dataclass(frozen=True)
class SecretNote:
    """One stored secret: how people know it, when it was stored, and what stands for it in the form."""

    title: str
    date: str
    placeholder: str


def list_secret_notes(row: PluginInstance, *, editable: bool) -> list[SecretNote]:
    """Return a note for each secret of ``row`` whose date is known; placeholders are for those who may edit."""
    dates = get_dates(row)
    if not dates:
        return []
    schema = look_at(row).schema
    if schema is None:
        return [SecretNote(" > ".join(path), show_time(date), "") for path, date in dates.items()]
    binding = look_at(row).make_binding(schema)
    placeholders = dict(_iter_placeholders(binding.plain)) if editable else {}
    return [
        SecretNote(_get_title(binding, path), show_time(date), placeholders.get(path, ""))
        for path, date in dates.items()
    ]


def _get_title(binding: ConfigBinding, path: Path) -> str:
    (place,) = binding.to_form_paths([FieldProblem(path, "")], json.loads(binding.get_text()))
    return binding.get_title(place.path)


def _iter_placeholders(plain: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    if is_placeholder(plain):
        yield path, plain
    for key, value in iter_json(plain):
        yield from _iter_placeholders(value, (*path, key))


class VersionField(forms.CharField):
    """Which state of the row the form was made from; no edit of the operator's."""

    widget = forms.HiddenInput

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Never count as a change."""
        del initial, data
        return False


class PluginInstanceForm(ModelForm):
    """The columns of an instance. ``make_form_class`` adds the configuration."""

    item: ClassVar[PluginItem]

    version = VersionField(required=False)

    class Meta:
        model = PluginInstance
        fields = ("name", "status", "priority", "description")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Start from the row, or from a new one of the item."""
        super().__init__(*args, **kwargs)
        self.initial.pop("config", None)  # the form is made from the binding, never from what is stored
        if self.instance._state.adding:  # noqa: SLF001 - how Django says that a row is new
            self.instance.item = self.item
        else:
            self.initial["version"] = get_version(self.instance)

    def clean_name(self) -> str:
        """Refuse a name that the item has given to another instance."""
        name: str = self.cleaned_data["name"]
        others = PluginInstance.objects.filter(item=self.item, name=name).exclude(pk=self.instance.pk)
        if others.exists():
            raise ValidationError(_("This item has an instance named “%(name)s” already.") % {"name": name})
        return name

    def clean(self) -> dict[str, Any]:
        """Refuse a form that was made from an older state of the row."""
        version = self.cleaned_data.get("version")
        if version and not self.instance._state.adding and not is_current(self.instance, version):  # noqa: SLF001
            raise ValidationError(
                _(
                    "Someone else changed this instance after you opened this page, so nothing was saved. "
                    "Open the page again to see the change, then repeat yours."
                ),
                code="stale",
            )
        return self.cleaned_data

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        submission: Submission | None = self.cleaned_data.get("config")
        if submission is not None and submission.config is not None:
            self._take_config(submission, submission.config)

    def _take_config(self, submission: Submission, config: dict[str, Any]) -> None:
        field = cast("ConfigFormField", self.fields["config"])
        try:
            self.instance.set_config(config)
        except InvalidConfig as invalid:
            problems = field.binding.to_form_paths(invalid.errors, submission.form)
            self.add_error("config", field.note_problems(problems))
        except ConfigError as refused:
            self.add_error("config", str(refused))

    def get_changed_config_fields(self) -> tuple[str, ...]:
        """Return the titles of the configuration's fields that were changed."""
        submission: Submission | None = self.cleaned_data.get("config")
        return submission.changed_fields if submission else ()


def make_form_class(item: PluginItem, binding: ConfigBinding | None) -> type[PluginInstanceForm]:
    """Return the form of an instance of ``item``, with the configuration of ``binding`` if it can be edited."""
    attributes: dict[str, Any] = {"item": item}
    if binding is not None:
        attributes["config"] = ConfigFormField(binding)
    metaclass: Any = type(PluginInstanceForm)
    made: type[PluginInstanceForm] = metaclass(PluginInstanceForm.__name__, (PluginInstanceForm,), attributes)
    return made


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
