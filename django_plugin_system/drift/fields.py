"""Compare which fields two classes have, whether they must be given, their defaults and their labels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django_plugin_system.drift.changes import Change, Effect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_plugin_system.drift.shapes import FieldShape, ModelShape, Shape


def compare_fields(old: ModelShape, new: ModelShape, path: str) -> Iterator[Change]:
    """Yield what changed between the fields of two classes, but for the types of fields that both have."""
    gone = {name: old.fields[name] for name in sorted({*old.fields} - {*new.fields})}
    added = {name: new.fields[name] for name in sorted({*new.fields} - {*old.fields})}
    start = f"{path}." if path else ""
    for name, found in gone.items():
        what = "a secret that is stored" if found.type.kind == "secret" else "its value"
        hint = _find_new_name(found, added)
        yield Change(f"{start}{name}", Effect.MIGRATION, f"is gone; the next save would drop {what}{hint}")
    for name, found in added.items():
        yield Change(f"{start}{name}", *_judge_added(found, open_before=old.settings.get("extra") == "allow"))
    for name in sorted({*old.fields} & {*new.fields}):
        yield from _compare_presence(old.fields[name], new.fields[name], f"{start}{name}")
        yield from _compare_labels(old.fields[name], new.fields[name], f"{start}{name}")


def _judge_added(found: FieldShape, *, open_before: bool) -> tuple[Effect, str]:
    what = "secret" if found.type.kind == "secret" else "field"
    if found.required:
        return Effect.MIGRATION, f"is a new {what} without a default"
    if open_before:
        return Effect.MIGRATION, f"is a new {what}, but rows may hold an undeclared value of that name"
    return Effect.ADDITIVE, f"is a new {what} with a default"


def _find_new_name(gone: FieldShape, added: dict[str, FieldShape]) -> str:
    same = [name for name, found in added.items() if _is_alike(found.type, gone.type)]
    return f" (renamed to {' or '.join(same)}? then a step has to move it)" if same else ""


def _is_alike(one: Shape, other: Shape) -> bool:
    return (one.kind, one.of, one.values) == (other.kind, other.of, other.values)


def _compare_presence(old: FieldShape, new: FieldShape, path: str) -> Iterator[Change]:
    if new.required and not old.required:
        yield Change(path, Effect.MIGRATION, "has no default any more: rows that never stored it are refused")
    elif old.required and not new.required:
        yield Change(path, Effect.ADDITIVE, "has a default now")
    elif _get_default(old) != _get_default(new):
        yield Change(path, Effect.ADDITIVE, "has another default; it holds for rows that never stored the field")


def _get_default(found: FieldShape) -> tuple[object, ...]:
    return json.dumps(found.default, sort_keys=True), found.default_factory, found.default_withheld


def _compare_labels(old: FieldShape, new: FieldShape, path: str) -> Iterator[Change]:
    for name in ("title", "description", "aliases"):
        if getattr(old, name) != getattr(new, name):
            yield Change(path, Effect.LABEL, f"has another {name}" if name != "aliases" else "has other aliases")
