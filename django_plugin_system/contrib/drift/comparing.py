"""Compare two snapshots of a schema, place by place. Where it is not sure that rows survive, a migration is needed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from django_plugin_system.contrib.drift.describing import are_told_apart, get_stored_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pydantic import JsonValue

    from django_plugin_system.contrib.drift.snapshots import FieldShape, ItemShape, ModelShape, Shape

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
_SUFFIXES = {"list": ("[]",), "set": ("[]",), "dict": ("{key}", "{}")}
_WIDER_EXTRA = (("forbid", "ignore"), ("forbid", "allow"), ("ignore", "allow"))


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
        old_side, new_side = (one_union and shape.kind != "union" for shape in (old, new))
        changes += compare_limits({} if old_side else old.limits, {} if new_side else new.limits, path)
        changes += _compare_functions(() if old_side else old.functions, () if new_side else new.functions, path)
        return changes + self._compare_kinds(old, new, path)

    def _compare_kinds(self, old: Shape, new: Shape, path: str) -> list[Change]:
        if "union" in (old.kind, new.kind):
            return self._compare_unions(old, new, path)
        if (old.kind == "secret") != (new.kind == "secret"):
            return self._compare_secrecy(old, new, path)
        if old.kind != new.kind:
            wider = old.kind == "enum" and _are_all(old.values, new.kind)
            return [Change(path, Effect.ADDITIVE if wider else Effect.MIGRATION, f"was {old.kind} and is {new.kind}")]
        if old.kind == "model":
            return self._compare_models(old.model, new.model, path)
        return [*_compare_values(old.values, new.values, path), *self._compare_parts(old, new, path)]

    def _compare_parts(self, old: Shape, new: Shape, path: str) -> list[Change]:
        """Compare what stands in the brackets of two types of the same kind."""
        if len(old.of) != len(new.of) or old.model != new.model:
            return [Change(path, Effect.MIGRATION, f"is another {new.kind} than before")]
        suffixes = _SUFFIXES.get(old.kind) or [f"[{number}]" for number in range(len(old.of))]
        suffixes = [""] if old.kind == "secret" else suffixes
        parts = zip(old.of, new.of, suffixes, strict=True)
        return [change for before, after, end in parts for change in self.compare(before, after, path + end)]

    def _compare_secrecy(self, old: Shape, new: Shape, path: str) -> list[Change]:
        if new.kind == "secret":
            text = "was plain and is a secret; plain text that is stored stays readable until it is encrypted"
            return [Change(path, Effect.SECRECY, text), *self._compare_kinds(old, new.of[0], path)]
        text = "was a secret and is plain; stored rows are refused until a step of migrate_config takes the value out"
        return [Change(path, Effect.SECRECY, text), *self._compare_kinds(old.of[0], new, path)]

    def _compare_models(self, old: str, new: str, path: str) -> list[Change]:
        if (old, new) in self.seen:
            return []
        self.seen.add((old, new))
        before, after = self.old_models[old], self.new_models[new]
        changes = [Change(path, Effect.LABEL, f"class {old} is called {new}")] if old != new else []
        changes += _compare_functions(before.functions, after.functions, path)
        changes += _compare_settings(before.settings, after.settings, path)
        changes += compare_fields(before, after, path)
        for name in sorted({*before.fields} & {*after.fields}):
            changes += self.compare(before.fields[name].type, after.fields[name].type, _join(path, name))
        return changes

    def _compare_unions(self, old: Shape, new: Shape, path: str) -> list[Change]:
        olds, news = (shape.of if shape.kind == "union" else (shape,) for shape in (old, new))
        if (partners := self._find_partners(old, new)) is None:
            return self._compare_unsure(olds, news, path)
        changes = []
        for member, partner in zip(olds, partners, strict=True):
            if partner is None:
                changes.append(Change(path, Effect.MIGRATION, f"no longer takes {_name_shape(member)}"))
            else:
                changes += self.compare(member, partner, path)
        added = [member for member in news if not any(member is partner for partner in partners)]
        return changes + [Change(path, Effect.ADDITIVE, f"takes {_name_shape(member)} now, too") for member in added]

    def _find_partners(self, old: Shape, new: Shape) -> list[Shape | None] | None:
        """Return, for each member of ``old``, the member of ``new`` that its values go to; None if that is not sure."""
        olds, news = (shape.of if shape.kind == "union" else (shape,) for shape in (old, new))
        if "union_mode" in new.limits:
            return None
        tags = [_find_tags(member, new, self.new_models) for member in news]
        if old.kind == new.kind and all(tags):
            wanted = [_find_tags(member, old, self.old_models) for member in olds]
            return [_find_tagged(want, news, tags) for want in wanted] if all(wanted) else None
        if "discriminator" in {*old.limits, *new.limits} or not are_told_apart(olds) or not are_told_apart(news):
            return None
        by_kind = {get_stored_kind(member): member for member in news}
        return [by_kind.get(get_stored_kind(member)) for member in olds]

    def _compare_unsure(self, olds: Sequence[Shape], news: Sequence[Shape], path: str) -> list[Change]:
        """Compare unions whose members only pydantic's choice tells apart: any difference may change that choice."""
        if len(olds) != len(news):
            return [Change(path, Effect.MIGRATION, "the members of the union are others than before")]
        inside = self if self.in_doubt else replace(self, seen=set(), in_doubt=True)
        pairs = zip(olds, news, strict=True)
        changes = [change for before, after in pairs for change in inside.compare(before, after, path)]
        return [
            change if change.effect in (Effect.LABEL, Effect.SECRECY) else change._replace(effect=Effect.MIGRATION)
            for change in changes
        ]


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
    before, after = ({_to_text(value): value for value in values} for values in (old, new))
    for text in sorted({*before} - {*after}):
        yield Change(path, Effect.MIGRATION, f"no longer takes {text}")
    for text in sorted({*after} - {*before}):
        yield Change(path, Effect.ADDITIVE, f"takes {text} now, too")


