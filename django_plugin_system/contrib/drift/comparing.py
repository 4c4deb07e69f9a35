"""Compare two snapshots of a schema, place by place. Where it is not sure that rows survive, a migration is needed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from django_plugin_system.contrib.drift.describing import get_stored_kind
from django_plugin_system.contrib.drift.snapshots import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import JsonValue

    from django_plugin_system.contrib.drift.snapshots import FieldShape, ItemShape, ModelShape

    Limits = Mapping[str, JsonValue]


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
_WIDER_EXTRA = (("forbid", "ignore"), ("forbid", "allow"), ("ignore", "allow"))
_REMOVABLE_LIMITS = {
    *("allow_inf_nan", "ascii_only", "bound_to", "decimal_places", "max_digits", "max_length", "min_length"),
    *("multiple_of", "pattern", "strict", "uuid_version"),
}
"""Without one of these, more is taken than with it, and nothing is taken differently."""
_BOUNDS = (("ge", "gt", 1), ("le", "lt", -1))
_SUFFIXES = {"list": ("[]",), "set": ("[]",), "dict": ("{key}", "{}"), "secret": ("",)}


def compare_items(old: ItemShape, new: ItemShape) -> list[Change]:
    """Return what changed between two snapshots of an item's schema, in the order of the paths."""
    comparison = _Comparison(old.models, new.models)
    changes = dict.fromkeys(comparison.compare(old.root, new.root, ""))
    return sorted(changes, key=lambda change: (change.path, change.effect))


@dataclass
class _Comparison:
    """Two sets of classes, and the pairs that have been compared: a class may contain itself."""

    old_models: Mapping[str, ModelShape]
    new_models: Mapping[str, ModelShape]
    seen: set[tuple[str, str]] = field(default_factory=set)
    in_doubt: bool = False
    """Whether this is inside a union whose members only pydantic's own choice tells apart."""

    def compare(self, old: Shape, new: Shape, path: str) -> list[Change]:
        """Return the differences between two types."""
        changes = list(_compare_null(old, new, path))
        one_union = (old.kind == "union") != (new.kind == "union")
        # The limits of a type that joins others, or is left of them, are compared with that type.
        before, after = (Shape(kind="") if one_union and shape.kind != "union" else shape for shape in (old, new))
        changes += _compare_limits(before.limits, after.limits, path)
        changes += _compare_functions(before.functions, after.functions, path)
        return changes + self._compare_kinds(old, new, path)

    def _compare_kinds(self, old: Shape, new: Shape, path: str) -> list[Change]:
        if "union" in (old.kind, new.kind):
            return self._compare_unions(old, new, path)
        if (old.kind == "secret") != (new.kind == "secret"):
            return self._compare_secrecy(old, new, path)
        if old.kind != new.kind:
            wider = old.kind == "enum" and new.kind == "string" and all(isinstance(value, str) for value in old.values)
            return [Change(path, Effect.ADDITIVE if wider else Effect.MIGRATION, f"was {old.kind} and is {new.kind}")]
        if old.kind == "model":
            return list(self._compare_models(old.model, new.model, path))
        if len(old.of) != len(new.of) or old.model != new.model:
            return [Change(path, Effect.MIGRATION, f"is another {new.kind} than before")]
        suffixes = _SUFFIXES.get(old.kind) or [f"[{number}]" for number in range(len(old.of))]
        parts = zip(old.of, new.of, suffixes, strict=False)
        inside = [change for before, after, end in parts for change in self.compare(before, after, path + end)]
        return [*_compare_values(old.values, new.values, path), *inside]

    def _compare_secrecy(self, old: Shape, new: Shape, path: str) -> list[Change]:
        if new.kind == "secret":
            text = "was plain and is a secret; plain text that is stored stays readable until it is encrypted"
            return [Change(path, Effect.SECRECY, text), *self._compare_kinds(old, new.of[0], path)]
        text = "was a secret and is plain; stored rows are refused until a step of migrate_config takes the value out"
        return [Change(path, Effect.SECRECY, text), *self._compare_kinds(old.of[0], new, path)]

    def _compare_models(self, old: str, new: str, path: str) -> Iterator[Change]:
        if (old, new) in self.seen:
            return
        self.seen.add((old, new))
        before, after = self.old_models[old], self.new_models[new]
        if old != new:
            yield Change(path, Effect.LABEL, f"class {old} is called {new}")
        yield from _compare_functions(before.functions, after.functions, path)
        yield from _compare_settings(before.settings, after.settings, path)
        start = f"{path}." if path else ""
        added = {name: found for name, found in after.fields.items() if name not in before.fields}
        for name, found in added.items():
            yield Change(start + name, *_judge_added(found, open_before=before.settings.get("extra") == "allow"))
        for name, found in before.fields.items():
            if name in after.fields:
                yield from _compare_presence(found, after.fields[name], start + name)
                yield from self.compare(found.type, after.fields[name].type, start + name)
            else:
                what = "a secret that is stored" if found.type.kind == "secret" else "its value"
                text = f"is gone; the next save would drop {what}{_guess_new_name(found.type, added)}"
                yield Change(start + name, Effect.MIGRATION, text)

    def _compare_unions(self, old: Shape, new: Shape, path: str) -> list[Change]:
        olds, news = _key_members(old, self.old_models), _key_members(new, self.new_models)
        told_alike = old.limits.get("discriminator") == new.limits.get("discriminator")
        if olds is None or news is None or not told_alike or "union_mode" in new.limits:
            return self._compare_unsure(_get_members(old), _get_members(new), path)
        changes = []
        partners = []
        for keys, member in olds:
            partner = next((other for taken, other in news if keys <= taken), None)
            if partner is None:
                changes.append(Change(path, Effect.MIGRATION, f"no longer takes {member.model or member.kind}"))
            else:
                partners.append(id(partner))
                changes += self.compare(member, partner, path)
        texts = [f"takes {one.model or one.kind} now, too" for _keys, one in news if id(one) not in partners]
        return changes + [Change(path, Effect.ADDITIVE, text) for text in texts]

    def _compare_unsure(self, olds: Sequence[Shape], news: Sequence[Shape], path: str) -> list[Change]:
        """Compare unions whose members only pydantic's choice tells apart: any difference may change that choice."""
        if len(olds) != len(news):
            return [Change(path, Effect.MIGRATION, "the members of the union are others than before")]
        inside = self if self.in_doubt else replace(self, seen=set(), in_doubt=True)
        pairs = zip(olds, news, strict=True)
        changes = [change for before, after in pairs for change in inside.compare(before, after, path)]
        return [
            change._replace(effect=Effect.MIGRATION) if change.effect is Effect.ADDITIVE else change
            for change in changes
        ]


