"""What the pages of all three models share: links, columns, bulk actions on status and priority, bounded deletion."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import AdminTextareaWidget
from django.db import models, router
from django.db.models import Func, IntegerField, OuterRef, QuerySet, Subquery, Value
from django.http import HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_plugin_system.changes import changing
from django_plugin_system.models import PluginInstance, PluginItem, PluginStatus
from django_plugin_system.querysets import UNTOUCHED
from django_plugin_system.selection.trial import has_check

if TYPE_CHECKING:
    import datetime as dt

    from django.contrib.admin import AdminSite
    from django.db.models import Model
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

    ModelAdmin = admin.ModelAdmin[Any]
    ModelForm = forms.ModelForm[Any]
else:
    ModelAdmin = admin.ModelAdmin  # not subscriptable at run time
    ModelForm = forms.ModelForm  # not subscriptable at run time

LOWEST, HIGHEST = -32768, 32767
"""What the priority column holds."""

MOST_AT_ONCE = 500
"""Rows that an action takes: each is written, and noted in its history, while the operator waits."""

Rows = QuerySet[PluginItem] | QuerySet[PluginInstance]


# Links and columns


@dataclass(frozen=True)
class Links:
    """Links within one admin site, for the user of ``request``: only to what that user may open there."""

    site: AdminSite
    request: HttpRequest

    def may(self, action: str, model: type[Model]) -> bool:
        """Say whether the site has pages of ``model``, and the user may ``action``: ``view`` or ``add``."""
        found = self.site._registry.get(model)  # noqa: SLF001 - get_model_admin came with Django 5.0
        return found is not None and bool(getattr(found, f"has_{action}_permission")(self.request))

    def show(self, row: Model) -> SafeString | str:
        """Return a link to the page of ``row``; its name alone if there is no such page."""
        if not self.may("view", type(row)):
            return str(row)
        meta = row._meta  # noqa: SLF001 - public in all but name
        name = f"admin:{meta.app_label}_{meta.model_name}_change"
        return format_html('<a href="{}">{}</a>', reverse(name, args=[row.pk], current_app=self.site.name), row)


def show_state(row: PluginInstance) -> SafeString:
    """Return whether ``row`` can be used now, and why not."""
    reason = row.reason_unusable()
    if reason is None:
        return format_html('<span class="dps-state dps-usable">{}</span>', _("Usable"))
    wanted = PluginStatus.DISABLED in (row.status, row.item.status)
    kind, title = ("dps-off", _("Off")) if wanted else ("dps-attention", _("Needs attention"))
    text = reason.localize()
    return format_html('<span class="dps-state {}">{}</span> <span class="dps-reason">{}</span>', kind, title, text)


def show_rank(row: PluginInstance) -> str:
    """Return the tier and priority that count."""
    return f"{PluginStatus(row.effective_tier).label}, {row.effective_priority}"


def show_priority(row: PluginInstance) -> str:
    """Return the tier and priority that count, and where the priority comes from."""
    origin = _("the item's") if row.priority is None else _("its own")
    return f"{show_rank(row)} ({origin})"


def show_time(moment: dt.datetime) -> str:
    """Return a time in the zone and the format of the reader."""
    if timezone.is_aware(moment):
        with suppress(OverflowError):  # the first and the last day of the calendar
            moment = timezone.localtime(moment)
    return date_format(moment, "SHORT_DATETIME_FORMAT")


def show_last_error(row: PluginInstance, length: int = 80) -> SafeString | str:
    """Return the error of the last failover, cut to ``length`` characters; whole where the pointer rests on it."""
    if not row.last_error:
        return ""
    text = _("Last error: %(error)s") % {"error": Truncator(row.last_error).chars(length)}
    return format_html('<div class="dps-reason" title="{}">{}</div>', row.last_error, text)


def show_last_test(row: PluginInstance) -> SafeString | str:
    """Return what came of the last test, and when; the error stands where the pointer rests on it."""
    if row.last_tested_at is None:
        return _("Not tested") if has_check(row.item.plugin_class) else ""
    kind, title = ("dps-attention", _("Failed")) if row.last_test_error else ("dps-usable", _("Passed"))
    return format_html(
        '<span class="dps-state {}" title="{}">{}</span> <span class="dps-quiet">{}</span>',
        kind,
        row.last_test_error,
        title,
        show_time(row.last_tested_at),
    )


# What the three models have in common


class PluginAdmin(ModelAdmin):
    """Bounds what one request may do, however many rows there are; gives the description a few lines, not a page."""

    show_facets: ClassVar[Any] = getattr(
        getattr(admin, "ShowFacets", None), "NEVER", None
    )  # each would count the whole table

    class Media:
        css = {"all": ["django_plugin_system/admin.css"]}  # noqa: RUF012 - Django's way to declare media

    formfield_overrides: ClassVar[Any] = {models.TextField: {"widget": AdminTextareaWidget(attrs={"rows": 3})}}

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


def find_instances(**conditions: Any) -> QuerySet[PluginInstance]:
    """Return the instances of the items that meet ``conditions``."""
    return PluginInstance.objects.filter(item__in=PluginItem.objects.filter(**conditions).values("pk"))


def count_instances(item_path: str) -> Subquery:
    """Return an annotation: how many instances hang on a row, which an item has at ``item_path``; by index alone."""
    total = Func(Value(1), function="COUNT", output_field=IntegerField())
    return Subquery(find_instances(**{item_path: OuterRef(OuterRef("pk"))}).values(total=total))


class CountingChangeList(ChangeList):
    """A list of what code declares, with the number of instances that hang on each row."""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        """Count in the same query."""
        item_path = cast("FromCode", self.model_admin).item_path
        self.root_queryset = self.root_queryset.annotate(instance_count=count_instances(item_path))
        return super().get_queryset(request, *args, **kwargs)


class FromCode(PluginAdmin):
    """Rows that code declares: none can be added, and none is deleted while an operator's instances hang on it."""

    item_path: str
    """How an item names the row that it is, or belongs to."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: code declares what there is."""
        del request
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the class of the list."""
        del request, kwargs
        return CountingChangeList

    @admin.display(description=gettext_lazy("instances"), ordering="instance_count")
    def instance_count(self, row: Any) -> int:
        """Return the number of instances."""
        return int(row.instance_count)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Say how many instances stand in the way, beside the first of them, which ``protect_configured`` names."""
        deleted, counts, missing, protected = super().get_deleted_objects(objs, request)
        if protected:
            instances = find_instances(**{f"{self.item_path}__in": [row.pk for row in objs]})
            total = instances.count() - instances.filter(UNTOUCHED).count()
            text = ngettext("%(count)d instance in all", "%(count)d instances in all", total)
            protected.append(text % {"count": total})
        return deleted, counts, missing, protected


