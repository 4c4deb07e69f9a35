"""The page of a plugin instance: its form with the generated configuration, and who may see or change what.

What a request is about is found once, and kept in one object, ``InstancePage``: the hooks of Django's admin are given
the request and nothing else that could carry it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import router, transaction
from django.forms import Media
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import get_script_prefix, reverse
from django.utils.crypto import constant_time_compare, get_random_string, salted_hmac
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from django_plugin_system.admin import chains, columns, connection_test
from django_plugin_system.admin.adding import find_item, find_row, show_choice
from django_plugin_system.admin.instance_list import InstanceList
from django_plugin_system.admin.shared import Links, ModelForm
from django_plugin_system.changes import changing
from django_plugin_system.config.leaks import MAX_LENGTH
from django_plugin_system.exceptions import ConfigError, FieldProblem, InvalidConfig, Path, StaleConfig
from django_plugin_system.forms.binding import ConfigBinding, Submission, drop_secrets, show_fields
from django_plugin_system.forms.field import ConfigFormField, hide_config, is_jsonform_installed
from django_plugin_system.forms.placeholders import TypedSecrets
from django_plugin_system.models import PluginInstance, PluginStatus
from django_plugin_system.plugin import has_check
from django_plugin_system.rows.config import get_dates, note_typed, open_current

if TYPE_CHECKING:
    import datetime as dt

    from django.utils.safestring import SafeString
    from pydantic import BaseModel

    from django_plugin_system.selection.choosing import Selection

AS_TEXT = "json"
"""In the address of a page: edit the configuration as JSON text, where a form could be drawn, too."""


def get_version(row: PluginInstance) -> str:
    """Return a mark of all that an operator can change in ``row``; its health leaves the mark the same."""
    state = [str(row.pk), row.name, row.status, row.priority, row.description, row.config, row.config_version]
    message = json.dumps(state, sort_keys=True, default=str)
    return salted_hmac("django_plugin_system.admin.lock", message, algorithm="sha256").hexdigest()


def find_schema(row: PluginInstance) -> tuple[type[BaseModel] | None, str]:
    """Return the schema that the configuration of ``row`` can be edited by, or None and why there is none."""
    declared = row.item.declared
    if declared is None:
        return None, _("The code of this item is gone, so its configuration can be neither read nor changed.")
    if row.config_version > declared.version:
        text = _("Stored by newer code (version %(stored)s, this code knows %(known)s), so it is read-only here.")
        return None, text % {"stored": row.config_version, "known": declared.version}
    return declared.schema, "" if declared.schema else _("This item takes no configuration.")


@dataclass
class InstancePage:
    """What one request is about: an instance, stored or new, as it is before a form writes into it.

    ``PluginInstanceAdmin`` keeps it as ``request.plugin_page`` and reads it by ``get_page``.
    """

    row: PluginInstance
    is_allowed: bool
    """Whether the user may change or add the row."""

    request: HttpRequest
    source: PluginInstance | None = None
    """The row that a new one is a copy of."""

    dates: dict[Path, dt.datetime] = field(init=False)
    """Since when each secret is stored."""

    def __post_init__(self) -> None:
        """Read what a form is about to change."""
        self.dates = get_dates(self.row)
        self.key = None if self.is_new else chains.get_key(self.row)
        self.schema, self.obstacle = find_schema(self.row)

    @property
    def is_new(self) -> bool:
        """Whether the row is not stored yet."""
        return self.row._state.adding

    @property
    def is_editable(self) -> bool:
        """Whether the user may, and the code can, edit the configuration."""
        return self.is_allowed and self.schema is not None

    @cached_property
    def draft(self) -> str:
        """Which page of a new row this is, from its first to its last post."""
        return self.request.POST.get("version") or get_random_string(22)

    @cached_property
    def binding(self) -> ConfigBinding:
        """The configuration's form, of a row with a schema; as one JSON text if the address asks for that."""
        schema = cast("type[BaseModel]", self.schema)
        generated = is_jsonform_installed() and AS_TEXT not in self.request.GET
        row = f"new, on page {self.draft}" if self.is_new else str(self.row.pk)
        typed = TypedSecrets(str(self.request.user.pk), str(self.row.item_id), row)
        make = partial(ConfigBinding, schema, row=str(self.row.pk), generated=generated, typed=typed)
        if self.is_new:
            return make(start=drop_secrets(open_current(self.source).stored, schema) if self.source else None)
        opened = open_current(self.row)
        return make(opened.stored, opened.secrets)

    @cached_property
    def selection(self) -> Selection | None:
        """What selection makes of the stored row's name; read when the page is drawn, as a test may come before."""
        rows = chains.find_chain(self.key) if self.key else []
        return chains.explain_chain(rows) if self.row in rows else None

    @property
    def webhook_url(self) -> str:
        """Where the provider calls this instance; empty if its class declares no ``webhook_path``."""
        path = getattr(self.row.item.plugin_class, "webhook_path", "").format(id=self.row.pk)
        return self.request.build_absolute_uri(get_script_prefix() + path.lstrip("/")) if path else ""

    def describe(self) -> dict[str, Any]:
        """Return how the stored row fares, its place in the chain of its name, and who serves that."""
        found = cast("Selection", self.selection)
        rows = {one.instance: one.reason for one in found.candidates}
        place, row = next((place, row) for place, row in enumerate(rows, start=1) if row == self.row)
        return {
            "state": columns.describe_state(row, rows[row], length=MAX_LENGTH),
            "place": f"{columns.show_place(place, len(rows))} · {columns.show_rank(row)}",
            "service": f"{chains.describe_now(found, row.name)} {chains.describe_after(found, row)}",
        }

    def make_form_class(self, *bases: type) -> type[PluginInstanceForm]:
        """Return the form of the row, with the configuration if it can be edited."""
        attributes: dict[str, Any] = {"page": self}
        if self.is_editable:
            query = urlencode({**self.request.GET.dict(), AS_TEXT: 1})
            attributes["config"] = ConfigFormField(self.binding, f"?{query}")
        metaclass: Any = type(PluginInstanceForm)
        made: type[PluginInstanceForm] = metaclass(
            PluginInstanceForm.__name__, (*bases, PluginInstanceForm), attributes
        )
        return made

    def list_secret_notes(self) -> list[dict[str, str]]:
        """Return a note for each secret whose date is known; placeholders are for those who may edit."""
        stored = self.binding.get_stored_secrets() if self.schema is not None and self.dates else {}
        notes = []
        for path, stored_at in self.dates.items():
            title, placeholder = stored.get(path, (" > ".join(path), ""))
            note = {"title": title, "placeholder": placeholder if self.is_allowed else ""}
            note["text"] = _("Stored, %(time)s") % {"time": columns.describe_time(stored_at)}
            notes.append({**note, "exact": columns.format_time(stored_at)})
        return notes


