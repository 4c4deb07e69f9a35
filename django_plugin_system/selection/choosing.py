"""Which instance is used, and why not another: the one order that every caller and every page goes by."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError

from django_plugin_system.exceptions import (
    InvalidPluginChoice,
    NoPluginAvailable,
    PluginBlocked,
    PluginBuildError,
    PluginInstanceNotFound,
)
from django_plugin_system.models import PluginInstance, PluginItem, PluginType
from django_plugin_system.rows.reasons import find_reason, find_status_reason
from django_plugin_system.selection import cache
from django_plugin_system.selection.candidates import (
    Candidate,
    Ready,
    Request,
    prepare,
    try_prepare,
)
from django_plugin_system.selection.search import Search, find_cooling, iter_cooling

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator
    from uuid import UUID

MOST_LISTED = 20
"""So many candidates a ``NoPluginAvailable`` names."""
logger = logging.getLogger("django_plugin_system")


@dataclass(frozen=True)
class Selection:
    """What selection makes of a type's instances now: every candidate in order, and the one that is used."""

    wanted: str
    candidates: tuple[Candidate, ...] = ()
    chosen: PluginInstance | None = None

    def __str__(self) -> str:
        lines = [f"{self.wanted}: {self.chosen or 'nothing'} is used"]
        for number, candidate in enumerate(self.candidates, start=1):
            mark = "used" if candidate.instance == self.chosen else candidate.reason or "usable, but comes later"
            lines.append(f"{number}. {candidate.instance}: {mark}")
        return "\n".join(lines)


# The best one


def get_best(request: Request, key: Hashable) -> Any:
    """Return a plugin built from the best usable instance of a type; ``key`` is what that is remembered under.

    :raises NoPluginAvailable: if there is none, with the reason for each candidate.
    """
    if request.fake:
        return request.fake.build()
    if request.spec.get_plugin is not None:
        return _build_first(request, _iter_override(request))
    ready = find_first_ready(request, key)
    if ready is None:
        raise make_refusal(request)
    try:
        return ready.build()
    except PluginBuildError:
        return _build_first(request, iter_ready(Search(request)))


def find_first_ready(request: Request, key: Hashable) -> Ready | None:
    """Return the best usable instance, as it is remembered if nothing has changed since."""
    found: Ready | None = cache.remember(request.using, key, lambda: _look_for_first(request))
    return found


def _look_for_first(request: Request) -> cache.Made:
    search = Search(request)
    found = next(iter_ready(search), None)
    if found is None:  # so that none whose cooldown ended during the search is missed until another one ends
        found = next(iter_ready(again := Search(request)), None)
        search.end = min(search.end, again.end)
    return cache.Made(found, search.end - monotonic(), rows=1 if request.may_exist else None)


def iter_ready(rows: Iterable[PluginInstance]) -> Iterator[Ready]:
    """Yield those of ``rows`` whose configuration can be read, ready to be built."""
    return filter(None, map(try_prepare, rows))


def _build_first(request: Request, candidates: Iterable[Ready]) -> Any:
    for ready in candidates:
        try:
            return ready.build()
        except PluginBuildError as error:  # noqa: PERF203 - each candidate may fail on its own
            logger.warning("Plugin instance %s (%s) is skipped: %s", ready.instance, ready.instance.pk, error)
    raise make_refusal(request)


def make_refusal(request: Request) -> NoPluginAvailable:
    """Return the error that says for each candidate why it is not used; of very many, it names some."""
    some = list(request.find_rows().order_by().values_list("pk", flat=True)[: MOST_LISTED + 1])
    explained = explain(request, request.get_rows(some[:MOST_LISTED]))
    return NoPluginAvailable(str(request), explained.candidates, more=len(some) > MOST_LISTED)


# A type's own choice


def _find_override_rows(request: Request) -> list[PluginInstance]:
    """Return what the type's own ``get_plugin`` picks: one instance, or those of one item, best first.

    :raises InvalidPluginChoice: if it picks something else, or of another type.
    """
    plugin_type = PluginType.objects.using(request.using).filter(name=request.spec.name, manager=request.spec.manager)
    row = plugin_type.first()
    picked = request.spec.get_plugin(row) if request.spec.get_plugin is not None and row is not None else None
    item = picked.item if isinstance(picked, PluginInstance) else picked
    if item is not None and (not isinstance(item, PluginItem) or item.plugin_type_id != getattr(row, "pk", None)):
        raise InvalidPluginChoice(str(request.spec), picked)
    if isinstance(picked, PluginInstance):
        return [picked] if request.name in (None, picked.name) else []
    return [] if picked is None else list(request.find_rows().filter(item=picked))


