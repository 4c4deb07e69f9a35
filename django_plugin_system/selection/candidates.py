"""What selection works on: a request, the rows that could serve it, and what building a plugin from one takes."""

from __future__ import annotations

import copy
import datetime as dt
import logging
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, router
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from django_plugin_system.config.copying import make_copier
from django_plugin_system.exceptions import ConfigError
from django_plugin_system.models import PluginInstance, PluginItem, PluginStatus
from django_plugin_system.overrides import find_override
from django_plugin_system.plugin import make_builder
from django_plugin_system.registry import TypeSpec, registry
from django_plugin_system.rows.config import read_config, require_declared
from django_plugin_system.rows.reasons import describe_row_error, find_reason, is_cooling_down
from django_plugin_system.selection import cache
from django_plugin_system.selection.health import apply_waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from django.db.models import QuerySet

    from django_plugin_system.querysets import PluginInstanceQuerySet

logger = logging.getLogger("django_plugin_system")


@dataclass(frozen=True)
class Candidate:
    """One instance that selection looked at; ``reason`` says why it is not usable, and is None if it is."""

    instance: PluginInstance
    reason: str | None = None

    @property
    def usable(self) -> bool:
        """Whether the instance can be used now."""
        return self.reason is None

    def __str__(self) -> str:
        return f"{self.instance}: {self.reason or 'usable'}"


@dataclass(frozen=True)
class Ready:
    """An instance with all that building a plugin from it takes."""

    instance: PluginInstance
    build: Callable[[], Any]
    """Returns a new plugin with a configuration of its own; raises PluginBuildError if the constructor raises."""

    def copy_row(self) -> PluginInstance:
        """Return a copy of the row that the caller may change."""
        return copy.deepcopy(self.instance)


class Request(NamedTuple):
    """What a caller asked for: a type, perhaps a name, in the database ``using``."""

    spec: TypeSpec
    name: str | None
    using: str

    def __str__(self) -> str:
        return f"{self.spec}" if self.name is None else f"{self.spec} named {self.name}"

    def find_rows(self) -> PluginInstanceQuerySet:
        """Return the instances asked for, in order."""
        rows = PluginInstance.objects.using(self.using).for_type(*self.spec.key)
        rows = rows.select_related("item__plugin_type", "health")
        wanted: PluginInstanceQuerySet = rows if self.name is None else rows.named(self.name)
        return wanted.in_order()


def make_request(ref: object, manager: str | None, name: str | None, using: str | None) -> Request:
    """Return the request for a type by interface, or by name and manager.

    :raises PluginTypeNotFound, AmbiguousPluginType: if it is not clear which type is meant.
    """
    return Request(registry.get_type(ref, manager), name, using or get_alias())


def get_alias() -> str:
    """Return the database to read from when the caller names none; routers, if there are any, are asked each time."""
    return router.db_for_read(PluginInstance) if router.routers else DEFAULT_DB_ALIAS


def find_fake(request: Request) -> Ready | None:
    """Return what a test put in the place of the plugins asked for; its ``instance`` is a row that was never saved."""
    override = find_override(request.spec.key, request.name)
    return None if override is None else Ready(PluginInstance(name=f"override_plugin({override})"), override.build)


def prepare(row: PluginInstance) -> Ready:
    """Return what building a plugin from ``row`` takes.

    :raises ConfigError: if its configuration cannot be read.
    """
    config = read_config(row)
    get_config = None if config is None else make_copier(config)
    return Ready(row, make_builder(require_declared(row).plugin_class, get_config, row))


def try_prepare(row: PluginInstance) -> Ready | Candidate:
    """Return what building a plugin from ``row`` takes, or why there is none to be built now."""
    apply_waiting(row)
    if is_cooling_down(row):
        return Candidate(row, find_reason(row))
    try:
        return prepare(row)
    except ConfigError as error:
        reason = describe_row_error(row, error)
    logger.warning("Plugin instance %s (%s) is skipped: %s", row, row.pk, reason)
    return Candidate(row, reason)


def get_lifetime(skipped: list[PluginInstance], since: dt.datetime) -> float:
    """Return the seconds until the first row that was cooling down at ``since`` may be used again.

    ``since`` is when the search began: a row whose time came in the middle of it was skipped all the same.
    """
    ends = [row.unavailable_until for row in skipped if row.unavailable_until and row.unavailable_until > since]
    if not ends:
        return cache.MAX_AGE
    return max(0.0, (min(ends) - timezone.now()) / dt.timedelta(seconds=1))


# The first rows, without sorting them all

_HEADS, _PAGE, _PAGE_GROWTH = 3, 20, 20


def iter_rows(request: Request) -> Iterator[PluginInstance]:
    """Yield the rows asked for that are not disabled, in order: one by one at first, then in growing pages.

    The first nearly always is the one. Of a name there are few; of a whole type there may be very many, and the first
    ones are found by index.
    """
    rows = request.find_rows().enabled()
    seen: list[PluginInstance] = []
    while request.name is None and len(seen) < _HEADS:
        head = find_head(request, seen)
        if head is None:
            return
        yield head
        seen.append(head)
    yield from _iter_pages(rows.exclude(pk__in=[row.pk for row in seen]) if seen else rows)


def _iter_pages(rows: PluginInstanceQuerySet) -> Iterator[PluginInstance]:
    start, size = 0, _PAGE
    while page := list(rows[start : start + size]):
        yield from page
        if len(page) < size:
            return
        start, size = start + size, size * _PAGE_GROWTH


def find_head(request: Request, seen: Sequence[PluginInstance] = ()) -> PluginInstance | None:
    """Return the first row of a type that is not disabled and not among ``seen``, however many rows there are.

    Of one item's rows, those of one status that have a priority of their own are sorted in the index, and so are those
    that have none. So the first row is the first of one of these groups, and only their first rows are compared.
    """
    rows = PluginInstance.objects.using(request.using).select_related("item__plugin_type", "health").in_order()
    for statuses in _TIERS:
        for row in rows.filter(pk__in=_find_firsts(request, seen, statuses))[:1]:
            head: PluginInstance = row
            return head
    return None


_TIERS = ((PluginStatus.ACTIVE,), (PluginStatus.ACTIVE, PluginStatus.RESERVED))
"""The statuses that item and instance may have: nearly always there is something in the first tier."""


def _find_firsts(
    request: Request, seen: Sequence[PluginInstance], statuses: Sequence[PluginStatus]
) -> QuerySet[PluginItem, Any]:
    """Return the ids of the first row of each group of each item."""
    items = PluginItem.objects.using(request.using).filter(
        plugin_type__name=request.spec.name, plugin_type__manager=request.spec.manager, status__in=statuses
    )
    rows = PluginInstance.objects.filter(item=OuterRef("pk")).order_by("priority", "name").values("pk")
    if seen:
        rows = rows.exclude(pk__in=[row.pk for row in seen])
    groups = (
        rows.filter(status=status, priority__isnull=inherits) for status, inherits in product(statuses, (False, True))
    )
    first, *others = (items.values_list(Subquery(group[:1])) for group in groups)
    return first.union(*others, all=True)
