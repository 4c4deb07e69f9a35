"""Changing the status and priority of a type's instances, all of them or none, right where their order is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib.admin.utils import construct_change_message
from django.core.exceptions import PermissionDenied
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import router
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_plugin_system.admin.actions import HIGHEST, LOWEST
from django_plugin_system.changes import changing
from django_plugin_system.models import PluginInstance, PluginStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest, QueryDict

    from django_plugin_system.models import PluginType

    ModelForm = forms.ModelForm[PluginInstance]
else:
    ModelForm = forms.ModelForm  # not subscriptable at run time

_WRITTEN = ("status", "priority", "unavailable_until", "updated_at")


def get_mark(row: PluginInstance) -> str:
    """Return what the form of ``row`` was made from: its status and its own priority."""
    return f"{row.status} {'' if row.priority is None else row.priority}"


class OrderForm(ModelForm):
    """Status and priority of one instance, and the end of its cooling down."""

    wake = forms.BooleanField(required=False, label=gettext_lazy("Use again now"))

    class Meta:
        model = PluginInstance
        fields = ("status", "priority")

    def __init__(self, row: PluginInstance, data: QueryDict | None = None) -> None:
        """Show ``row``, or read what was posted for it."""
        super().__init__(data, instance=row, prefix=str(row.pk))
        self.mark = get_mark(row)
        self.fields["priority"].validators += [MinValueValidator(LOWEST), MaxValueValidator(HIGHEST)]
        self.fields["priority"].widget.attrs |= {"placeholder": row.item.priority, "class": "dps-priority"}
        for name in self.fields:
            label = self.fields[name].label
            self.fields[name].widget.attrs["aria-label"] = f"{label}: {row}"
        self.stale = data is not None and data.get(self.add_prefix("mark")) != self.mark
        priority = _("the item's priority") if row.priority is None else row.priority
        self._now = f"{PluginStatus(row.status).label}, {priority}"

    def clean(self) -> dict[str, Any]:
        """Refuse to write over a change that the operator has not seen."""
        if self.stale:
            text = _("Someone else changed this instance meanwhile. It is now: %(now)s. Save again to overwrite that.")
            raise forms.ValidationError(text % {"now": self._now}, code="stale")
        return self.cleaned_data


@dataclass
class Outcome:
    """What became of a posted table: the forms to show again if there were errors, else the rows that were changed."""

    refused: dict[Any, OrderForm] = field(default_factory=dict)
    changed: list[PluginInstance] = field(default_factory=list)
    lost: bool = False
    """Whether a row that was edited is not there any more."""


def save_order(request: HttpRequest, admin: ModelAdmin[Any], plugin_type: PluginType) -> Outcome:
    """Write the posted changes with an entry in each row's history, in one transaction; or nothing if one is refused.

    :raises PermissionDenied: if the user may not change one of the instances.
    """
    edited = list(_iter_edited(request.POST))
    outcome = Outcome()
    if not edited:
        return outcome
    using = router.db_for_write(PluginInstance)
    with changing(using):  # from here on, nobody else writes
        rows = PluginInstance.objects.using(using).filter(item__plugin_type=plugin_type, pk__in=edited)
        made = [OrderForm(row, request.POST) for row in rows.select_related("item__plugin_type")]
        allowed = all(admin.has_change_permission(request, form.instance) for form in made)
        outcome.lost = len(made) < len(edited)
        valid = [form for form in made if form.is_valid()]
        if not allowed or outcome.lost or len(valid) < len(made):
            outcome.refused = {form.instance.pk: form for form in made}
        else:
            outcome.changed = [_write(request, admin, form) for form in valid]
    if not allowed:  # raised out here, so that an outer transaction stays usable
        raise PermissionDenied
    return outcome


def _write(request: HttpRequest, admin: ModelAdmin[Any], form: OrderForm) -> PluginInstance:
    if form.cleaned_data["wake"]:
        form.instance.unavailable_until = None
    form.instance.save(update_fields=_WRITTEN)
    described: Any = form
    admin.log_change(request, form.instance, construct_change_message(described, [], add=False))
    return form.instance


def _iter_edited(data: QueryDict) -> Iterable[UUID]:
    """Yield the id of each row for which anything but what was shown is posted."""
    for key in data:
        identifier, _dash, name = key.rpartition("-")
        if name != "mark":
            continue
        posted = f"{data.get(f'{identifier}-status', '')} {data.get(f'{identifier}-priority', '').strip()}"
        if posted != data[key] or data.get(f"{identifier}-wake"):
            try:
                yield UUID(identifier)
            except ValueError:
                continue
