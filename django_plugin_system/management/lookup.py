"""What the ``plugins`` command is about: instances by the names that people type, and what is said of each."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.core.validators import slug_re

from django_plugin_system.models import PluginInstance
from django_plugin_system.registry import registry
from django_plugin_system.rows.reasons import find_reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_plugin_system.querysets import PluginInstanceQuerySet
    from django_plugin_system.registry import TypeSpec

PAGE = 500
"""How many instances are in memory at once."""
_SHOWN = 10
WRONG_CALL = 2
"""What a command exits with that was not told clearly what is meant; 1 says that what was asked for is not well."""


def get_rows(alias: str) -> PluginInstanceQuerySet:
    """Return all instances, with what is said of them."""
    rows: PluginInstanceQuerySet = PluginInstance.objects.using(alias).select_related("item__plugin_type", "health")
    return rows


def iter_pages(rows: PluginInstanceQuerySet) -> Iterator[list[PluginInstance]]:
    """Yield ``rows`` in the order of their names, a page at a time: no statement stays open meanwhile."""
    keys = list(rows.order_by("item__plugin_type__name", "name", "item__name", "pk").values_list("pk", flat=True))
    for start in range(0, len(keys), PAGE):
        found = rows.in_bulk(keys[start : start + PAGE])
        yield [found[key] for key in keys[start : start + PAGE] if key in found]


def find_instance(name: str, alias: str, scope: str | None = None) -> PluginInstance:
    """Return the instance that is known by its name, ``item/name``, ``type/item/name`` or its id.

    With ``scope``, only those of it count; an empty one means everybody's.

    :raises CommandError: if there is none, or more than one.
    """
    rows = get_rows(alias)
    if scope is not None:
        rows = rows.in_scope(scope, shared=not scope)
    with suppress(ValueError):
        if row := rows.filter(pk=uuid.UUID(name)).first():
            return row
    *owners, last = name.split("/")
    found = list(rows.named(last).order_by("item__name", "pk")) if slug_re.match(last) else []
    if owners:
        found = [row for row in found if name in (_spell(row), f"{row.item.name}/{row.name}")]
    if len(found) == 1:
        return found[0]
    if not found:
        raise CommandError(f"There is no instance {name}: see plugins list.", returncode=WRONG_CALL)
    spelled = [f"{_spell(row)}{f' of {row.scope}' if row.scope else ''} ({row.pk})" for row in found[:_SHOWN]]
    more = ", ..." if len(found) > _SHOWN else ""
    raise CommandError(
        f"Several instances are called {name}: say item/name, type/item/name, --scope or the id: "
        f"{', '.join(spelled)}{more}.",
        returncode=WRONG_CALL,
    )


def find_own(name: str, alias: str, scope: str | None = None) -> PluginInstance:
    """Return the instance, which operators may change.

    :raises CommandError: if a file manages it; or as ``find_instance``.
    """
    row = find_instance(name, alias, scope)
    if row.managed_by:
        raise CommandError(f"{row} is managed by {row.managed_by}: change it there, then run pluginapply.")
    return row


def _spell(row: PluginInstance) -> str:
    return f"{row.item.plugin_type.name}/{row.item.name}/{row.name}"


def find_type(name: str) -> TypeSpec:
    """Return the type that is known by its name, or as ``manager/name``.

    :raises CommandError: if there is none, or more than one.
    """
    found = [spec for spec in registry.types.values() if name in (spec.name, f"{spec.manager}/{spec.name}")]
    if len(found) == 1:
        return found[0]
    known = ", ".join(sorted(f"{spec.manager}/{spec.name}" for spec in found or registry.types.values()))
    problem = f"Several types are called {name}" if found else f"There is no plugin type {name}"
    raise CommandError(f"{problem}; there are: {known or 'none'}.", returncode=WRONG_CALL)


def describe(row: PluginInstance) -> dict[str, Any]:
    """Return what is said of ``row``, as JSON, without its configuration."""
    reason = find_reason(row)
    item = row.item
    return {
        "id": str(row.pk),
        "type": item.plugin_type.name,
        "manager": item.plugin_type.manager,
        "item": item.name,
        "module": item.module,
        "name": row.name,
        "scope": row.scope,
        "managed_by": row.managed_by,
        "status": row.status,
        "priority": row.effective_priority,
        "usable": reason is None,
        "reason": None if reason is None else str(reason),
    }