# The members of a union


def _get_members(shape: Shape) -> tuple[Shape, ...]:
    return shape.of if shape.kind == "union" else (shape,)


def _key_members(union: Shape, models: Mapping[str, ModelShape]) -> list[tuple[set[str], Shape]] | None:
    """Return each member with what tells a stored value of it from those of the others; None if that is not sure."""
    keyed = [(_find_keys(member, union, models), member) for member in _get_members(union)]
    all_keys = [key for keys, _member in keyed for key in keys]
    return keyed if all(keys for keys, _member in keyed) and len({*all_keys}) == len(all_keys) else None


def _find_keys(member: Shape, union: Shape, models: Mapping[str, ModelShape]) -> set[str]:
    """Return what tells ``member``: its tags in a discriminated union, else what JSON stores it as."""
    if "tag" in member.limits:
        return {_to_text(member.limits["tag"])}
    if "discriminator" in union.limits:
        fields = models[member.model].fields if member.model in models else {}
        found = fields.get(str(union.limits["discriminator"]))
        return set() if found is None else {_to_text(value) for value in found.type.values}
    kind = get_stored_kind(member)
    return set() if kind is None else {kind}


# Fields


def _judge_added(found: FieldShape, *, open_before: bool) -> tuple[Effect, str]:
    what = "secret" if found.type.kind == "secret" else "field"
    if found.required:
        return Effect.MIGRATION, f"is a new {what} without a default"
    if open_before:
        return Effect.MIGRATION, f"is a new {what}, but rows may hold an undeclared value of that name"
    return Effect.ADDITIVE, f"is a new {what} with a default"


def _guess_new_name(gone: Shape, added: Mapping[str, FieldShape]) -> str:
    same = [
        name
        for name, one in added.items()
        if (one.type.kind, one.type.of, one.type.values) == (gone.kind, gone.of, gone.values)
    ]
    return f" (renamed to {' or '.join(same)}? then a step has to move it)" if same else ""


