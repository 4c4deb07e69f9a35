"""What selection works on: a request, the rows that could serve it, and what building a plugin from one takes."""

from __future__ import annotations

import copy
import datetime as dt
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import router
from django.utils import timezone

from django_plugin_system import cache
from django_plugin_system.config.copies import copy_config, is_flat
from django_plugin_system.configuration import read_config, require_class
from django_plugin_system.exceptions import ConfigError
from django_plugin_system.models import PluginInstance
from django_plugin_system.plugin import build_plugin
from django_plugin_system.registry import TypeSpec, registry
from django_plugin_system.usability import describe_config_error, find_reason, is_cooling_down

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def try_prepare(row: PluginInstance) -> Ready | Candidate:
    """Return what building a plugin from ``row`` takes, or why there is none to be built now."""
    if is_cooling_down(row):
        return Candidate(row, find_reason(row))
    try:
        return prepare(row)
    except ConfigError as error:
        reason = describe_config_error(error)
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


_FIRST_PAGE, _PAGE_GROWTH = 1, 20


def iter_pages(rows: PluginInstanceQuerySet) -> Iterator[PluginInstance]:
    """Yield ``rows`` a page at a time, the first page a single row: it nearly always is the one."""
    start, size = 0, _FIRST_PAGE
    while page := list(rows[start : start + size]):
        yield from page
        if len(page) < size:
            return
        start, size = start + size, size * _PAGE_GROWTH
