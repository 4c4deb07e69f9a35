"""What selection does now with a type's instances, as a table: which one is used, and why each other is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.paginator import Page, Paginator
from django.utils.translation import gettext as _

from django_plugin_system.admin.columns import show_rank
from django_plugin_system.admin.order_form import OrderForm
from django_plugin_system.exceptions import PluginBuildError
from django_plugin_system.helpers import explain_selection
from django_plugin_system.models import PluginInstance
from django_plugin_system.registry import registry
from django_plugin_system.rows.reasons import Reason, is_cooling_down

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.http import QueryDict

    from django_plugin_system.helpers import Selection
    from django_plugin_system.models import PluginType

ROWS_ON_A_PAGE = 100
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
    """One page of the candidates of a type, for any name or for the one that is asked for."""

    lines: list[Line]
    page: Page[Any]
    wanted: str
    names: list[str]
    nothing: str
    """Why there is no line at all; empty if there is one."""

    editable: bool


def make_table(
    plugin_type: PluginType, query: QueryDict, *, editable: bool, forms: Mapping[Any, OrderForm] | None = None
) -> OrderTable:
    """Return the table that ``query`` asks for with ``name`` and ``p``; ``forms`` are shown again with their errors."""
    wanted = query.get("name", "").replace("\0", "")  # which PostgreSQL refuses to look for
    names = _find_names(plugin_type)
    found = explain_selection(*plugin_type.key, name=wanted or None) if plugin_type.is_registered else None
    page = Paginator(found.candidates if found else (), ROWS_ON_A_PAGE).get_page(query.get("p"))
    lines = _make_lines(found, page, wanted, editable=editable, forms=forms or {}) if found else []
    return OrderTable(lines, page, wanted, names, _say_why_empty(found, wanted), editable)


def _find_names(plugin_type: PluginType) -> list[str]:
    rows = PluginInstance.objects.for_type(plugin_type).order_by("name").values_list("name", flat=True)
    return list(rows.distinct()[:NAMES_OFFERED])


def _say_why_empty(found: Selection | None, wanted: str) -> str:
    if found is None:
        return _("The code that declares this type is gone, so nothing is selected.")
    if found.candidates:
        return ""
    if wanted:
        return _("There is no instance named “%(name)s”.") % {"name": wanted}
    return _("There are no instances yet.")


def _make_lines(
    found: Selection, page: Page[Any], wanted: str, *, editable: bool, forms: Mapping[Any, OrderForm]
) -> list[Line]:
    served = {} if wanted or _has_override(found) else _find_served(found, page)
    lines = []
    for number, candidate in enumerate(page, start=page.start_index()):
        row = candidate.instance
        kind, state = "skipped", _localize(candidate.reason)
        if row == found.chosen:
            kind, state = "used", _("Used")
        elif candidate.usable and served.get(row.name) == row.pk:
            kind, state = "used", _("Used for “%(name)s”") % {"name": row.name}
        elif candidate.usable:
            kind, state = "later", _("Usable, comes later")
        form = (forms.get(row.pk) or OrderForm(row)) if editable else None
        lines.append(Line(number, row, show_rank(row), state, kind, is_cooling_down(row), form))
    return lines


def _localize(reason: str | None) -> str:
    return reason.localize() if isinstance(reason, Reason) else reason or ""


def _has_override(found: Selection) -> bool:
    rows = [candidate.instance for candidate in found.candidates[:1]]
    return any(registry.get_type(*row.item.plugin_type.key).get_plugin is not None for row in rows)


def _find_served(found: Selection, page: Sequence[Any]) -> dict[str, Any]:
    """Return the id of the first usable instance of each name; those on the page are known to be buildable."""
    served: dict[str, Any] = {}
    shown = {candidate.instance.pk for candidate in page}
    for candidate in found.candidates:
        row = candidate.instance
        if candidate.usable and row.name not in served and (row.pk not in shown or _can_be_built(row)):
            served[row.name] = row.pk
    return served


def _can_be_built(row: PluginInstance) -> bool:
    try:
        row.load_plugin()
    except PluginBuildError:
        return False
    return True
