"""Instances by the names that people type, for the ``plugins`` command: what is said of each, and its fields."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from django.core.management.base import CommandError
from django.core.validators import slug_re
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.config.json_tree import INSIDE, look_up, parse_json, replace_json
from django_plugin_system.config.references import read_reference
from django_plugin_system.config.undeclared import drop
from django_plugin_system.exceptions import FieldProblem, InvalidConfig, Path
from django_plugin_system.models import PluginInstance
from django_plugin_system.registry import TypeSpec, registry
from django_plugin_system.rows.config import open_current
from django_plugin_system.rows.reasons import find_reason
from django_plugin_system.rows.traceback_safety import Concealed, leaving_frames_behind
from django_plugin_system.schema.tree import get_tree
from django_plugin_system.schema.values import find_secrets

if TYPE_CHECKING:
    from django_plugin_system.querysets import PluginInstanceQuerySet

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
    how = "say item/name, type/item/name, --scope or the id"
    raise CommandError(f"Several instances are called {name}: {how}: {_list(found)}.", returncode=WRONG_CALL)


def _list(rows: list[PluginInstance]) -> str:
    spelled = [f"{_spell(row)}{f' of {row.scope}' if row.scope else ''} ({row.pk})" for row in rows[:_SHOWN]]
    return ", ".join([*spelled, *["..."] * (len(rows) > _SHOWN)])


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


@sensitive_variables()
def read_value(stream: TextIO) -> str:
    """Return all that a stream gives, without the line end that most tools put at its end."""
    text = stream.read()
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def is_secret(row: PluginInstance, path: Path) -> bool:
    """Say whether the field at ``path`` of the configuration of ``row`` is, or may hold, a secret."""
    schema = row.item.config_schema
    if schema is None:
        return True
    try:
        data = _put(open_current(row).stored, path, "?", str(row))
    except InvalidConfig:
        return True
    return any(place[: len(path)] == path for place, _value in find_secrets(get_tree(schema), data))


@leaving_frames_behind
def set_field(row: PluginInstance, alias: str, path: Path, text: Concealed | None) -> None:
    """Put ``text`` where ``path`` leads in the configuration of ``row``; None takes away what is there.

    What is no text is given as JSON, if no text fits: a number, a list, ``null``; and a reference.

    :raises ConfigError: if the result is not valid; nothing was written.
    """
    with PluginInstance.objects.using(alias).locked(row.pk) as held:
        stored = open_current(held).stored
        if text is None:
            held.set_config(drop(stored, {path}))
            return
        spelled = Concealed(_read_json(text.config))
        given = text if read_reference(spelled.config) is None else spelled
        try:
            held.set_config(_put(stored, path, given.config, str(row)))
        except InvalidConfig:
            held.set_config(_put(stored, path, spelled.config, str(row)))


@sensitive_variables()
def _read_json(text: str) -> Any:
    """Return what ``text`` says as JSON, if that is more than a text."""
    with suppress(ValueError):
        found = parse_json(text)
        return text if isinstance(found, str) else found
    return text


@sensitive_variables()
def _put(data: Any, path: Path, value: Any, subject: str) -> Any:
    """Return a copy of ``data`` with ``value`` at ``path``; objects on the way are made where there are none.

    :raises InvalidConfig: if the path leads into something else.
    """
    known = next(path[:end] for end in range(len(path), -1, -1) if look_up(data, path[:end]))
    if known != path:
        [parent], (key, *rest) = look_up(data, known), path[len(known) :]
        for name in reversed(rest):
            value = {name: value}
        if isinstance(parent, dict):
            value = {**parent, key: value}
        elif isinstance(parent, list) and key == str(len(parent)):
            value = [*parent, value]
        else:
            problem = FieldProblem(path[len(known) :], "there is no such place in what is stored")
            raise InvalidConfig(subject, [problem])
    return replace_json(data, lambda at, _value: value if at == known else INSIDE)
