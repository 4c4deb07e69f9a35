"""What the pages of all three models share: links, changes by the right on each row, bounded lists and deletion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME, ActionForm
from django.contrib.admin.models import LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.contrib.admin.widgets import AdminTextareaWidget
from django.db import models, router
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, ngettext

from django_plugin_system.admin.chains import describe_loss, warn_unserved
from django_plugin_system.admin.columns import show_path
from django_plugin_system.changes import changing
from django_plugin_system.models import PluginHealth, PluginInstance, PluginItem, PluginState, PluginStatus, PluginType
from django_plugin_system.querysets import MOST_NAMED

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite
    from django.db.models import Model, QuerySet
    from django.utils.safestring import SafeString

    ModelAdmin = admin.ModelAdmin[Any]
    ModelForm = forms.ModelForm[Any]
    BaseModelFormSet = forms.BaseModelFormSet[Any, Any]
else:
    ModelAdmin = admin.ModelAdmin  # not subscriptable at run time
    ModelForm = forms.ModelForm  # not subscriptable at run time
    BaseModelFormSet = forms.BaseModelFormSet  # not subscriptable at run time

LOWEST, HIGHEST = -32768, 32767
"""What the priority column holds."""

MOST_AT_ONCE = 500
"""Rows that an action takes: each is written, and noted in its history, while the operator waits."""


# What the user may see and change


@dataclass(frozen=True)
class Links:
    """What the user of ``request`` may do on one admin site, and links to what that user may open there."""

    site: AdminSite
    request: HttpRequest

    def may(self, action: str, model: type[Model], row: Model | None = None) -> bool:
        """Say whether the site has pages of ``model``, and the user may ``action`` there, or with that very row."""
        found = self.site._registry.get(model)  # noqa: SLF001 - get_model_admin came with Django 5.0
        return found is not None and bool(getattr(found, f"has_{action}_permission")(self.request, *[row] * bool(row)))

    def find_visible(self, rows: Iterable[Model]) -> list[Model]:
        """Return those of ``rows`` that the user may see."""
        return [row for row in rows if self.may("view", type(row), row)]

    def show(self, row: Model, text: str = "") -> SafeString | str:
        """Return a link to the page of ``row``, by default with its name; the text alone if there is no such page."""
        text = text or str(row)
        if not self.may("view", type(row), row):
            return text
        meta = row._meta
        name = f"admin:{meta.app_label}_{meta.model_name}_change"
        return format_html('<a href="{}">{}</a>', reverse(name, args=[row.pk], current_app=self.site.name), text)


def lock_rows(model: type[Any], ids: Iterable[Any]) -> QuerySet[Any]:
    """Return the rows with these ids as they are now, locked in one order: inside of ``changing()`` only."""
    rows: QuerySet[Any] = model.objects.using(router.db_for_write(model)).filter(pk__in=list(ids))
    named = {PluginInstance: "item__plugin_type", PluginItem: "plugin_type"}[model]
    return rows.select_related(named).order_by("pk").select_for_update(of=("self",), no_key=True)


_TITLES = {"status": gettext_noop("Status"), "priority": gettext_noop("Priority")}
"""As the history stores them."""


def write_column(model_admin: ModelAdmin, request: HttpRequest, row: Any, column: str, value: Any) -> None:
    """Write one column of a row that ``lock_rows`` gave, and note it in the row's history."""
    setattr(row, column, value)
    row.save(update_fields={column, "updated_at"} & {field.name for field in row._meta.concrete_fields})
    model_admin.log_change(request, row, [{"changed": {"fields": [_TITLES[column]]}}])


# Lists


def list_items(request: HttpRequest) -> list[PluginItem]:
    """Return all items with their types, which code bounds; they are read once for a page."""
    items: list[PluginItem] | None = getattr(request, "plugin_items", None)
    if items is None:
        rows = PluginItem.objects.select_related("plugin_type")
        items = list(rows.order_by("plugin_type__name", "plugin_type__manager", "name", "module"))
        request.plugin_items = items  # type: ignore[attr-defined]
    return items


MOST_OFFERED = 50
"""Items that a filter offers before a type is chosen."""


class CodeFilter(admin.RelatedFieldListFilter):
    """A filter by type or item. Many items are offered once their type is chosen."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        """Return ids and titles, as short as they can be told apart."""
        items = list_items(request)
        if field.related_model is PluginType:
            return _title({item.plugin_type: item.plugin_type.name for item in items})
        chosen = {*request.GET.getlist("item__plugin_type__id__exact"), *request.GET.getlist(self.lookup_kwarg)}
        if len(items) > MOST_OFFERED:
            items = [item for item in items if not chosen.isdisjoint({str(item.pk), str(item.plugin_type_id)})]
        return _title({item: f"{item.plugin_type.name}: {item.name}" for item in items})

    def has_output(self) -> bool:
        """Say whether there is something to choose; what the address chooses counts in any case."""
        return super().has_output() or self.lookup_val is not None


def _title(rows: dict[Any, str]) -> list[tuple[Any, str]]:
    """Return ids and short titles; the long one where several have the same."""
    counts = Counter(rows.values())
    return [(row.pk, title if counts[title] == 1 else str(row)) for row, title in rows.items()]


class PathFilter(admin.AllValuesFieldListFilter):
    """A filter by dotted names, which are not broken within a word."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Return what to choose."""
        for choice in super().choices(changelist):
            yield {**choice, "display": show_path(str(choice["display"]))}