def _are_all(values: Sequence[JsonValue], kind: str) -> bool:
    wanted: Any = {"string": str, "integer": int}.get(kind)
    return wanted is not None and all(type(value) is wanted for value in values)


def _find_tags(member: Shape, union: Shape, models: Mapping[str, ModelShape]) -> set[str]:
    """Return the texts by which a discriminated ``union`` tells ``member``; none if they cannot be told."""
    if "tag" in member.limits:
        return {_to_text(member.limits["tag"])}
    discriminator = union.limits.get("discriminator")
    found: FieldShape | None = models[member.model].fields.get(str(discriminator)) if member.model in models else None
    return set(map(_to_text, found.type.values)) if found is not None else set()


def _find_tagged(wanted: set[str], members: Sequence[Shape], tags: Sequence[set[str]]) -> Shape | None:
    """Return the first of ``members`` that all ``wanted`` tags lead to; ``tags`` has those of each member."""
    return next((member for member, has in zip(members, tags, strict=True) if wanted <= has), None)


def _name_shape(shape: Shape) -> str:
    return shape.model or shape.kind


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _to_text(value: JsonValue) -> str:
    return json.dumps(value, sort_keys=True)


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


_REMOVABLE_LIMITS = {
    "allow_inf_nan",
    "ascii_only",
    "bound_to",
    "decimal_places",
    "ge",
    "gt",
    "le",
    "lt",
    "max_digits",
    "max_length",
    "min_length",
    "multiple_of",
    "pattern",
    "strict",
    "uuid_version",
}
"""Without one of these, more is taken than with it, and nothing is taken differently."""
_BOUND = "bound_to"
"""What a secret belongs to: a stored one keeps its tie until it is entered again, so any change of it is read."""
_HARMLESS = (("allow_inf_nan", True), ("strict", False))
"""What limits nothing; ``strict=False`` takes no strictness away that a class could not have taken away itself."""
_LOWER, _UPPER = ("ge", "gt"), ("le", "lt")


def compare_limits(old: Limits, new: Limits, path: str) -> list[Change]:
    """Return the differences between two sets of constraints."""
    changes = [*_compare_bounds(old, new, path, _LOWER, 1), *_compare_bounds(old, new, path, _UPPER, -1)]
    for name in sorted({*old, *new} - {*_LOWER, *_UPPER}):
        before, after = old.get(name), new.get(name)
        if _is_same(before, after):
            continue
        effect = Effect.ADDITIVE if _is_wider(name, before, after) else Effect.MIGRATION
        changes.append(Change(path, effect, _show_limit(name, before, after)))
    return changes


def _compare_bounds(old: Limits, new: Limits, path: str, names: Sequence[str], sign: int) -> Iterator[Change]:
    """Compare the lower bounds of two shapes; with ``sign`` -1, the upper ones."""
    inclusive, exclusive = names
    for name in names:
        if name in new and not _is_same(old.get(name), new[name]):
            wider = any(
                _is_at_most(new[name], old[other], sign, strictly=name == exclusive and other == inclusive)
                for other in names
                if other in old
            )
            text = _show_limit(name, old.get(name), new[name])
            yield Change(path, Effect.ADDITIVE if wider else Effect.MIGRATION, text)
        elif name in old and name not in new:
            yield Change(path, Effect.ADDITIVE, _show_limit(name, old[name], None))


def _is_at_most(new: JsonValue, old: JsonValue, sign: int, *, strictly: bool) -> bool:
    if not _is_number(new) or not _is_number(old):
        return False
    return sign * new < sign * old or (new == old and not strictly)  # type: ignore[operator]


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_same(one: JsonValue, other: JsonValue) -> bool:
    return one == other and type(one) is type(other)


def _is_wider(name: str, old: JsonValue, new: JsonValue) -> bool:
    if (name, new) in _HARMLESS and isinstance(new, bool):
        return True
    if new is None or name == _BOUND:
        return name in _REMOVABLE_LIMITS
    compare = _WIDER.get(name)
    return compare is not None and type(old) is type(new) is int and compare(old, new)


_WIDER: dict[str, Callable[[int, int], bool]] = {
    "max_digits": lambda old, new: new >= old,
    "max_length": lambda old, new: new >= old,
    "min_length": lambda old, new: new <= old,
    "multiple_of": lambda old, new: new != 0 and old % new == 0,
}


def _show_limit(name: str, old: JsonValue, new: JsonValue) -> str:
    if old is None:
        return f"{name} {new} is new"
    return f"{name} {old} is gone" if new is None else f"{name} was {old} and is {new}"
