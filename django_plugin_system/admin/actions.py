"""Bulk actions on status and priority, for items and instances alike. Each says what it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_plugin_system.admin.columns import ShortDescription
from django_plugin_system.models import PluginInstance, PluginItem, PluginStatus

if TYPE_CHECKING:
    from django.http import HttpRequest

    ModelForm = forms.ModelForm[Any]
else:
    ModelForm = forms.ModelForm  # not subscriptable at run time

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

    @admin.action(permissions=["change"], description=_("Mark selected %(verbose_name_plural)s as active"))
    def mark_active(self, request: HttpRequest, queryset: Rows) -> None:
        """Make the rows first choice."""
        self._mark(request, queryset, PluginStatus.ACTIVE)

    @admin.action(permissions=["change"], description=_("Mark selected %(verbose_name_plural)s as reserved"))
    def mark_reserved(self, request: HttpRequest, queryset: Rows) -> None:
        """Use the rows only when no active one can be used."""
        self._mark(request, queryset, PluginStatus.RESERVED)

    @admin.action(permissions=["change"], description=_("Mark selected %(verbose_name_plural)s as disabled"))
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

    @admin.action(permissions=["change"], description=_("Raise priority (number minus 1)"))
    def raise_priority(self, request: HttpRequest, queryset: Rows) -> None:
        """Prefer the rows more: lower numbers come first."""
        self._shift(request, queryset, -1)

    @admin.action(permissions=["change"], description=_("Lower priority (number plus 1)"))
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