_INPUTS = ("status", "priority")


class ListedForm(ModelForm):
    """The inputs of one row of a list: for who may change that very row, and compared with what the page showed."""

    may_change: ClassVar[Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Name each input by its column and the row, as it has no label; show the priority that an empty one inherits.

        The page posts beside each input what it showed, so that an input that nobody touched changes nothing.
        """
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:
            return
        is_fixed = not self.may_change(self.instance)
        for name in filter(self.fields.__contains__, _INPUTS):
            field: Any = self.fields[name]
            field.disabled = is_fixed
            field.show_hidden_initial = not self.is_bound or self.add_initial_prefix(name) in self.data
            field.widget.attrs["aria-label"] = f"{field.label}: {self.instance}"
        if isinstance(self.instance, PluginInstance) and "priority" in self.fields:
            self.fields["priority"].widget.attrs["placeholder"] = self.instance.item.priority

    def clean(self) -> dict[str, Any]:
        """Leave alone what was not edited, whatever it is by now; never write over what the user has not seen."""
        if self.instance._state.adding:  # somebody deleted the row, which Django says of its id
            return self.cleaned_data
        for name in filter(self.fields.__contains__, _INPUTS):  # Django 6.1 takes out what may not be changed
            field, now = cast("Any", self.fields[name]), self.initial[name]
            if name not in self.changed_data:
                self.cleaned_data[name] = now
            elif field.show_hidden_initial and field.has_changed(now, self.data[self.add_initial_prefix(name)]):
                shown = dict(getattr(field, "choices", ())).get(now, now)
                text = _("Someone else changed this meanwhile. It is now: %(now)s. Open the list again to change that.")
                self.add_error(name, text % {"now": _("empty") if shown is None else shown})
        return self.cleaned_data


class LockingFormSet(BaseModelFormSet):
    """The rows of a posted list as they are now: nobody else changes them until they are saved."""

    def get_queryset(self) -> Any:
        """Return the rows, locked if something was posted."""
        rows: Any = super().get_queryset()
        if not self.is_bound or rows.query.select_for_update:
            return rows
        rows = rows.using(router.db_for_write(rows.model)).order_by("pk")
        self._queryset = rows.select_for_update(of=("self",), no_key=True)
        return self._queryset


class VisibleRows(ChangeList):
    """A list that leaves out the rows of the page that a project's own rule hides from the user."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the rows of the page; read them again if some of them are hidden."""
        super().get_results(request)
        rows = list(self.result_list)
        visible = [row.pk for row in rows if self.model_admin.has_view_or_change_permission(request, row)]
        if len(visible) < len(rows):
            self.result_list = self.get_queryset(request).filter(pk__in=visible)


def _drop(texts: list[Any], beginning: str) -> list[Any]:
    """Return nested lists of texts without those that begin so, and without lists that are empty then."""
    found = [_drop(text, beginning) if isinstance(text, list) else text for text in texts]
    return [text for text in found if text and not str(text).startswith(beginning)]


class AskingForm(ActionForm):
    """Says that the action was chosen on a page, which asks before it does harm; a script posts what it means."""

    ask = forms.CharField(widget=forms.HiddenInput, required=False, initial="1", label="")


class PluginAdmin(ModelAdmin):
    """Bounds what one request may do, however many rows there are; gives the description a few lines, not a page."""

    action_form = AskingForm
    # Each facet would count the whole table; before Django 5.0 there are none.
    show_facets: ClassVar[Any] = getattr(getattr(admin, "ShowFacets", None), "NEVER", None)

    class Media:
        css = {"all": ["django_plugin_system/admin.css"]}  # noqa: RUF012 - Django's way to declare media

    formfield_overrides: ClassVar[Any] = {models.TextField: {"widget": AdminTextareaWidget(attrs={"rows": 3})}}

    def get_changelist_formset(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the forms of a list's rows."""
        own = type(
            "ListedForm", (ListedForm,), {"may_change": staticmethod(partial(self.has_change_permission, request))}
        )
        form = self.get_changelist_form(request, form=own)
        return forms.modelformset_factory(
            self.model, form, formset=LockingFormSet, extra=0, fields=self.list_editable, **kwargs
        )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list; save what was edited in it in one transaction, with the rows locked from the first look on."""
        if "_save" not in request.POST or not self.has_change_permission(request):
            return super().changelist_view(request, extra_context)
        with changing(router.db_for_write(self.model)):
            return super().changelist_view(request, extra_context)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show what was done with a row, the last first."""
        kind = get_content_type_for_model(self.model)
        entries = LogEntry.objects.filter(object_id=unquote(object_id), content_type=kind)
        entries = entries.select_related("user", "content_type")
        paginator = self.get_paginator(request, entries.order_by("-action_time", "-pk"), self.list_per_page)
        page = paginator.get_page(request.GET.get(PAGE_VAR, 1))
        newest = {"action_list": page, "page_range": paginator.get_elided_page_range(page.number)}
        return super().history_view(request, object_id, {**newest, **(extra_context or {})})

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Leave out what operators do not know of: how instances fare, and what providers handed out to them."""
        deleted, counts, *others = super().get_deleted_objects(objs, request)
        for model in (PluginHealth, PluginState):
            counts.pop(str(model._meta.verbose_name_plural), None)
            deleted = _drop(deleted, f"{capfirst(model._meta.verbose_name)}: ")
        return (deleted, counts, *others)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Refuse to do for a whole list what would take minutes, and a page as long as the list to confirm it."""
        is_whole = request.POST.get("select_across") == "1"
        if is_whole and queryset.order_by()[: MOST_AT_ONCE + 1].count() > MOST_AT_ONCE:
            text = _("Nothing was done: at most %(count)d rows can be selected for an action. Filter the list first.")
            self.message_user(request, text % {"count": MOST_AT_ONCE}, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, queryset, *args, **kwargs)


# Status and priority

Change = Callable[[Any], Any]
"""Returns, for a row, what a column becomes."""


def change_rows(
    model_admin: ModelAdmin, request: HttpRequest, queryset: QuerySet[Any], column: str, find: Change
) -> None:
    """Write what ``find`` returns for each row that the user may change, all or nothing, and say what was done."""
    changed, refused = [], []
    with changing(router.db_for_write(queryset.model)):
        for row in lock_rows(queryset.model, queryset.values_list("pk", flat=True)):
            value = find(row)
            if not model_admin.has_change_permission(request, row):
                refused.append(str(row))
            elif value != getattr(row, column):
                write_column(model_admin, request, row, column, value)
                changed.append(f"{row}: {value.label if isinstance(value, PluginStatus) else value}")
    if refused:
        text = _("You may not change: %(rows)s.") % {"rows": ", ".join(refused[:10])}
        model_admin.message_user(request, text, messages.ERROR)
    text = ngettext("%(count)d changed. %(rows)s", "%(count)d changed. %(rows)s", len(changed))
    level = messages.SUCCESS if changed else messages.INFO
    model_admin.message_user(request, text % {"count": len(changed), "rows": ", ".join(changed[:10])}, level)


def _make_action(name: str, title: Any, column: str, find: Change) -> Any:
    @admin.action(permissions=["change"], description=title)
    def action(model_admin: ModelAdmin, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        change_rows(model_admin, request, queryset, column, find)

    action.__name__ = name
    return action


def _mark(status: PluginStatus) -> Change:
    return lambda _row: status


def _shift(step: int) -> Change:
    """Return the priority that counts, moved by ``step``, within what the column holds."""
    return lambda row: min(max(getattr(row, "effective_priority", row.priority) + step, LOWEST), HIGHEST)


def find_serving(rows: QuerySet[Any]) -> list[PluginInstance]:
    """Return the instances that ``rows`` are, or that hang on the items that they are, as far as they are on."""
    found = rows if rows.model is PluginInstance else PluginInstance.objects.filter(item__in=rows.values("pk"))
    return list(found.exclude(status=PluginStatus.DISABLED)[:MOST_AT_ONCE])


@admin.action(permissions=["change"], description=gettext_lazy("Mark selected %(verbose_name_plural)s as disabled"))
def mark_disabled(model_admin: ModelAdmin, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
    """Disable rows; ask first if somebody else, or nobody, serves a name then."""
    serving = find_serving(queryset)
    losses = describe_loss(serving) if request.POST.get("ask") else []
    if not losses:
        change_rows(model_admin, request, queryset, "status", _mark(PluginStatus.DISABLED))
        warn_unserved(request, serving)
        return None
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Are you sure?"),
        "opts": model_admin.opts,
        "media": model_admin.media,
        "losses": losses[:MOST_NAMED],
        "more": max(len(losses) - MOST_NAMED, 0),
        "rows": list(queryset[:MOST_NAMED]),
        "total": queryset.count(),
        "posted": [(name, value) for name in _POSTED for value in request.POST.getlist(name)],
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/django_plugin_system/confirm_disabling.html", context)


_POSTED = ("action", "index", "select_across", ACTION_CHECKBOX_NAME)
_ACTIVE = gettext_lazy("Mark selected %(verbose_name_plural)s as active")
_RESERVED = gettext_lazy("Mark selected %(verbose_name_plural)s as reserved")
STATUS_AND_PRIORITY = (
    _make_action("mark_active", _ACTIVE, "status", _mark(PluginStatus.ACTIVE)),
    _make_action("mark_reserved", _RESERVED, "status", _mark(PluginStatus.RESERVED)),
    mark_disabled,
    _make_action("raise_priority", gettext_lazy("Raise priority (number minus 1)"), "priority", _shift(-1)),
    _make_action("lower_priority", gettext_lazy("Lower priority (number plus 1)"), "priority", _shift(1)),
)
"""The bulk actions of items and instances."""
