"""How a row is shown: its state in one word and one sentence, its rank, and times: how long ago, exact on hover."""

from __future__ import annotations

import datetime as dt
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.text import Truncator
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext as _

from django_plugin_system.models import PluginInstance, PluginStatus
from django_plugin_system.plugin import has_check
from django_plugin_system.rows.reasons import Reason, is_cooling_down

if TYPE_CHECKING:
    from django.utils.safestring import SafeString


_MINUTE = dt.timedelta(minutes=1)


def format_time(moment: dt.datetime) -> str:
    """Return a time in the zone and the format of the reader."""
    if timezone.is_aware(moment):
        with suppress(OverflowError):  # the first and the last day of the calendar
            moment = timezone.localtime(moment)
    return date_format(moment, "SHORT_DATETIME_FORMAT")


def describe_time(moment: dt.datetime) -> str:
    """Return how long ago, or in how long."""
    now = dt.datetime.now(dt.timezone.utc if timezone.is_aware(moment) else None)
    if abs(moment - now) < _MINUTE:
        return _("just now") if moment <= now else _("in a moment")
    if moment < now:
        return _("%(time)s ago") % {"time": timesince(moment, now, depth=1)}
    return _("in %(time)s") % {"time": timeuntil(moment, now, depth=1)}


def show_time(moment: dt.datetime) -> SafeString:
    """Return how long ago, or in how long; the time itself stands where the pointer rests."""
    text = describe_time(moment)
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), format_time(moment), text)


def make_time(name: str, title: Any) -> Any:
    """Return a line of a page: a time of the row."""

    @admin.display(description=title)
    def show(row: Any) -> SafeString:
        return show_time(getattr(row, name))

    return show


@dataclass(frozen=True)
class State:
    """What can be said of an instance, in one word; ``text`` says why."""

    kind: str
    """``usable``, ``untested``, ``failing``, ``cooling``, ``attention`` or ``off``."""
    title: str
    text: str | SafeString = ""
    can_be_woken: bool = False
    """Whether an operator can say that the instance is used again at once."""

    def show(self) -> SafeString:
        """Return the word, and the sentence beside it."""
        text = '<span class="dps-state dps-{}">{}</span> <span class="dps-reason">{}</span>'
        return format_html(text, self.kind, self.title, self.text)


def describe_state(row: PluginInstance, reason: str | None, length: int = 120) -> State:
    """Return the state of ``row``, which selection skips for this ``reason``; quoted errors are cut to ``length``."""
    if reason is None:
        return _describe_usable(row, length)
    text = reason.localize() if isinstance(reason, Reason) else reason
    if PluginStatus.DISABLED in (row.status, row.item.status):
        return State("off", _("Off"), text)
    error = _quote(row.last_error, length)
    if row.item.is_registered and row.is_refused:
        text = format_html(_("The provider refused its credentials: {} It is used again once they are changed."), error)
        return State("attention", _("Needs attention"), text, can_be_woken=True)
    if row.unavailable_until is not None and is_cooling_down(row):
        end = format_html(_("Used again {}."), show_time(row.unavailable_until))
        return State("cooling", _("Cooling down"), format_html("{} {}", end, error), can_be_woken=True)
    return State("attention", _("Needs attention"), text)


def _describe_usable(row: PluginInstance, length: int) -> State:
    """Return what is known of an instance that selection may use: a failure first, then a test, if it has one."""
    if row.last_error:
        return State("failing", _("Failed last time"), _quote(row.last_error, length))
    if row.last_tested_at and row.last_test_error:
        text = format_html("{}: {}", show_time(row.last_tested_at), _quote(row.last_test_error, length))
        return State("failing", _("Test failed"), text)
    if row.last_tested_at:
        return State("usable", _("Usable"), format_html(_("Tested {}."), show_time(row.last_tested_at)))
    if has_check(row.item.plugin_class):
        return State("untested", _("Not tested"))
    return State("usable", _("Usable"))


def _quote(error: str, length: int) -> SafeString | str:
    """Return an error cut to ``length`` characters; whole where the pointer rests on it."""
    return format_html('<q title="{}">{}</q>', error, Truncator(error).chars(length)) if error else ""


def show_path(name: str) -> SafeString:
    """Return a dotted name that is broken after a dot or an underscore where a line is too short for it."""
    return format_html_join("", "{}<wbr>", ((part,) for part in re.split(r"(?<=[._])", name)))


def show_place(number: int, count: int) -> str:
    """Return the place of an instance among those of its name."""
    return _("%(number)d of %(count)d") % {"number": number, "count": count}


def show_rank(row: PluginInstance) -> str:
    """Return the tier and priority that count, and where the priority comes from."""
    origin = _("the item's") if row.priority is None else _("its own")
    names = {"tier": PluginStatus(row.effective_tier).label, "number": row.effective_priority, "origin": origin}
    return _("%(tier)s, priority %(number)d (%(origin)s)") % names