# Status and priority


class NamedInputs(ModelForm):
    """The inputs of one row of a list. They have no label there, so they say themselves what they are."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Name each input by its column and the row; show the priority that an empty one inherits."""
        super().__init__(*args, **kwargs)
        for name in ("status", "priority"):
            field = self.fields[name]
            field.widget.attrs["aria-label"] = f"{field.label}: {self.instance}"
        if (
            isinstance(self.instance, PluginInstance) and self.instance.item_id is not None
        ):  # a formset also makes an empty form
            self.fields["priority"].widget.attrs["placeholder"] = self.instance.item.priority


def _mark(model_admin: ModelAdmin, request: HttpRequest, queryset: Rows, status: PluginStatus) -> None:
    rows: list[Any] = list(queryset)
    changed = [row for row in rows if row.status != status]
    with changing(router.db_for_write(queryset.model)):
        queryset.model.objects.filter(pk__in=[row.pk for row in changed]).update(status=status)
        for row in changed:
            model_admin.log_change(request, row, [{"changed": {"fields": ["Status"]}}])
    text = ngettext("%(count)d marked as %(status)s.", "%(count)d marked as %(status)s.", len(changed)) % {
        "count": len(changed),
        "status": status.label.lower(),
    }
    if len(changed) < len(rows):
        others = _("The others were so already.")
        text = f"{text} {others}"
    model_admin.message_user(request, text, messages.SUCCESS)


@admin.action(permissions=["change"], description=gettext_lazy("Mark selected %(verbose_name_plural)s as active"))
def mark_active(model_admin: ModelAdmin, request: HttpRequest, queryset: Rows) -> None:
    """Make the rows first choice."""
    _mark(model_admin, request, queryset, PluginStatus.ACTIVE)


@admin.action(permissions=["change"], description=gettext_lazy("Mark selected %(verbose_name_plural)s as reserved"))
def mark_reserved(model_admin: ModelAdmin, request: HttpRequest, queryset: Rows) -> None:
    """Use the rows only when no active one can be used."""
    _mark(model_admin, request, queryset, PluginStatus.RESERVED)


@admin.action(permissions=["change"], description=gettext_lazy("Mark selected %(verbose_name_plural)s as disabled"))
def mark_disabled(model_admin: ModelAdmin, request: HttpRequest, queryset: Rows) -> None:
    """Take the rows out."""
    _mark(model_admin, request, queryset, PluginStatus.DISABLED)


def _shift(model_admin: ModelAdmin, request: HttpRequest, queryset: Rows, step: int) -> None:
    with changing(router.db_for_write(queryset.model)):
        # locked, so that of two shifts at once none is lost
        rows: list[Any] = list(queryset.order_by("pk").select_for_update(of=("self",), no_key=True))
        for row in rows:
            inherited = row.priority if isinstance(row, PluginItem) else row.effective_priority
            row.priority = min(max(inherited + step, LOWEST), HIGHEST)
            row.save(update_fields=["priority"])
            model_admin.log_change(request, row, [{"changed": {"fields": ["Priority"]}}])
    listed = ", ".join(f"{row} {row.priority}" for row in islice(rows, 10))
    text = ngettext("Priority of %(count)d changed: %(rows)s.", "Priorities of %(count)d changed: %(rows)s.", len(rows))
    model_admin.message_user(request, text % {"count": len(rows), "rows": listed}, messages.SUCCESS)


@admin.action(permissions=["change"], description=gettext_lazy("Raise priority (number minus 1)"))
def raise_priority(model_admin: ModelAdmin, request: HttpRequest, queryset: Rows) -> None:
    """Prefer the rows more: lower numbers come first."""
    _shift(model_admin, request, queryset, -1)


@admin.action(permissions=["change"], description=gettext_lazy("Lower priority (number plus 1)"))
def lower_priority(model_admin: ModelAdmin, request: HttpRequest, queryset: Rows) -> None:
    """Prefer the rows less."""
    _shift(model_admin, request, queryset, 1)


STATUS_AND_PRIORITY = (mark_active, mark_reserved, mark_disabled, raise_priority, lower_priority)
"""The bulk actions of items and instances. Each says what it did."""
