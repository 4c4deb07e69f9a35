"""Compare two snapshots of a schema, place by place. Where it is not sure that rows survive, a migration is needed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from django_plugin_system.contrib.drift.snapshots import ItemShape, Place, TypeShape, join

if TYPE_CHECKING:
    from pydantic import JsonValue

    Rules = Mapping[str, JsonValue]


class Effect(IntEnum):
    """What a change asks of the developer; the highest of several changes counts."""

    LABEL = 1
    """Only people see it."""
    ADDITIVE = 2
    """Every stored configuration is still read, as what it was."""
    MIGRATION = 3
    """A stored configuration may no longer be read, or not as what it was; also where that is not sure."""
    SECRECY = 4
    """A value becomes a secret, or stops being one."""


class Change(NamedTuple):
    """A difference at ``path``, as people write it: ``login.password``, ``tags[]``."""

    path: str
    effect: Effect
    text: str

    def __str__(self) -> str:
        return f"{self.path or '(root)'}: {self.text}"


_REMOVABLE_VALIDATORS = ("AfterValidator ", "field_validator(after) ", "model_validator(after) ", "Predicate ")
"""Validators that got a value which was of the right type already, so that it is taken without them, too."""
_BOUNDS = ((("ge", "gt"), 1), (("le", "lt"), -1), (("min_length",), 1), (("max_length",), -1), (("max_digits",), -1))
"""Limits, exclusive ones last, each with 1 if a higher one takes less."""
_REMOVABLE_LIMITS = {
    *(name for names, _sign in _BOUNDS for name in names),
    *("allow_inf_nan", "ascii_only", "decimal_places", "multiple_of", "pattern", "strict", "uuid_version"),
}
"""Without one of these, more is taken than with it, and nothing is taken differently."""
_EXTRA = ("forbid", "ignore", "allow")


def compare_items(old: ItemShape, new: ItemShape) -> list[Change]:
    """Return what changed between two snapshots of an item's schema, in the order of the paths."""
    changes = dict.fromkeys(_compare_places(old.root, new.root, ""))
    return sorted(changes, key=lambda change: (change.path, change.effect))


def _compare_places(old: Place, new: Place, path: str) -> Iterator[Change]:
    """Yield the differences between what may stand at a place."""
    if old.default and not new.default:
        yield Change(path, Effect.MIGRATION, "has no default any more: rows that never stored it are refused")
    elif new.default and not old.default:
        yield Change(path, Effect.ADDITIVE, "has a default now")
    elif old.default != new.default:
        yield Change(path, Effect.ADDITIVE, "has another default; it holds for rows that never stored the field")
    for name in ("title", "description", "aliases"):
        if getattr(old, name) != getattr(new, name):
            yield Change(path, Effect.LABEL, f"has another {name}".replace("another aliases", "other aliases"))
    for key in sorted({*old.types, *new.types}):
        for change in _compare_types(old.types.get(key), new.types.get(key), path):
            # Where only pydantic's own choice tells types apart, any difference may change that choice.
            in_doubt = key.startswith("?") and change.effect is Effect.ADDITIVE
            yield change._replace(effect=Effect.MIGRATION) if in_doubt else change


def _compare_types(old: TypeShape | None, new: TypeShape | None, path: str) -> Iterator[Change]:
    if old is None or new is None:
        yield from _compare_values(path, [str(old)] if old else [], [str(new)] if new else [])
        return
    if new.secret and not old.secret:
        text = "was plain and is a secret; plain text that is stored stays readable until it is encrypted"
        yield Change(path, Effect.SECRECY, text)
    elif old.secret and not new.secret:
        text = "was a secret and is plain; stored rows are refused until a step of migrate_config takes the value out"
        yield Change(path, Effect.SECRECY, text)
    yield from _compare_rules(path, old.rules, new.rules)
    if old.kind != new.kind:
        is_wider = (old.kind, new.kind) == ("enum", "string") and all(isinstance(value, str) for value in old.values)
        effect = Effect.ADDITIVE if is_wider else Effect.MIGRATION
        yield Change(path, effect, f"was {old.kind} and is {new.kind}")
        return
    if old.model != new.model:
        yield Change(path, Effect.LABEL, f"class {old.model} is called {new.model}")
    yield from _compare_values(path, map(_to_text, old.values), map(_to_text, new.values))
    yield from _compare_parts(old, new, path)


def _compare_parts(old: TypeShape, new: TypeShape, path: str) -> Iterator[Change]:
    added = {name: part for name, part in new.parts.items() if name not in old.parts}
    for name, part in added.items():
        yield Change(join(path, name), *_judge_added(part, open_before=old.rules.get("model_config extra") == "allow"))
    for name, part in old.parts.items():
        if name in new.parts:
            yield from _compare_places(part, new.parts[name], join(path, name))
        else:
            text = f"is gone; what is stored is not read any more{_guess_new_name(part, added)}"
            yield Change(join(path, name), Effect.MIGRATION, text)


def _judge_added(part: Place, *, open_before: bool) -> tuple[Effect, str]:
    what = "secret" if any(shape.secret for shape in part.types.values()) else "field"
    if not part.default:
        return Effect.MIGRATION, f"is a new {what} without a default"
    if open_before:
        return Effect.MIGRATION, f"is a new {what}, but rows may hold an undeclared value of that name"
    return Effect.ADDITIVE, f"is a new {what} with a default"


def _guess_new_name(gone: Place, added: Mapping[str, Place]) -> str:
    kinds = [(shape.kind, shape.secret) for shape in gone.types.values()]
    same = [
        name for name, part in added.items() if kinds == [(shape.kind, shape.secret) for shape in part.types.values()]
    ]
    return f" (renamed to {' or '.join(same)}? then a step has to move it)" if same else ""


# What stands around a type


def _compare_values(path: str, old: Iterable[str], new: Iterable[str]) -> Iterator[Change]:
    before, after = {*old}, {*new}
    yield from (Change(path, Effect.MIGRATION, f"no longer takes {text}") for text in sorted(before - after))
    yield from (Change(path, Effect.ADDITIVE, f"takes {text} now, too") for text in sorted(after - before))


def _compare_rules(path: str, old: Rules, new: Rules) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        value = {**old, **new}[name]
        text = f"{name if value is None else f'{name} {value}'} is {'new' if name in new else 'gone'}"
        if name in old and name in new:
            if _to_text(old[name]) == _to_text(new[name]):
                continue
            text = f"{name} was {old[name]} and is {new[name]}"
        yield Change(path, Effect.ADDITIVE if _is_wider(name, old, new) else Effect.MIGRATION, text)


def _is_wider(name: str, old: Rules, new: Rules) -> bool:
    """Say whether the ``new`` rule of this name, or its absence, lets everything through that the ``old`` one did."""
    if name == "model_config extra":
        was, is_now = (_EXTRA.index(str(rules.get(name, "ignore"))) for rules in (old, new))
        return is_now > was
    for names, sign in _BOUNDS:
        if name in names and not new.keys().isdisjoint(names):
            before, after = (
                [(value * sign, one != names[0]) for one in names if isinstance(value := rules.get(one), (int, float))]
                for rules in (old, new)
            )
            return bool(before and after) and max(after) <= max(before)
    if name == "bound_to":  # a stored secret stays bound as it was until it is typed again
        return True
    return name not in new and (name in _REMOVABLE_LIMITS or name.startswith(_REMOVABLE_VALIDATORS))


def _to_text(value: JsonValue) -> str:
    return json.dumps(value, sort_keys=True)