def _compare_presence(old: FieldShape, new: FieldShape, path: str) -> Iterator[Change]:
    """Compare whether a field has to be given, its default and its labels."""
    defaults = [(_to_text(one.default), one.default_factory, one.default_withheld) for one in (old, new)]
    if new.required and not old.required:
        yield Change(path, Effect.MIGRATION, "has no default any more: rows that never stored it are refused")
    elif old.required and not new.required:
        yield Change(path, Effect.ADDITIVE, "has a default now")
    elif defaults[0] != defaults[1]:
        yield Change(path, Effect.ADDITIVE, "has another default; it holds for rows that never stored the field")
    for name in ("title", "description", "aliases"):
        if getattr(old, name) != getattr(new, name):
            yield Change(path, Effect.LABEL, f"has another {name}" if name != "aliases" else "has other aliases")


# What stands around a type


def _compare_null(old: Shape, new: Shape, path: str) -> Iterator[Change]:
    if old.nullable and not new.nullable:
        yield Change(path, Effect.MIGRATION, "can no longer be null")
    elif new.nullable and not old.nullable:
        yield Change(path, Effect.ADDITIVE, "can be null now")


def _compare_functions(old: Sequence[str], new: Sequence[str], path: str) -> Iterator[Change]:
    for name in sorted({*new} - {*old}):
        yield Change(path, Effect.MIGRATION, f"{name} is new")
    for name in sorted({*old} - {*new}):
        effect = Effect.ADDITIVE if name.startswith(_REMOVABLE_VALIDATORS) else Effect.MIGRATION
        yield Change(path, effect, f"{name} is gone")


def _compare_settings(old: Mapping[str, JsonValue], new: Mapping[str, JsonValue], path: str) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if name == "extra":
            before, after = before or "ignore", after or "ignore"
        if _to_text(before) != _to_text(after):
            wider = name == "extra" and (before, after) in _WIDER_EXTRA
            text = f"model_config {name} was {before} and is {after}"
            yield Change(path, Effect.ADDITIVE if wider else Effect.MIGRATION, text)


def _compare_values(old: Sequence[JsonValue], new: Sequence[JsonValue], path: str) -> Iterator[Change]:
    before, after = ({_to_text(value) for value in values} for values in (old, new))
    for text in sorted(before - after):
        yield Change(path, Effect.MIGRATION, f"no longer takes {text}")
    for text in sorted(after - before):
        yield Change(path, Effect.ADDITIVE, f"takes {text} now, too")


def _compare_limits(old: Limits, new: Limits, path: str) -> Iterator[Change]:
    """Yield the differences between two sets of constraints: what gets wider is additive."""
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if _to_text(before) == _to_text(after):
            continue
        bounds = next((bounds for bounds in _BOUNDS if name in bounds), None)
        wider = _is_wider(name, before, after) if bounds is None else _is_wider_bound(old, new, *bounds)
        text = f"{name} {after} is new" if before is None else f"{name} was {before} and is {after}"
        text = f"{name} {before} is gone" if after is None else text
        yield Change(path, Effect.ADDITIVE if wider else Effect.MIGRATION, text)


def _is_wider(name: str, old: JsonValue, new: JsonValue) -> bool:
    if new is None or name == "bound_to":  # a stored secret keeps its tie until it is typed again: any change is read
        return name in _REMOVABLE_LIMITS
    if isinstance(old, int) and isinstance(new, int) and name in {"max_digits", "max_length", "min_length"}:
        return new <= old if name == "min_length" else new >= old
    return False


def _is_wider_bound(old: Limits, new: Limits, inclusive: str, exclusive: str, sign: int) -> bool:
    """Say whether a lower bound is as low as before, or gone; with ``sign`` -1, whether an upper one is as high."""
    before, after = (
        [
            (value * sign, name == exclusive)
            for name in (inclusive, exclusive)
            if isinstance(value := limits.get(name), (int, float))
        ]
        for limits in (old, new)
    )
    return not ({inclusive, exclusive} & new.keys()) or bool(before and after and max(after) <= max(before))


def _to_text(value: JsonValue) -> str:
    return json.dumps(value, sort_keys=True)
