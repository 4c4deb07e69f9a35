"""What selection works on: what a caller asked for, and what building a plugin from a row takes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, router
from django.db.models import F
from django.db.models.functions import Now
from typing_extensions import TypedDict

from django_plugin_system.changes import get_place
from django_plugin_system.config.references import Resolver
from django_plugin_system.exceptions import ConfigError, make_printable
from django_plugin_system.models import PluginInstance
from django_plugin_system.overrides import find_override, overrides
from django_plugin_system.querysets import NAME_LENGTH, PluginInstanceQuerySet, find_scopes, is_storable
from django_plugin_system.registry import TypeSpec, registry
from django_plugin_system.rows.reasons import describe_row_error

LEFT = F("health__unavailable_until") - Now()
"""How long a cooldown lasts still."""
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
    used: Resolver = field(default_factory=Resolver)
    """What its references gave, which need not be what they give by now."""


class Request(NamedTuple):
    """What a caller asked for: a type, perhaps a name, in the database ``using``, for a scope."""

    spec: TypeSpec
    name: str | None
    using: str
    scope: str | None
    scopes: tuple[str, ...]
    """Those that may serve, best first; none, if there cannot be what is asked for."""
    asked: tuple[Hashable, ...]
    """The caller's arguments."""
    fake: Ready | None = None
    """What a test put in the place of the plugins asked for; its ``instance`` is a row that was never saved."""

    def __str__(self) -> str:
        named = "" if self.name is None else f" named {make_printable(str(self.name)[:NAME_LENGTH])}"
        scoped = f" in scope {make_printable(self.scope[:NAME_LENGTH])}" if self.scope else ""
        return f"{self.spec}{named}{scoped}"

    @property
    def key(self) -> tuple[Hashable, ...]:
        """What the answer is kept under: the tables that it is from, and what was asked for, as it was put."""
        return (get_place(self.using), *self.asked)

    def find_rows(self) -> PluginInstanceQuerySet:
        """Return the instances asked for, in order, each with what is ``left`` of its cooldown."""
        rows = PluginInstance.objects.using(self.using).for_type(*self.spec.key).filter(scope__in=self.scopes)
        return complete(rows if self.name is None or not self.scopes else rows.named(self.name))

    def get_rows(self, ids: Iterable[UUID]) -> PluginInstanceQuerySet:
        """Return some of these instances, in order: by ids alone, as a database might else look through all of them."""
        return complete(PluginInstance.objects.using(self.using).filter(pk__in=list(ids)))


def complete(rows: PluginInstanceQuerySet) -> PluginInstanceQuerySet:
    """Return ``rows`` in order, with all that selection reads of them."""
    return rows.select_related("item__plugin_type", "health").annotate(left=LEFT).in_order()


class Where(TypedDict, total=False):
    """Where callers look for an instance: whose it is, and in which database."""

    scope: str | None
    shared: bool
    using: str | None


class ById(Where, total=False):
    """What callers may say of an instance whose id they know, each by keyword."""

    disabled: bool


class Wanted(Where, total=False):
    """What callers may say of the instance that they want, each by keyword."""

    name: str | None


def make_request(
    ref: object,
    manager: str | None,
    name: str | None = None,
    using: str | None = None,
    *,
    scope: str | None = None,
    shared: bool = True,
) -> Request:
    """Return the request for a type by interface, or by name and manager.

    :raises PluginTypeNotFound, AmbiguousPluginType: if it is not clear which type is meant.
    :raises TypeError: if the scope is no text.
    """
    spec, fake = registry.get_type(ref, manager), None
    scopes = find_scopes(scope, shared=shared)
    if name is not None and not is_storable(name):
        scopes = ()
    if overrides and (override := find_override(spec.key, name, scope or "")):
        row = PluginInstance(name=f"override_plugin({override})"[:NAME_LENGTH], scope=scope or "")
        fake = Ready(override.rows.setdefault(row.scope, row), override.build)
    asked = (ref, manager, name, scope if scope in {None, *scopes} else scopes, shared)
    return Request(spec, name, using or get_alias(), scope, scopes, asked, fake)


def get_alias() -> str:
    """Return the database to read from when the caller names none; routers, if there are any, are asked each time."""
    return router.db_for_read(PluginInstance) if router.routers else DEFAULT_DB_ALIAS


def prepare(row: PluginInstance) -> Ready:
    """Return what building a plugin from ``row`` takes.

    :raises ConfigError: if its configuration cannot be read.
    """
    used = Resolver()
    return Ready(row, row.make_builder(used), used)


def try_prepare(row: PluginInstance) -> Ready | None:
    """Return what building a plugin from ``row`` takes, or None, and the reason in the log, if it cannot be read."""
    try:
        return prepare(row)
    except ConfigError as error:
        reason = describe_row_error(row, error)
    logger.warning("Plugin instance %s (%s) is skipped: %s", row, row.pk, reason)
    return None
