"""Which instance is used, and why not another: the one order that every caller and every page goes by."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError

from django_plugin_system import exceptions
from django_plugin_system.config.backends import find_outages
from django_plugin_system.models import PluginInstance, PluginItem, PluginType
from django_plugin_system.rows.reasons import find_reason, find_status_reason
from django_plugin_system.selection import cache
from django_plugin_system.selection.candidates import Candidate, Ready, Request, prepare, try_prepare
from django_plugin_system.selection.search import Search, cools_down, is_passed_over, run_surely

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
        return "\n".join([*lines, *(f"Note: {outage}." for outage in find_outages())])


# The best one


def get_best(request: Request) -> Any:
    """Return a plugin built from the best usable instance of a type, or from what the type itself chooses.

    :raises NoPluginAvailable: if there is none, with the reason for each candidate.
    """
    plugin = next(_build_each(iter_choice(request)), None)
    if plugin is None:
        raise make_refusal(request)
    return plugin


def find_served(request: Request) -> PluginInstance | None:
    """Return the instance that ``get_best`` uses, unless it cannot be built; None if there is none."""
    ready = next(iter_choice(request), None)
    return None if ready is None else ready.instance


def iter_choice(request: Request, *, goes_on: bool = False) -> Iterator[Ready]:
    """Yield what may serve, best first: what is fixed, else what is usable, each at the moment when it is asked for.

    With ``goes_on``, as a failover does, what is usable comes after the type's own choice.
    """
    tried: set[Any] = set()
    fixed = _iter_fixed(request)
    for ready in fixed or ():
        tried.add(ready.instance.pk)
        yield ready
    if fixed is None or (goes_on and not request.fake):
        yield from _iter_usable(request, tried)


def _iter_fixed(request: Request) -> Iterator[Ready] | None:
    """Yield what a test, or the type itself, puts in the place of a choice; None if nobody does."""
    if request.fake:
        return iter([request.fake])
    if request.spec.get_plugin is None:
        return None
    rows = _find_own_choice(request)
    return iter_ready(row for row in rows if not is_passed_over(row) and find_status_reason(row) is None)


def _iter_usable(request: Request, tried: set[Any]) -> Iterator[Ready]:
    """Yield what is usable, best first, each at the moment when it is asked for; what was ``tried`` not again."""
    ready: Ready | None = cache.remember(request.using, request.key, lambda: look_for_first(request))
    while ready is not None:
        if ready.instance.pk not in tried:
            tried.add(ready.instance.pk)
            yield ready
        ready = run_surely(request.using, lambda: next(iter_ready(Search(request, tried)), None))


def look_for_first(request: Request) -> cache.Made:
    """Return the best usable instance, ready to be built, or None, with how long the answer holds."""
    search = Search(request)
    found = next(iter_ready(search), None)
    if found is None:  # so that none whose cooldown ended during the search is missed until another one ends
        found = next(iter_ready(again := Search(request)), None)
        search.end = min(search.end, again.end)
    return cache.Made(found, search.end - monotonic(), rows=1 if request.scopes else None)


def iter_ready(rows: Iterable[PluginInstance]) -> Iterator[Ready]:
    """Yield those of ``rows`` whose configuration can be read, ready to be built."""
    return filter(None, map(try_prepare, rows))


def _build_each(candidates: Iterable[Ready]) -> Iterator[Any]:
    """Yield a plugin for each of ``candidates`` that can be built."""
    for ready in candidates:
        try:
            yield ready.build()
        except exceptions.PluginBuildError as error:  # noqa: PERF203 - each candidate may fail on its own
            logger.warning("Plugin instance %s (%s) is skipped: %s", ready.instance, ready.instance.pk, error)


def make_refusal(request: Request) -> exceptions.NoPluginAvailable:
    """Return the error that says for each candidate why it is not used; of very many, it names some."""
    some = list(request.find_rows().order_by().values_list("pk", flat=True)[: MOST_LISTED + 1])
    own = request.spec.get_plugin is not None
    otherwise = "not what the type's get_plugin chose" if own else "another caller tries it, or it came back only now"
    candidates = [
        Candidate(candidate.instance, candidate.reason or otherwise)
        for candidate in explain(request, request.get_rows(some[:MOST_LISTED])).candidates
    ]
    return exceptions.NoPluginAvailable(str(request), candidates, more=len(some) > MOST_LISTED)


# A type's own choice


def _find_own_choice(request: Request) -> Iterable[PluginInstance]:
    """Return what the type's own ``get_plugin`` picks: one instance, or those of one item, best first.

    :raises InvalidPluginChoice: if it picks something else, or of another type.
    """
    choose: Callable[..., Any] | None = request.spec.get_plugin
    row = PluginType.objects.using(request.using).filter(name=request.spec.name, manager=request.spec.manager).first()
    if choose is None or row is None:
        return ()
    told = _find_told(choose, {"name": request.name, "scope": request.scope})
    picked = choose(row, **told)
    item = picked.item if isinstance(picked, PluginInstance) else picked
    if item is not None and (not isinstance(item, PluginItem) or item.plugin_type_id != row.pk):
        raise exceptions.InvalidPluginChoice(str(request.spec), picked)
    if isinstance(picked, PluginInstance):
        is_meant = "name" in told or request.name in (None, picked.name)
        return request.get_rows([picked.pk] if is_meant else []).filter(scope__in=request.scopes)
    return () if picked is None else request.find_rows().filter(item=picked)


def _find_told(choose: Callable[..., Any], facts: dict[str, Any]) -> dict[str, Any]:
    """Return those of ``facts`` that the callable has parameters for, beside the type that comes first."""
    try:
        _first, *parameters = inspect.signature(choose).parameters.values()
    except ValueError:  # a builtin without a signature, or nothing but *args
        return {}
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {
        parameter.name: facts[parameter.name]
        for parameter in parameters
        if parameter.kind in kinds and parameter.name in facts
    }


# All of them


def get_all(request: Request) -> list[Any]:
    """Return a plugin for each usable instance, best first; an empty list if there is none."""
    own = _iter_fixed(request)
    if own is None:
        own = cache.remember(request.using, (*request.key, "all"), lambda: _find_all_ready(request))
    return list(_build_each(own))


def _find_all_ready(request: Request) -> cache.Made:
    search = Search(request, needs_all=True)
    usable = list(iter_ready(search))
    return cache.Made(usable, search.end - monotonic(), rows=len(usable) if request.scopes else None)


# One by its id


def get_by_id(request: Request, instance_id: UUID | str, *, disabled: bool = False) -> Any:
    """Return a plugin built from exactly one instance, cooling down or not; with ``disabled``, one of these too.

    :raises PluginInstanceNotFound: if the type has no instance with this id, or it is not for the scope asked for.
    :raises NoPluginAvailable: if it, or its item, is disabled.
    :raises ConfigError: if its configuration cannot be read.
    :raises PluginBuildError: if the constructor raises.
    """
    if request.fake:
        return request.fake.build()
    try:
        pk: UUID = PluginInstance._meta.pk.to_python(instance_id)
    except ValidationError:  # what is no UUID is the id of no row
        raise exceptions.PluginInstanceNotFound(str(request), instance_id) from None
    key = (*request.key, pk, disabled)
    ready: Ready = cache.remember(request.using, key, lambda: _find_by_id(request, pk, disabled=disabled))
    return ready.build()


def _find_by_id(request: Request, instance_id: UUID, *, disabled: bool) -> cache.Made:
    row = request.get_rows([instance_id]).for_type(*request.spec.key).first()
    if row is None or (request.scope is not None and row.scope not in request.scopes):
        raise exceptions.PluginInstanceNotFound(str(request), instance_id)
    if (reason := find_status_reason(row)) and not disabled:
        raise exceptions.NoPluginAvailable(str(request), [Candidate(row, reason)])
    return cache.Made(prepare(row))


# Why


def explain(request: Request, rows: Iterable[PluginInstance] | None = None) -> Selection:
    """Return every candidate with its reason, and the one that ``get_best`` uses.

    With ``rows``, the first ones in order, the answer is about these; none of them is chosen if none can be used.
    """
    if request.fake:
        return Selection(str(request), (Candidate(request.fake.instance),), request.fake.instance)
    own = None if request.spec.get_plugin is None else list(_find_own_choice(request))
    found = dict.fromkeys([*(request.find_rows() if rows is None else rows), *(own or ())])
    ready: dict[PluginInstance, Ready] = {}

    def read(row: PluginInstance) -> None:
        ready[row] = prepare(row)

    candidates = {row: Candidate(row, find_reason(row, cools_down=cools_down(row), read=read)) for row in found}
    chosen = None
    for row in found if own is None else own:
        if candidates[row].usable and (failure := _find_build_failure(ready[row])):
            candidates[row] = Candidate(row, failure)
        elif candidates[row].usable:
            chosen = row
            break
    return Selection(str(request), tuple(candidates.values()), chosen)


def _find_build_failure(ready: Ready) -> str | None:
    """Return why no plugin can be built of a row whose configuration can be read, or None."""
    try:
        with suppress(exceptions.PluginBlocked):  # an explanation builds nothing in earnest
            ready.build()
    except exceptions.PluginBuildError as error:
        return str(error)
    return None
