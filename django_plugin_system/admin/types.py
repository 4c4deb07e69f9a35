"""The admin of plugin types: what code declared, and the order in which selection takes a type's instances."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import construct_change_message, unquote
from django.core.exceptions import PermissionDenied
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import router
from django.db.models import Count, Q
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_plugin_system.admin.shared import HIGHEST, LOWEST, FromCode, show_rank
from django_plugin_system.changes import changing
from django_plugin_system.models import PluginInstance, PluginStatus, PluginType
from django_plugin_system.registry import registry
from django_plugin_system.rows.reasons import Reason, is_cooling_down
from django_plugin_system.selection.candidates import LEFT, make_request
from django_plugin_system.selection.choosing import Selection, explain, find_build_failure
from django_plugin_system.selection.health import end_cooldown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.contrib.admin import ModelAdmin
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse, QueryDict
    from django.urls import URLPattern

    ModelForm = forms.ModelForm[PluginInstance]
else:
    ModelForm = forms.ModelForm  # not subscriptable at run time


_WRITTEN = ("status", "priority", "updated_at")


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
class SavedOrder:
    """What became of a posted table: the forms to show again if there were errors, else the rows that were changed."""

    refused: dict[Any, OrderForm] = field(default_factory=dict)
    changed: list[PluginInstance] = field(default_factory=list)
    lost: bool = False
    """Whether a row that was edited is not there any more."""


def save_order(request: HttpRequest, admin: ModelAdmin[Any], plugin_type: PluginType) -> SavedOrder:
    """Write the posted changes with an entry in each row's history, in one transaction; or nothing if one is refused.

    :raises PermissionDenied: if the user may not change one of the instances.
    """
    edited = list(_iter_edited(request.POST))
    outcome = SavedOrder()
    if not edited:
        return outcome
    using = router.db_for_write(PluginInstance)
    with changing(using):
        rows = PluginInstance.objects.using(using).filter(item__plugin_type=plugin_type, pk__in=edited)
        locked = rows.order_by("pk").select_for_update(of=("self",), no_key=True)
        made = [OrderForm(row, request.POST) for row in locked.select_related("item__plugin_type")]
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
        end_cooldown(form.instance)
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


ROWS_SHOWN = 100
"""Instances of which the page says what selection does with them; the list has all."""

NAMES_OFFERED = 200


@dataclass(frozen=True)
class Line:
    """One candidate."""

    number: int
    instance: PluginInstance
    rank: str
    state: str
    kind: str
    """``used``, ``later`` or ``skipped``."""

    is_cooling_down: bool
    form: OrderForm | None


@dataclass(frozen=True)
class OrderTable:
    """What selection does now with the first candidates of a type, for any name or for the one that is asked for."""

    lines: list[Line]
    has_more: bool
    """Whether there are more candidates."""

    wanted: str
    names: list[str]
    nothing: str
    """Why there is no line at all; empty if there is one."""

    editable: bool


def make_table(
    plugin_type: PluginType, query: QueryDict, *, editable: bool, forms: Mapping[Any, OrderForm] | None = None
) -> OrderTable:
    """Return the table for the ``name`` in ``query``, or for any; ``forms`` are shown again with their errors."""
    wanted = query.get("name", "").replace("\0", "")  # which PostgreSQL refuses to look for
    if not plugin_type.is_registered:
        text = _("The code that declares this type is gone, so nothing is selected.")
        return OrderTable([], has_more=False, wanted=wanted, names=[], nothing=text, editable=editable)
    rows = find_first_rows(plugin_type, wanted, ROWS_SHOWN + 1)
    found = explain(make_request(*plugin_type.key, wanted or None, None), rows[:ROWS_SHOWN])
    lines = _make_lines(found, wanted, editable=editable, forms=forms or {})
    if wanted:
        nothing = _("There is no instance named “%(name)s”.") % {"name": wanted}
    else:
        nothing = _("There are no instances yet.")
    return OrderTable(
        lines,
        has_more=len(rows) > ROWS_SHOWN,
        wanted=wanted,
        names=_find_names(plugin_type),
        nothing="" if lines else nothing,
        editable=editable,
    )


def _find_names(plugin_type: PluginType) -> list[str]:
    """Return the first names of a type's instances: an index has those of each item in order."""
    names: set[str] = set()
    for item in plugin_type.pluginitem_set.all():
        names.update(item.instances.order_by("name").values_list("name", flat=True)[:NAMES_OFFERED])
    return sorted(names)[:NAMES_OFFERED]


