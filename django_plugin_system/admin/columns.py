"""What the admin's lists and pages show of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.widgets import AdminTextareaWidget
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from django_plugin_system.admin.connection_test import has_check
from django_plugin_system.models import PluginInstance, PluginStatus

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin  # not subscriptable at run time


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
