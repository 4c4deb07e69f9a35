"""Which instance is used, and why not another: the one order that every caller and every page goes by."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db.models.functions import Now
from django.utils import timezone

from django_plugin_system.exceptions import (
    ConfigError,
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
    find_fake,
    get_lifetime,
    iter_rows,
    make_request,
    prepare,
    try_prepare,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator
    from uuid import UUID

__all__ = [
    "Candidate",
    "Request",
    "Selection",
    "explain",
    "forget_selections",
    "get_all",
    "get_best",
    "get_by_id",
    "iter_failover",
    "make_request",
]

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


def get_best(ref: object, manager: str | None, name: str | None, using: str | None) -> Any:
    """Return a plugin built from the best usable instance of a type.

    :raises PluginTypeNotFound, AmbiguousPluginType: if it is not clear which type is meant.
    :raises NoPluginAvailable: if there is none, with the reason for each candidate.
    """
    request = make_request(ref, manager, name, using)
    if fake := find_fake(request):
        return fake.build()
    if request.spec.get_plugin is not None:
        return _build_first(request, _iter_override(request))
    ready = _get_first_ready(request, (ref, manager, name, using))
    if ready is None:
        raise NoPluginAvailable(str(request), explain(request).candidates)
    try:
        return ready.build()
    except PluginBuildError:
        return _build_first(request, _iter_ready(request))


def _get_first_ready(request: Request, key: Hashable) -> Ready | None:
    found: Ready | None = cache.remember(request.using, key, lambda: _find_first_ready(request))
    return found


def _find_first_ready(request: Request) -> cache.Made:
    began, skipped = timezone.now(), list[PluginInstance]()
    for row in iter_rows(request):
        found = try_prepare(row)
        if isinstance(found, Ready):
            return cache.Made(found, get_lifetime(skipped, began))
        skipped.append(row)
    return cache.Made(None, get_lifetime(skipped, began))


def _iter_ready(request: Request) -> Iterator[Ready]:
    for row in iter_rows(request):
        found = try_prepare(row)
        if isinstance(found, Ready):
            yield found


def _build_first(request: Request, candidates: Iterable[Ready]) -> Any:
    for ready in candidates:
        try:
            return ready.build()
        except PluginBuildError as error:  # noqa: PERF203 - each candidate may fail on its own
            logger.warning("Plugin instance %s (%s) is skipped: %s", ready.instance, ready.instance.pk, error)
    raise NoPluginAvailable(str(request), explain(request).candidates)


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
    for row in _find_override_rows(request):
        found = try_prepare(row) if find_status_reason(row) is None else None
        if isinstance(found, Ready):
            yield found


# All of them


def get_all(request: Request) -> list[Any]:
    """Return a plugin for each usable instance, best first; an empty list if there is none."""
    if fake := find_fake(request):
        return [fake.build()]
    plugins = []
    for ready in get_all_ready(request):
        try:
            plugins.append(ready.build())
        except PluginBuildError as error:  # noqa: PERF203 - each candidate may fail on its own
            logger.warning("Plugin instance %s (%s) is skipped: %s", ready.instance, ready.instance.pk, error)
    return plugins


def get_all_ready(request: Request) -> list[Ready]:
    """Return each usable instance, ready to be built, best first."""
    ready: list[Ready] = cache.remember(request.using, ("all", request), lambda: _find_all_ready(request))
    return ready


def _find_all_ready(request: Request) -> cache.Made:
    began = timezone.now()
    found = [try_prepare(row) for row in request.find_rows().enabled()]
    skipped = [candidate.instance for candidate in found if isinstance(candidate, Candidate)]
    usable = [ready for ready in found if isinstance(ready, Ready)]
    return cache.Made(usable, get_lifetime(skipped, began), rows=len(usable))


def iter_failover(request: Request, *, first: bool) -> Iterator[Ready]:
    """Yield what a failover may try, in order: at its ``first`` attempt the type's own choice, then what is usable.

    The best one comes twice: as it is remembered, then at the head of what is read. If nothing is usable because all
    that could serve are cooling down, the one that is back first is yielded.
    """
    if fake := find_fake(request):
        if first:
            yield fake
        return
    if first and request.spec.get_plugin is not None:
        yield from _iter_override(request)
    best = _get_first_ready(request, request)
    if best is not None:
        yield best
        yield from _iter_ready(request)
    elif first:
        yield from _iter_first_back(request)


def _iter_first_back(request: Request) -> Iterator[Ready]:
    cooling = request.find_rows().enabled().filter(health__unavailable_until__gt=Now())
    for row in cooling.order_by("health__unavailable_until"):
        try:
            ready = prepare(row)
        except ConfigError:
            continue
        yield ready
        return


# One by its id


def get_by_id(request: Request, instance_id: UUID | str) -> Any:
    """Return a plugin built from exactly one instance, cooling down or not.

    :raises PluginInstanceNotFound: if the type has no instance with this id.
    :raises NoPluginAvailable: if it, or its item, is disabled.
    :raises ConfigError: if its configuration cannot be read.
    :raises PluginBuildError: if the constructor raises.
    """
    if fake := find_fake(request):
        return fake.build()
    key = (str(instance_id), request)
    ready: Ready = cache.remember(request.using, key, lambda: _find_by_id(request, instance_id))
    return ready.build()


def _find_by_id(request: Request, instance_id: UUID | str) -> cache.Made:
    try:
        row = request.find_rows().filter(pk=instance_id).first()
    except (ValidationError, ValueError):  # what is no UUID is the id of no row
        row = None
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
    if fake := find_fake(request):
        return Selection(str(request), (Candidate(fake.instance),), fake.instance)
    override = _find_override_rows(request) if request.spec.get_plugin is not None else None
    candidates = [Candidate(row, find_reason(row)) for row in (request.find_rows() if rows is None else rows)]
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


def forget_selections() -> None:
    """Let the next selection in this process look at the database, whatever the table of changes says."""
    cache.forget_all()
