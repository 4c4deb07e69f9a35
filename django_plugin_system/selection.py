"""Which instance is used, and why not another: the one order that every caller and every page goes by."""

from __future__ import annotations

import copy
import datetime as dt
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import router
from django.utils import timezone

from django_plugin_system import cache
from django_plugin_system.config.copies import copy_config, is_flat
from django_plugin_system.configuration import read_config, require_class
from django_plugin_system.exceptions import (
    ConfigError,
    NoPluginAvailable,
    PluginBuildError,
    PluginInstanceNotFound,
)
from django_plugin_system.models import PluginInstance, PluginType
from django_plugin_system.plugin import build_plugin
from django_plugin_system.registry import TypeSpec, registry
from django_plugin_system.usability import describe_config_error, find_reason, find_status_reason, is_cooling_down

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    from pydantic import BaseModel

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


@dataclass(frozen=True)
class Ready:
    """An instance with all that building a plugin from it takes."""

    instance: PluginInstance
    plugin_class: type
    config: BaseModel | None
    flat: bool = field(default=False)

    def copy_row(self) -> PluginInstance:
        """Return a copy of the row that the caller may change."""
        return copy.deepcopy(self.instance)

    def build(self) -> Any:
        """Return a new plugin with a configuration of its own.

        :raises PluginBuildError: if the constructor raises.
        """
        config = None if self.config is None else copy_config(self.config, flat=self.flat)
        return build_plugin(self.plugin_class, config, self.instance)


class Request(NamedTuple):
    """What a caller asked for: a type, perhaps a name, in the database ``using``."""

    spec: TypeSpec
    name: str | None
    using: str

    def __str__(self) -> str:
        return f"{self.spec}" if self.name is None else f"{self.spec} named {self.name}"

    def find_rows(self) -> PluginInstanceQuerySet:
        """Return the instances asked for, in order."""
        rows = PluginInstance.objects.using(self.using).for_type(*self.spec.key).select_related("item__plugin_type")
        wanted: PluginInstanceQuerySet = rows if self.name is None else rows.named(self.name)
        return wanted.in_order()


def make_request(ref: object, manager: str | None, name: str | None, using: str | None) -> Request:
    """Return the request for a type by interface, or by name and manager.

    :raises PluginTypeNotFound, AmbiguousPluginType: if it is not clear which type is meant.
    """
    return Request(registry.get_type(ref, manager), name, using or router.db_for_read(PluginInstance))


def prepare(row: PluginInstance) -> Ready:
    """Return what building a plugin from ``row`` takes.

    :raises ConfigError: if its configuration cannot be read.
    """
    config = read_config(row)
    return Ready(row, require_class(row), config, flat=config is not None and is_flat(config))


def _try_prepare(row: PluginInstance) -> Ready | Candidate:
    if is_cooling_down(row):
        return Candidate(row, find_reason(row))
    try:
        return prepare(row)
    except ConfigError as error:
        reason = describe_config_error(error)
    logger.warning("Plugin instance %s (%s) is skipped: %s", row, row.pk, reason)
    return Candidate(row, reason)


def _get_lifetime(skipped: list[PluginInstance]) -> float:
    """Return the seconds until the first of the rows that are cooling down may be used again."""
    ends = [row.unavailable_until for row in skipped if row.unavailable_until is not None and is_cooling_down(row)]
    if not ends:
        return cache.MAX_AGE
    return max(0.0, (min(ends) - timezone.now()) / dt.timedelta(seconds=1))


_FIRST_PAGE, _PAGE_GROWTH = 1, 20


def _iter_pages(rows: PluginInstanceQuerySet) -> Iterator[PluginInstance]:
    """Yield ``rows`` a page at a time, the first page a single row: it nearly always is the one."""
    start, size = 0, _FIRST_PAGE
    while page := list(rows[start : start + size]):
        yield from page
        if len(page) < size:
            return
        start, size = start + size, size * _PAGE_GROWTH


# The best one