class VersionField(forms.CharField):
    """Which state of the row the form was made from, or which page of a new one it is; no edit of the operator's."""

    widget = forms.HiddenInput

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Never count as a change."""
        return False


_BASICS = ("name", "scope", "status", "priority", "description")


class PluginInstanceForm(ModelForm):
    """The columns of an instance. ``InstancePage.make_form_class`` adds the page, and the configuration."""

    page: ClassVar[InstancePage]

    version = VersionField(required=False, label="")

    class Meta:
        model = PluginInstance
        fields = _BASICS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Start from the row, or from a new one of the item."""
        super().__init__(*args, **kwargs)
        self.initial.pop("config", None)  # the form is made from the binding, never from what is stored
        if self.instance._state.adding:
            self.instance.item = self.page.row.item
        is_new = self.page.is_new
        self.initial["version"] = self.page.draft if is_new else get_version(self.instance)
        if "priority" in self.fields:
            self.fields["priority"].widget.attrs["placeholder"] = self.page.row.item.priority

    def clean(self) -> dict[str, Any]:
        """Refuse a name that another instance has, and a form that was made from an older state of the row."""
        name, scope = self.cleaned_data.get("name"), self.cleaned_data.get("scope", self.instance.scope)
        others = PluginInstance.objects.filter(item=self.page.row.item, name=name, scope=scope)
        if others.exclude(pk=self.instance.pk).exists():
            text = _("This item has an instance named “%(name)s” already.") % {"name": name}
            self.add_error("name", text)
        version = self.cleaned_data.get("version")
        if version and not constant_time_compare(version, self.initial.get("version", version)):
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
            field.binding.check_read_only(config, self.instance)
            note_typed(self.instance, config)
        except InvalidConfig as invalid:
            problems = field.binding.to_form_paths(invalid.errors, submission.form)
            self.add_error("config", field.note_problems(problems, submission.form))
        except ConfigError as refused:
            self.add_error("config", field.note_problems([FieldProblem((), str(refused))]))


