"""The look for instances that can be used now, best first: by index, however many there are and however many cool down.

Which of them cool down is decided in the database, by its clock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain, islice, product
from math import inf
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID

from django.db import Error, connections
from django.db.models import F, Model, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now

from django_plugin_system.changes import another_connection
from django_plugin_system.exceptions import make_printable
from django_plugin_system.models import PluginHealth, PluginInstance, PluginItem, PluginStatus, PluginType
from django_plugin_system.selection.candidates import LEFT, Request, logger
from django_plugin_system.selection.health import show_waiting
from django_plugin_system.selection.notes import get_waiting

T = TypeVar("T")

REFUSED = Q(health__refused_revision=F("config_revision"))
PASSED_OVER = Q(health__unavailable_until__gt=Now()) | REFUSED
"""Those that are cooling down, and those whose credentials, as they are now, were refused."""
FEW = 100
"""So many usable instances are fetched by their ids rather than looked for from the best one on."""
_ENOUGH = FEW + 1
"""So many are asked for to see whether they are more than a few."""
_HEADS = 3
"""So many are looked for one by one before they are read in pages."""
_PAGE_GROWTH = 20


# Queries that are compiled once


_TYPE, _MANAGER, _NAME, _SCOPE = "\0type", "\0manager", "\0name", "\0scope"
"""What stands in a compiled query for the values of a request: no name in a database has a NUL in it."""


class Statement:
    """A query for a request, compiled once for each database: building it takes longer than running it."""

    def __init__(self, build: Callable[[], QuerySet[Any, Any]]) -> None:
        """Keep what builds the queryset, with the placeholders of this module as values."""
        self._build = build
        self._compiled: dict[tuple[str, str], tuple[Any, str, Sequence[Any], Sequence[Any]]] = {}
        """By alias and kind of database: the query, its SQL and parameters, and the columns."""

    def read(self, request: Request, scope: str) -> list[Sequence[Any]]:
        """Return the rows of one scope, each as a sequence of values."""
        connection = connections[request.using]
        key = (request.using, connection.vendor)
        if key not in self._compiled:
            query = self._build().query
            compiler = query.get_compiler(request.using)
            sql, parameters = compiler.as_sql()
            self._compiled[key] = (query, sql, parameters, [column for column, *_sql in compiler.select])
        query, sql, parameters, columns = self._compiled[key]
        values = {_TYPE: request.spec.name, _MANAGER: request.spec.manager, _NAME: request.name, _SCOPE: scope}
        with connection.cursor() as cursor:
            cursor.execute(sql, [values.get(one, one) for one in parameters])
            rows = cursor.fetchall()
        compiler = query.get_compiler(request.using)  # with the connection of this thread
        return list(compiler.apply_converters(rows, compiler.get_converters(columns)))


def _name_columns(path: str, model: type[Model]) -> list[str]:
    return [f"{path}{column.attname}" for column in model._meta.concrete_fields]


_PARTS: dict[str, type[Model]] = {
    "": PluginInstance,
    "item__": PluginItem,
    "item__plugin_type__": PluginType,
    "health__": PluginHealth,
}
_NAMES = {model: _name_columns("", model) for model in _PARTS.values()}
_COLUMNS = list(chain.from_iterable(_name_columns(path, model) for path, model in _PARTS.items()))


def _with_all_parts(rows: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    """Return what ``_make_row`` takes: the columns, and how long each row is cooling down still."""
    return rows.values_list(*_COLUMNS, LEFT)


def _make_row(using: str, values: Sequence[Any]) -> tuple[PluginInstance, float]:
    """Return an instance with its item, type and health, and for how many seconds it is passed over; below 0: not."""
    rest = iter(values)
    parts: Any = (model.from_db(using, names, list(islice(rest, len(names)))) for model, names in _NAMES.items())
    row, item, plugin_type, health = parts
    item.plugin_type, row.item = plugin_type, item
    if health.pk is None:  # raw SQL made the instance
        health = PluginHealth(item=item)
    health.instance = row
    if row.is_refused:
        return row, inf
    left: dt.timedelta | None = values[-1]
    return row, -inf if left is None else left / dt.timedelta(seconds=1)


def _of_type(path: str) -> dict[str, str]:
    return {f"{path}name": _TYPE, f"{path}manager": _MANAGER}


def _find_enabled(**conditions: str) -> QuerySet[Any, Any]:
    rows = PluginInstance.objects.enabled().filter(scope=_SCOPE, **conditions, **_of_type("item__plugin_type__"))
    return _with_all_parts(rows.in_order())


_ALL = Statement(_find_enabled)
_NAMED = Statement(lambda: _find_enabled(name=_NAME))

_TIERS = ((PluginStatus.ACTIVE,), (PluginStatus.ACTIVE, PluginStatus.RESERVED))
"""The statuses that item and instance may have: nearly always there is something in the first tier."""


def _find_firsts(
    items: QuerySet[PluginItem, Any],
    statuses: Sequence[PluginStatus],
    scope: str,
    narrow: Callable[[Any], Any] = lambda rows: rows,
) -> QuerySet[Any, Any]:
    """Return the ids of the first row of each group of each item.

    Of one item's rows in a scope, those of one status that have a priority of their own are sorted in the index, and so
    are those that have none. So the first row is the first of one of these groups, and only these are compared.
    """
    ours = PluginInstance.objects.filter(item=OuterRef("pk"), scope=scope)
    rows = narrow(ours).order_by("priority", "name").values("pk")
    groups = (
        rows.filter(status=status, priority__isnull=inherits) for status, inherits in product(statuses, (False, True))
    )
    first, *others = (items.filter(status__in=statuses).values_list(Subquery(group[:1])) for group in groups)
    return first.union(*others, all=True)


def _find_head_of(statuses: Sequence[PluginStatus]) -> QuerySet[Any, Any]:
    firsts = _find_firsts(PluginItem.objects.filter(**_of_type("plugin_type__")), statuses, _SCOPE)
    return _with_all_parts(PluginInstance.objects.filter(pk__in=firsts).in_order()[:1])


_HEAD_OF_TIER = [Statement(partial(_find_head_of, statuses)) for statuses in _TIERS]
"""The first row of a type, cooling down or not."""


def _find_free(*conditions: Q) -> Statement:
    def build() -> QuerySet[Any, Any]:
        enabled = PluginHealth.objects.exclude(item__status=PluginStatus.DISABLED)
        return enabled.filter(*conditions, scope=_SCOPE, **_of_type("item__plugin_type__")).values_list("pk")[:_ENOUGH]

    return Statement(build)


_FREE = [
    _find_free(Q(refused_revision=None, unavailable_until=None)),
    _find_free(Q(refused_revision=None, unavailable_until__lte=Now())),
    _find_free(Q(refused_revision__isnull=False), ~Q(refused_revision=F("instance__config_revision"))),
]
"""The ids of those that are not passed over, in no order: each statement is one range of an index."""


def _find_cooling_of_item(scope: str) -> QuerySet[Any, Any]:
    rows = PluginHealth.objects.filter(item=OuterRef("pk"), scope=scope, refused_revision=None)
    return rows.filter(unavailable_until__gt=Now())


def _find_next_ends() -> QuerySet[Any, Any]:
    first = _find_cooling_of_item(_SCOPE).order_by("unavailable_until")
    items = PluginItem.objects.filter(**_of_type("plugin_type__"))
    return items.values_list(Subquery(first.values(left=F("unavailable_until") - Now())[:1]))


_NEXT_ENDS = Statement(_find_next_ends)
"""For each item of a type, how long it takes until the first of its cooldowns in a scope is over."""


# The look


class Search:
    """A look for the usable instances of a request; ``end`` says until when its answer may hold."""

    def __init__(self, request: Request, passed: Collection[UUID] = (), *, needs_all: bool = False) -> None:
        """Look for what is asked for, passing over some; who ``needs_all`` has them read with a query a scope."""
        self.request = request
        self._needs_all = needs_all
        self.waiting = get_waiting(request.using)
        self.end = min((note.end for note in self.waiting.values()), default=inf)
        """By this process's clock; infinite while nothing was passed over that is cooling down."""
        self._passed = {*passed, *self.waiting}

    def __iter__(self) -> Iterator[PluginInstance]:
        """Yield the instances in order."""
        statement = _ALL if self.request.name is None else _NAMED
        reads_all = self._needs_all or statement is _NAMED
        for scope in self.request.scopes:
            for row in self._iter_read(statement, scope) if reads_all else self._iter_type(scope):
                if row.pk not in self._passed:
                    self._passed.add(row.pk)
                    yield row

    def _iter_read(self, statement: Statement, scope: str) -> Iterator[PluginInstance]:
        for values in statement.read(self.request, scope):
            row, left = _make_row(self.request.using, values)
            if left > 0:
                self._note_end(left)
            else:
                yield row

    def _note_end(self, left: float) -> None:
        self.end = min(self.end, monotonic() + left)

    def _iter_type(self, scope: str) -> Iterator[PluginInstance]:
        """Yield the instances of a type in one scope: the first nearly always is the one."""
        heads = chain.from_iterable(statement.read(self.request, scope) for statement in _HEAD_OF_TIER)
        values = next(heads, None)
        if values is None:
            return
        row, left = _make_row(self.request.using, values)
        if left <= 0:
            yield row
        self._note_ends(scope)
        yield from self._iter_others(scope)

    def _note_ends(self, scope: str) -> None:
        """Note when the next cooldown is over, before those that do not cool down are read: so none ends unseen."""
        for (left,) in _NEXT_ENDS.read(self.request, scope):
            if left is not None:
                self._note_end(left / dt.timedelta(seconds=1))

    def _iter_others(self, scope: str) -> Iterator[PluginInstance]:
        """Yield those that are not cooling down: from a few ids, or one by one along the index."""
        free: list[UUID] = []
        for statement in _FREE:
            free += (pk for (pk,) in statement.read(self.request, scope))
        if len(free) <= FEW:
            yield from _iter_pages(self.request.get_rows(set(free) - self._passed).filter(scope=scope).enabled())
            return
        for _head in range(_HEADS):
            head = self._find_head(scope)
            if head is None:
                return
            yield head
        rows = self.request.find_rows().filter(scope=scope).enabled().exclude(PASSED_OVER)
        yield from _iter_pages(rows.exclude(pk__in=list(self._passed)))

    def _find_head(self, scope: str) -> PluginInstance | None:
        """Return the first that is not cooling down and was not passed; those before it cost their number."""
        items, passed = _find_items(self.request), list(self._passed)
        for statuses in _TIERS:
            firsts = _find_firsts(items, statuses, scope, lambda rows: rows.exclude(PASSED_OVER).exclude(pk__in=passed))
            if (head := self.request.get_rows(pk for (pk,) in firsts).first()) is not None:
                return head
        return None


