"""What the pages of all three models share: links, columns, bulk actions on status and priority."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminTextareaWidget
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_plugin_system.admin.connection_test import has_check
from django_plugin_system.models import PluginInstance, PluginItem, PluginStatus

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from django.contrib.admin import AdminSite
    from django.db.models import Model
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    ModelAdmin = admin.ModelAdmin[Any]
    ModelForm = forms.ModelForm[Any]
else:
    ModelAdmin = admin.ModelAdmin  # not subscriptable at run time
    ModelForm = forms.ModelForm  # not subscriptable at run time


@dataclass(frozen=True)
class Links:
    """Links for the user of ``request`` in the admin ``site``."""

    site: AdminSite
    request: HttpRequest

    def may(self, action: str, model: type[Model]) -> bool:
        """Say whether the site has pages of ``model``, and the user may ``action``: ``view`` or ``add``."""
        found = self.site._registry.get(model)  # noqa: SLF001 - get_model_admin came with Django 5.0
        return found is not None and bool(getattr(found, f"has_{action}_permission")(self.request))

    def show(self, row: Model, text: str = "", query: str = "") -> SafeString | str:
        """Return a link to the page of ``row`` under ``text`` or its name; the text alone if there is no such page."""
        if not self.may("view", type(row)):
            return text or str(row)
        meta = row._meta  # noqa: SLF001 - public in all but name
        name = f"admin:{meta.app_label}_{meta.model_name}_change"
        address = reverse(name, args=[row.pk], current_app=self.site.name)
        address = f"{address}?{query}" if query else address
        return format_html('<a href="{}" title="{}">{}</a>', address, row, text or row)


def show_state(row: PluginInstance) -> SafeString:
    """Return whether ``row`` can be used now, and why not."""
    reason = row.reason_unusable()
    if reason is None:
        return format_html('<span class="dps-state dps-usable">{}</span>', _("Usable"))
    wanted = PluginStatus.DISABLED in (row.status, row.item.status)
    kind, title = ("dps-off", _("Off")) if wanted else ("dps-attention", _("Needs attention"))
    text = reason.localize()
    return format_html('<span class="dps-state {}">{}</span> <span class="dps-reason">{}</span>', kind, title, text)


def show_priority(row: PluginInstance) -> str:
    """Return the tier and priority that count, and where the priority comes from."""
    origin = _("the item's") if row.priority is None else _("its own")
    return f"{show_rank(row)} ({origin})"


def show_time(moment: dt.datetime) -> str:
    """Return a time in the zone and the format of the reader."""
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return date_format(local, "SHORT_DATETIME_FORMAT")


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


def show_rank(row: PluginInstance) -> str:
    """Return the tier and priority that count."""
    return f"{PluginStatus(row.effective_tier).label}, {row.effective_priority}"


class ShortDescription(ModelAdmin):
    """Gives the description a few lines, not a page."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the form field of a column."""
        if db_field.name == "description":
            kwargs["widget"] = AdminTextareaWidget(attrs={"rows": 3})
        return super().formfield_for_dbfield(db_field, request, **kwargs)


def find_positions(type_ids: Iterable[object]) -> dict[object, int]:
    """Return each instance's place, from 1, in the order of selection within its type, by id; one query."""
    ordered = PluginInstance.objects.filter(item__plugin_type__in=set(type_ids)).in_order()
    positions: dict[object, int] = {}
    counts: dict[object, int] = {}
    for pk, type_id in ordered.values_list("pk", "item__plugin_type_id"):
        counts[type_id] = counts.get(type_id, 0) + 1
        positions[pk] = counts[type_id]
    return positions


LOWEST, HIGHEST = -32768, 32767
"""What the priority column holds."""

Rows = QuerySet[PluginItem] | QuerySet[PluginInstance]


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


class StatusAndPriorityActions(ShortDescription):
    """Adds the actions: mark active, reserved or disabled; raise and lower priority."""

    actions: tuple[str, ...] = ("mark_active", "mark_reserved", "mark_disabled", "raise_priority", "lower_priority")

    @admin.action(permissions=["change"], description=gettext_lazy("Mark selected %(verbose_name_plural)s as active"))
    def mark_active(self, request: HttpRequest, queryset: Rows) -> None:
        """Make the rows first choice."""
        self._mark(request, queryset, PluginStatus.ACTIVE)

    @admin.action(permissions=["change"], description=gettext_lazy("Mark selected %(verbose_name_plural)s as reserved"))
    def mark_reserved(self, request: HttpRequest, queryset: Rows) -> None:
        """Use the rows only when no active one can be used."""
        self._mark(request, queryset, PluginStatus.RESERVED)

    @admin.action(permissions=["change"], description=gettext_lazy("Mark selected %(verbose_name_plural)s as disabled"))
    def mark_disabled(self, request: HttpRequest, queryset: Rows) -> None:
        """Take the rows out."""
        self._mark(request, queryset, PluginStatus.DISABLED)

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the form of one row of the list."""
        return super().get_changelist_form(request, **{"form": NamedInputs, **kwargs})

    def _mark(self, request: HttpRequest, queryset: Rows, status: PluginStatus) -> None:
        rows: list[Any] = list(queryset)
        changed = [row for row in rows if row.status != status]
        self._pick(changed).update(status=status)
        for row in changed:
            self.log_change(request, row, [{"changed": {"fields": ["Status"]}}])
        text = ngettext("%(count)d marked as %(status)s.", "%(count)d marked as %(status)s.", len(changed)) % {
            "count": len(changed),
            "status": status.label.lower(),
        }
        if len(changed) < len(rows):
            others = _("The others were so already.")
            text = f"{text} {others}"
        self.message_user(request, text, messages.SUCCESS)

    @admin.action(permissions=["change"], description=gettext_lazy("Raise priority (number minus 1)"))
    def raise_priority(self, request: HttpRequest, queryset: Rows) -> None:
        """Prefer the rows more: lower numbers come first."""
        self._shift(request, queryset, -1)

    @admin.action(permissions=["change"], description=gettext_lazy("Lower priority (number plus 1)"))
    def lower_priority(self, request: HttpRequest, queryset: Rows) -> None:
        """Prefer the rows less."""
        self._shift(request, queryset, 1)

    def _shift(self, request: HttpRequest, queryset: Rows, step: int) -> None:
        rows: list[Any] = list(queryset)
        for row in rows:
            inherited = row.priority if isinstance(row, PluginItem) else row.effective_priority
            row.priority = min(max(inherited + step, LOWEST), HIGHEST)
            row.save(update_fields=["priority"])
            self.log_change(request, row, [{"changed": {"fields": ["Priority"]}}])
        listed = ", ".join(f"{row} {row.priority}" for row in rows[:10])
        text = ngettext(
            "Priority of %(count)d changed: %(rows)s.", "Priorities of %(count)d changed: %(rows)s.", len(rows)
        )
        self.message_user(request, text % {"count": len(rows), "rows": listed}, messages.SUCCESS)

    def _pick(self, rows: list[Any]) -> Rows:
        found: Rows = self.model.objects.filter(pk__in=[row.pk for row in rows])
        return found