_TIMES = (
    columns.make_time("created_at", gettext_lazy("created at")),
    columns.make_time("updated_at", gettext_lazy("updated at")),
)


@admin.register(PluginInstance)
class PluginInstanceAdmin(InstanceList):
    """Instances are added in two steps (item, then form) and edited on one page, with a generated form."""

    form = PluginInstanceForm
    readonly_fields = ("stored_config", *_TIMES)
    exclude = ("config",)  # the form's field of this name is no column: it goes through set_config

    @admin.display(description=gettext_lazy("configuration"))
    def stored_config(self, row: PluginInstance) -> SafeString:
        """Return the configuration without its secrets, and why it cannot be changed."""
        schema, obstacle = find_schema(row)
        text = show_fields(row.config, schema) if row.config else ""
        return format_html('<div>{}<div class="dps-quiet">{}</div></div>', text, obstacle)

    # Who may do what, beside Django's own permissions

    def has_change_permission(self, request: HttpRequest, obj: PluginInstance | None = None) -> bool:
        """Let nobody change what a file manages: the next ``pluginapply`` would undo it."""
        return not (obj and obj.managed_by) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: PluginInstance | None = None) -> bool:
        """Let nobody delete what a file manages."""
        return not (obj and obj.managed_by) and super().has_delete_permission(request, obj)

    def has_cooldown_permission(self, request: HttpRequest, obj: PluginInstance | None = None) -> bool:
        """Say whether the user may let an instance be used again: a file does not manage how it fares."""
        return super().has_change_permission(request, obj)

    def has_test_permission(self, request: HttpRequest, obj: PluginInstance | None = None) -> bool:
        """Say whether the user may run a test: it has a permission of its own, on what the user may view."""
        return request.user.has_perm(connection_test.TEST_PERMISSION) and self.has_view_permission(request, obj)

    def has_copy_permission(self, request: HttpRequest, obj: PluginInstance | None = None) -> bool:
        """Say whether the user may copy an instance with its secrets: who may can use these already."""
        return self.has_add_permission(request) and self.has_change_permission(request, obj)

    # What the page shows

    def get_page(self, request: HttpRequest, obj: PluginInstance | None) -> InstancePage | None:
        """Return what the request is about: a stored row, or a new one of the item that ``add_view`` has found."""
        page: InstancePage | None = getattr(request, "plugin_page", None)
        if obj is not None and (page is None or page.row is not obj):
            page = InstancePage(obj, self.has_change_permission(request, obj), request)
            request.plugin_page = page  # type: ignore[attr-defined]
        return page

    def get_fieldsets(self, request: HttpRequest, obj: PluginInstance | None = None) -> Any:
        """Show the columns, the configuration, and since when a stored row is there."""
        page = self.get_page(request, obj)
        config = ("config" if page is not None and page.is_editable else "stored_config",)
        hidden = ("version",) if page is not None and page.is_allowed else ()
        fieldsets = ((None, {"fields": (*_BASICS, *hidden)}), (_("Configuration"), {"fields": config}))
        return fieldsets if obj is None else (*fieldsets, (_("Dates"), {"fields": _TIMES}))

    def get_form(self, request: HttpRequest, obj: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Return a form class made for this very row; for a test one that is never saved."""
        page = self.get_page(request, obj)
        if page is not None:
            bases = [connection_test.TriedForm] if connection_test.is_test(request) else []
            kwargs["form"] = page.make_form_class(*bases)
        return super().get_form(request, obj, *args, **kwargs)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Say how the instance fares, and since when its secrets are stored; offer a test, a copy."""
        row: PluginInstance | None = kwargs.get("obj")
        page = cast("InstancePage", self.get_page(request, row))
        item = page.row.item
        context |= {"page": page, "item": item, "item_link": Links(self.admin_site, request).show(item, item.label)}
        context["item_module"] = columns.show_path(item.module)
        if has_check(item.plugin_class) and self.has_test_permission(request, row):
            context["test_button"] = connection_test.BUTTON
            context["media"] += Media(js=["django_plugin_system/connection-test.js"])
        if row is not None:
            if row.managed_by and request.method == "GET":
                text = _("The file %(file)s manages this instance: change it there, then run pluginapply.")
                messages.info(request, text % {"file": row.managed_by})
            if item.is_registered and self.has_add_permission(request):
                address = reverse("admin:django_plugin_system_plugininstance_add", current_app=self.admin_site.name)
                context["copy_url"] = f"{address}?item={item.pk}&copy={row.pk}"
            context["secret_notes"] = page.list_secret_notes()
        return super().render_change_form(request, context, *args, **kwargs)

    # The two steps of adding

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Show the page on which the item is chosen, then the form of the chosen item."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        chosen = request.GET.get("item")
        item = find_item(chosen)
        if item is None:
            if chosen:
                messages.error(request, _("This item cannot be configured: it does not exist, or its code is gone."))
            return show_choice(self, request)
        source = find_row(item.instances.select_related("item__plugin_type"), request.GET.get("copy"))
        if source is not None and not self.has_view_permission(request, source):
            source = None
        if source is not None and request.method == "GET":
            text = _("This is a copy of %(name)s. Its secrets were not copied: type them where they are needed.")
            messages.info(request, text % {"name": source.name})
        page = InstancePage(PluginInstance(item=item), is_allowed=True, request=request, source=source)
        request.plugin_page = page  # type: ignore[attr-defined]
        context = {"title": _("Add %(item)s instance") % {"item": item.label}, **(extra_context or {})}
        return super().add_view(request, form_url, context)

    def get_changeform_initial_data(self, request: HttpRequest) -> Any:
        """Start a copy with what its source has."""
        page = self.get_page(request, None)
        source = page.source if page else None
        if source is None:
            return super().get_changeform_initial_data(request)
        copied = {name: getattr(source, name) for name in ("status", "priority", "description")}
        return {"name": f"{source.name}-copy", **copied}

    # Saving and testing

    @method_decorator(sensitive_variables())
    @method_decorator(sensitive_post_parameters())
    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show, save or test one instance; nothing of it reaches an error report."""
        hide_config(request)
        if "_saveasnew" in request.POST:  # Django would add what was posted, whatever ``save_as`` says
            raise PermissionDenied
        show = partial(super().changeform_view, request, object_id, form_url, extra_context)
        if connection_test.is_test(request):
            stored = self.get_object(request, unquote(object_id)) if object_id else None
            return connection_test.answer_test(self, request, stored, show)
        try:
            return show()
        except StaleConfig as stale:
            text = _(
                "%(name)s was changed by someone else meanwhile. Nothing was saved: look at it, then change it again."
            )
            messages.error(request, text % {"name": stale.subject})
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: PluginInstance, form: Any, change: Any) -> None:
        """Save; a stored row only as long as it is what the form was checked against. It is locked from here on.

        What was saved is tested after the commit, if that was asked for.

        :raises StaleConfig: if somebody else changed or deleted it while the form was checked.
        """
        seen = form.initial.get("version")  # the list's forms have none
        with changing(using := router.db_for_write(PluginInstance, instance=obj)):
            if seen and change:
                rows = PluginInstance.objects.using(using).select_for_update(no_key=True)
                stored = rows.filter(pk=obj.pk).first()
                if stored is None or get_version(stored) != seen:
                    raise StaleConfig(str(obj))
            super().save_model(request, obj, form, change)
        if "status" in form.changed_data and obj.status == PluginStatus.DISABLED:
            chains.warn_unserved(request, [obj])
        if request.POST.get("_continue") == connection_test.AND_TEST and self.has_test_permission(request, obj):
            transaction.on_commit(partial(connection_test.test_stored, self, request, obj), using=using)

    def construct_change_message(self, request: HttpRequest, form: Any, *args: Any, **kwargs: Any) -> Any:
        """Name the configuration's fields that changed; never a value."""
        message: Any = super().construct_change_message(request, form, *args, **kwargs)
        submission: Submission | None = form.cleaned_data.get("config")
        titles = submission.changed_fields if submission else ()
        for entry in message:
            names = entry.get("changed", {}).get("fields", [])
            if "Configuration" in names and titles:
                position = names.index("Configuration")
                names[position : position + 1] = [f"Configuration: {title}" for title in titles]
        return message