def _find_items(request: Request) -> QuerySet[PluginItem, Any]:
    items = PluginItem.objects.using(request.using)
    return items.filter(plugin_type__name=request.spec.name, plugin_type__manager=request.spec.manager)


def _iter_pages(rows: QuerySet[PluginInstance, Any]) -> Iterator[PluginInstance]:
    start, size = 0, 1
    while page := list(rows[start : start + size]):
        yield from page
        start, size = start + size, size * _PAGE_GROWTH


def _find_first_cooling(request: Request, scope: str) -> Subquery:
    cooling = _find_cooling_of_item(scope).filter(Q(claimed_until=None) | Q(claimed_until__lte=Now()))
    named = cooling if request.name is None else cooling.filter(instance__name=request.name)
    enabled = named.exclude(instance__status=PluginStatus.DISABLED)
    return Subquery(enabled.order_by("unavailable_until").values("pk")[:1])


def iter_cooling(request: Request) -> Iterator[PluginInstance]:
    """Yield what is cooling down and nobody has claimed: who is back first, by index, then the others in that order."""
    rows, waiting, found = request.find_rows().enabled(), get_waiting(request.using), list[Any]()
    for scope in request.scopes:
        found += _find_items(request).values_list(_find_first_cooling(request, scope), flat=True)
    read = request.get_rows(filter(None, found)).filter(scope__in=request.scopes).enabled()
    firsts: Any = read.filter(health__refused_revision=None)
    ends = {row: (row.left or dt.timedelta()) / dt.timedelta(seconds=1) for row in firsts}  # none: it served meanwhile
    known_here = rows.filter(pk__in=[pk for pk, note in waiting.items() if note.may_be_early]) if waiting else ()
    ends |= {row: waiting[row.pk].end - monotonic() for row in known_here}
    yield from sorted(ends, key=ends.__getitem__)
    unclaimed = Q(health__claimed_until=None) | Q(health__claimed_until__lte=Now())
    others = rows.filter(unclaimed, health__unavailable_until__gt=Now(), health__refused_revision=None)
    yield from _iter_pages(others.exclude(pk__in=[row.pk for row in ends]).order_by("health__unavailable_until"))


def cools_down(row: PluginInstance) -> bool:
    """Say whether a row that a request found is cooling down; it says so where only this process knows it."""
    note = get_waiting(str(row._state.db)).get(row.pk)
    if note is not None:
        show_waiting(row, note.end)
    left: dt.timedelta | None = row.left  # type: ignore[attr-defined] # annotated
    return note is not None or (left is not None and left > dt.timedelta())


def is_passed_over(row: PluginInstance) -> bool:
    """Say whether a row that a request found cools down, or its credentials were refused."""
    return row.is_refused or cools_down(row)


def run_surely(using: str, look: Callable[[], T]) -> T | None:
    """Return what ``look`` finds, if need be through a connection of its own; None where that fails as well.

    The connection of this thread may be lost, or in a transaction that is broken: that is no reason to leave out who
    could serve.
    """
    with suppress(Error):
        return look()
    try:
        with another_connection(using):
            return look()
    except Error as error:
        logger.warning("No other plugin instance could be looked for: %s", make_printable(str(error)))
    return None