def _iter_override(request: Request) -> Iterator[Ready]:
    rows = _find_override_rows(request)
    cooling = find_cooling(request.using, rows)
    return iter_ready(row for row in rows if row.pk not in cooling and find_status_reason(row) is None)


# All of them


def get_all(request: Request) -> list[Any]:
    """Return a plugin for each usable instance, best first; an empty list if there is none."""
    if request.fake:
        return [request.fake.build()]
    plugins = []
    for ready in get_all_ready(request):
        try:
            plugins.append(ready.build())
        except PluginBuildError as error:  # noqa: PERF203 - each candidate may fail on its own
            logger.warning("Plugin instance %s (%s) is skipped: %s", ready.instance, ready.instance.pk, error)
    return plugins


def get_all_ready(request: Request) -> list[Ready]:
    """Return each usable instance, ready to be built, best first."""
    key = (*request.key, "all")
    ready: list[Ready] = cache.remember(request.using, key, lambda: _find_all_ready(request))
    return ready


def _find_all_ready(request: Request) -> cache.Made:
    search = Search(request)
    usable = list(iter_ready(search.iter_all_at_once()))
    return cache.Made(usable, search.end - monotonic(), rows=len(usable) if request.may_exist else None)


# What a failover tries


def iter_failover(request: Request) -> Iterator[Ready]:
    """Yield what a failover may try, in order: the type's own choice first, then what is usable at that moment.

    If nothing is usable because all that could serve are cooling down, the one that is back first is yielded.
    """
    if request.fake:
        yield request.fake
        return
    tried: set[Any] = set()
    if request.spec.get_plugin is not None:
        for chosen in _iter_override(request):
            tried.add(chosen.instance.pk)
            yield chosen
    ready = find_first_ready(request, request.key)
    if ready is None and not tried:
        yield from islice(iter_ready(iter_cooling(request)), 1)
    while ready is not None:
        if ready.instance.pk not in tried:
            tried.add(ready.instance.pk)
            yield ready
        ready = next(iter_ready(Search(request, tried)), None)


# One by its id


def get_by_id(request: Request, instance_id: UUID | str) -> Any:
    """Return a plugin built from exactly one instance, cooling down or not.

    :raises PluginInstanceNotFound: if the type has no instance with this id.
    :raises NoPluginAvailable: if it, or its item, is disabled.
    :raises ConfigError: if its configuration cannot be read.
    :raises PluginBuildError: if the constructor raises.
    """
    if request.fake:
        return request.fake.build()
    try:
        pk: UUID = PluginInstance._meta.pk.to_python(instance_id)  # noqa: SLF001 - Django documents _meta
    except ValidationError:  # what is no UUID is the id of no row
        raise PluginInstanceNotFound(str(request.spec), instance_id) from None
    ready: Ready = cache.remember(request.using, (*request.key, pk), lambda: _find_by_id(request, pk))
    return ready.build()


def _find_by_id(request: Request, instance_id: UUID) -> cache.Made:
    row = request.find_rows().filter(pk=instance_id).first()
    if row is None:
        raise PluginInstanceNotFound(str(request.spec), instance_id)
    if reason := find_status_reason(row):
        raise NoPluginAvailable(str(request), [Candidate(row, reason)])
    return cache.Made(prepare(row))


# Why


def explain(request: Request, rows: Iterable[PluginInstance] | None = None) -> Selection:
    """Return every candidate with its reason, and the one that ``get_best`` uses.

    With ``rows``, the first ones in order, the answer is about these; none of them is chosen if none can be used.
    """
    if request.fake:
        return Selection(str(request), (Candidate(request.fake.instance),), request.fake.instance)
    override = _find_override_rows(request) if request.spec.get_plugin is not None else None
    found = list(request.find_rows() if rows is None else rows)
    cooling = find_cooling(request.using, found)
    candidates = [Candidate(row, find_reason(row, cools_down=row.pk in cooling)) for row in found]
    preferred = candidates
    if override is not None:
        by_row = {candidate.instance: candidate for candidate in candidates}
        preferred = [by_row[row] for row in override if row in by_row]
    chosen = None
    for candidate in preferred:
        if candidate.usable and (failure := find_build_failure(candidate.instance)):
            candidates[candidates.index(candidate)] = Candidate(candidate.instance, failure)
        elif candidate.usable:
            chosen = candidate.instance
            break
    return Selection(str(request), tuple(candidates), chosen)


def find_build_failure(row: PluginInstance) -> str | None:
    """Return why no plugin can be built of a row whose configuration can be read, or None."""
    try:
        prepare(row).build()
    except PluginBuildError as error:
        return str(error)
    except PluginBlocked:  # an explanation builds nothing in earnest
        return None
    return None