def find_first_rows(plugin_type: PluginType, name: str, count: int) -> list[PluginInstance]:
    """Return the first ``count`` instances of a type in the order of selection, however many there are.

    Within one item and status, an index has the rows that have a priority of their own in order, and so it has those
    that inherit the item's. The first rows of a tier are among the first of these groups.
    """
    rows = PluginInstance.objects.select_related("item__plugin_type", "health").annotate(left=LEFT)
    if name:
        return list(rows.filter(item__plugin_type=plugin_type).named(name).in_order()[:count])
    items, found = list(plugin_type.pluginitem_set.all()), list[PluginInstance]()
    for tier in PluginStatus:
        ids: list[Any] = []
        for item, status, inherits in product(items, PluginStatus, (False, True)):
            if tier == max(PluginStatus(item.status), status, key=PluginStatus.values.index):
                group = PluginInstance.objects.filter(item=item, status=status, priority__isnull=inherits)
                ids += group.order_by("priority", "name").values_list("pk", flat=True)[:count]
        found += rows.filter(pk__in=ids).in_order()[: count - len(found)]
        if len(found) == count:
            break
    return found


def _make_lines(found: Selection, wanted: str, *, editable: bool, forms: Mapping[Any, OrderForm]) -> list[Line]:
    served = {} if wanted else _find_served(found)
    lines = []
    for number, candidate in enumerate(found.candidates, start=1):
        row = candidate.instance
        reason = candidate.reason
        kind, state = "skipped", reason.localize() if isinstance(reason, Reason) else reason or ""
        if row == found.chosen:
            kind, state = "used", _("Used")
        elif candidate.usable and served.get(row.name) == row.pk:
            kind, state = "used", _("Used for “%(name)s”") % {"name": row.name}
        elif candidate.usable:
            kind, state = "later", _("Usable, comes later")
        form = (forms.get(row.pk) or OrderForm(row)) if editable else None
        lines.append(Line(number, row, show_rank(row), state, kind, is_cooling_down(row), form))
    return lines


def _find_served(found: Selection) -> dict[str, Any]:
    """Return the id of the first instance of each name that can be built; none where the type itself chooses."""
    served: dict[str, Any] = {}
    for candidate in found.candidates:
        row = candidate.instance
        if registry.get_type(*row.item.plugin_type.key).get_plugin is not None:
            return {}
        if candidate.usable and row.name not in served and find_build_failure(row) is None:
            served[row.name] = row.pk
    return served


def _count_items(status: PluginStatus) -> Count:
    return Count("pluginitem", filter=Q(pluginitem__status=status))


@admin.register(PluginType)
class PluginTypeAdmin(FromCode):
    """Types come from code: they can be looked at and described, not added."""

    item_path = "plugin_type"
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

    def get_queryset(self, request: HttpRequest) -> QuerySet[PluginType]:
        """Count in the same query."""
        counts = {
            "active_items": _count_items(PluginStatus.ACTIVE),
            "reserved_items": _count_items(PluginStatus.RESERVED),
            "disabled_items": _count_items(PluginStatus.DISABLED),
        }
        rows: QuerySet[PluginType] = super().get_queryset(request).annotate(**counts)
        return rows

    @admin.display(description=gettext_lazy("active"), ordering="active_items")
    def active_items(self, row: Any) -> int:
        """Return the number of active items."""
        return int(row.active_items)

    @admin.display(description=gettext_lazy("reserved"), ordering="reserved_items")
    def reserved_items(self, row: Any) -> int:
        """Return the number of reserved items."""
        return int(row.reserved_items)

    @admin.display(description=gettext_lazy("disabled"), ordering="disabled_items")
    def disabled_items(self, row: Any) -> int:
        """Return the number of disabled items."""
        return int(row.disabled_items)

    @admin.display(description=gettext_lazy("in code"), boolean=True)
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
            messages.error(request, _("An instance that you edited is not there any more. Nothing was saved."))
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
            "order_all": f"?item__plugin_type__id__exact={row.pk}",
            "order_failed": bool(refused),
        }

    def _say_what_changed(self, request: HttpRequest, outcome: SavedOrder) -> None:
        count = len(outcome.changed)
        if not count:
            self.message_user(request, _("Nothing was changed."), messages.INFO)
            return
        listed = ", ".join(map(str, outcome.changed[:10]))
        text = ngettext("%(count)d instance changed: %(rows)s.", "%(count)d instances changed: %(rows)s.", count)
        self.message_user(request, text % {"count": count, "rows": listed}, messages.SUCCESS)

    def _show_refused(self, request: HttpRequest, row: PluginType, outcome: SavedOrder) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            **self._get_order_context(request, row, outcome.refused),
            "opts": self.opts,
            "media": self.media,
            "original": row,
            "has_view_permission": True,
            "title": _("Order of selection: %(type)s") % {"type": row},
        }
        return TemplateResponse(request, "admin/django_plugin_system/plugintype/order_refused.html", context)