def get_best(request: Request) -> Any:
    """Return a plugin built from the best usable instance.

    :raises NoPluginAvailable: if there is none, with the reason for each candidate.
    """
    if request.spec.get_plugin is not None:
        return _build_first(request, _iter_override(request))
    ready = _get_first_ready(request)
    if ready is None:
        raise NoPluginAvailable(str(request), explain(request).candidates)
    try:
        return ready.build()
    except PluginBuildError:
        return _build_first(request, _iter_ready(request))


def _get_first_ready(request: Request) -> Ready | None:
    key = ("best", request)
    found: Ready | None = cache.remember(request.using, key, lambda: _find_first_ready(request))
    return found


def _find_first_ready(request: Request) -> cache.Made:
    skipped: list[PluginInstance] = []
    for row in _iter_pages(request.find_rows().enabled()):
        found = _try_prepare(row)
        if isinstance(found, Ready):
            return cache.Made(found, _get_lifetime(skipped))
        skipped.append(row)
    return cache.Made(None, _get_lifetime(skipped))


def _iter_ready(request: Request) -> Iterator[Ready]:
    for row in _iter_pages(request.find_rows().enabled()):
        found = _try_prepare(row)
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
    """Return what the type's own ``get_plugin`` picks: one instance, or those of one item, best first."""
    plugin_type = PluginType.objects.using(request.using).filter(name=request.spec.name, manager=request.spec.manager)
    row = plugin_type.first()
    picked = request.spec.get_plugin(row) if request.spec.get_plugin is not None and row is not None else None
    if isinstance(picked, PluginInstance):
        return [picked] if request.name in (None, picked.name) else []
    return [] if picked is None else list(request.find_rows().filter(item=picked))


def _iter_override(request: Request) -> Iterator[Ready]:
    for row in _find_override_rows(request):
        found = _try_prepare(row) if find_status_reason(row) is None else None
        if isinstance(found, Ready):
            yield found


# All of them


def get_all(request: Request) -> list[Any]:
    """Return a plugin for each usable instance, best first; an empty list if there is none."""
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
    found = [_try_prepare(row) for row in request.find_rows().enabled()]
    skipped = [candidate.instance for candidate in found if isinstance(candidate, Candidate)]
    return cache.Made([ready for ready in found if isinstance(ready, Ready)], _get_lifetime(skipped))


def iter_failover(request: Request, *, first: bool) -> Iterator[Ready]:
    """Yield what a failover may try, in order: at its ``first`` attempt the type's own choice, then what is usable.

    If nothing is usable because all that could serve are cooling down, the one that is back first is yielded.
    """
    if first and request.spec.get_plugin is not None:
        yield from _iter_override(request)
    usable = get_all_ready(request)
    yield from usable
    if first and not usable:
        yield from _iter_first_back(request)


def _iter_first_back(request: Request) -> Iterator[Ready]:
    for row in request.find_rows().enabled().filter(unavailable_until__gt=timezone.now()).order_by("unavailable_until"):
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


def explain(request: Request) -> Selection:
    """Return every candidate with its reason, and the one that ``get_best`` uses."""
    override = _find_override_rows(request) if request.spec.get_plugin is not None else None
    candidates = [Candidate(row, find_reason(row)) for row in request.find_rows()]
    preferred = candidates
    if override is not None:
        by_row = {candidate.instance: candidate for candidate in candidates}
        preferred = [by_row[row] for row in override if row in by_row]
    chosen = None
    for candidate in preferred:
        if candidate.usable and (failure := _find_build_failure(candidate.instance)):
            candidates[candidates.index(candidate)] = Candidate(candidate.instance, failure)
        elif candidate.usable:
            chosen = candidate.instance
            break
    return Selection(str(request), tuple(candidates), chosen)


def _find_build_failure(row: PluginInstance) -> str | None:
    try:
        prepare(row).build()
    except PluginBuildError as error:
        return str(error)
    return None


def forget_selections() -> None:
    """Let the next selection in this process look at the database, whatever the change token says."""
    cache.forget_all()
