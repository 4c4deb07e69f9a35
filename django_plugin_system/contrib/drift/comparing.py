"""Compare two snapshots of a schema, place by place. Where it is not sure that rows survive, a migration is needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from django_plugin_system.contrib.drift.snapshots import FieldShape, ItemShape, ModelShape, Shape

if TYPE_CHECKING:
    from pydantic import JsonValue

    Facts = Mapping[str, JsonValue]


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
    *("allow_inf_nan", "ascii_only", "bound_to", "decimal_places", "multiple_of", "pattern", "strict", "uuid_version"),
}
"""Without one of these, more is taken than with it, and nothing is taken differently."""
_EXTRA = ("forbid", "ignore", "allow")
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

    def compare(self, old: Shape, new: Shape, path: str) -> Iterator[Change]:
        """Yield the differences between two types."""
        # The limits of a type that joins others, or is left of them, are compared with that type.
        is_joined = (old.kind == "union") != (new.kind == "union")
        before, after = (Shape(kind="") if is_joined and shape.kind != "union" else shape for shape in (old, new))
        yield from _compare_facts(path, before.limits, after.limits, _is_wider_limit)
        yield from _compare_functions(path, before.functions, after.functions)
        yield from _compare_values(path, ["null"] * old.nullable, ["null"] * new.nullable)
        if "union" in (old.kind, new.kind):
            yield from self._compare_unions(old, new, path)
        elif (old.kind == "secret") != (new.kind == "secret"):
            yield from self._compare_secrecy(old, new, path)
        elif old.kind != new.kind:
            yield Change(path, _judge_kinds(old, new), f"was {old.kind} and is {new.kind}")
        elif old.kind == "model":
            yield from self._compare_models(old.model, new.model, path)
        elif len(old.of) != len(new.of) or old.model != new.model:
            yield Change(path, Effect.MIGRATION, f"is another {new.kind} than before")
        else:
            yield from self._compare_parts(old, new, path)

    def _compare_parts(self, old: Shape, new: Shape, path: str) -> Iterator[Change]:
        yield from _compare_values(path, map(_to_text, old.values), map(_to_text, new.values))
        suffixes = _SUFFIXES.get(old.kind) or [f"[{number}]" for number in range(len(old.of))]
        for inner, its_new, suffix in zip(old.of, new.of, suffixes, strict=False):
            yield from self.compare(inner, its_new, path + suffix)

    def _compare_secrecy(self, old: Shape, new: Shape, path: str) -> Iterator[Change]:
        text = "was plain and is a secret; plain text that is stored stays readable until it is encrypted"
        if old.kind == "secret":
            text = (
                "was a secret and is plain; stored rows are refused until a step of migrate_config takes the value out"
            )
        yield Change(path, Effect.SECRECY, text)
        before, after = (shape.of[0] if shape.kind == "secret" else shape for shape in (old, new))
        yield from self.compare(before, after, path)

    def _compare_models(self, old: str, new: str, path: str) -> Iterator[Change]:
        if (old, new) in self.seen:
            return
        self.seen.add((old, new))
        before, after = self.old_models[old], self.new_models[new]
        if old != new:
            yield Change(path, Effect.LABEL, f"class {old} is called {new}")
        yield from _compare_functions(path, before.functions, after.functions)
        yield from _compare_facts(path, before.settings, after.settings, _is_wider_setting, "model_config ")
        start = f"{path}." if path else ""
        added = {name: found for name, found in after.fields.items() if name not in before.fields}
        for name, found in added.items():
            yield Change(start + name, *_judge_added(found, open_before=before.settings.get("extra") == "allow"))
        for name, found in before.fields.items():
            if name in after.fields:
                yield from _compare_presence(found, after.fields[name], start + name)
                yield from self.compare(found.type, after.fields[name].type, start + name)
            else:
                text = f"is gone; what is stored is not read any more{_guess_new_name(found.type, added)}"
                yield Change(start + name, Effect.MIGRATION, text)

    def _compare_unions(self, old: Shape, new: Shape, path: str) -> Iterator[Change]:
        olds, news = _key_members(old, self.old_models), _key_members(new, self.new_models)
        told_alike = old.limits.get("discriminator") == new.limits.get("discriminator")
        if olds is None or news is None or not told_alike or "union_mode" in new.limits:
            yield from self._compare_unsure(old, new, path)
            return
        partners = []
        for keys, member in olds:
            partner = next((other for taken, other in news if keys <= taken), None)
            if partner is None:
                yield Change(path, Effect.MIGRATION, f"no longer takes {_name(member)}")
            else:
                partners.append(id(partner))
                yield from self.compare(member, partner, path)
        for _keys, one in news:
            if id(one) not in partners:
                yield Change(path, Effect.ADDITIVE, f"takes {_name(one)} now, too")

    def _compare_unsure(self, old: Shape, new: Shape, path: str) -> Iterator[Change]:
        """Compare unions whose members only pydantic's choice tells apart: any difference may change that choice."""
        olds, news = _get_members(old), _get_members(new)
        if len(olds) != len(news):
            yield Change(path, Effect.MIGRATION, "the members of the union are others than before")
            return
        inside = self if self.in_doubt else replace(self, seen=set(), in_doubt=True)
        for before, after in zip(olds, news, strict=True):
            for change in inside.compare(before, after, path):
                is_additive = change.effect is Effect.ADDITIVE
                yield change._replace(effect=Effect.MIGRATION) if is_additive else change


def _judge_kinds(old: Shape, new: Shape) -> Effect:
    is_wider = old.kind == "enum" and new.kind == "string" and old.stored_kind == "text"
    return Effect.ADDITIVE if is_wider else Effect.MIGRATION


# The members of a union


def _name(member: Shape) -> str:
    return member.model or member.kind


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
    return {*filter(None, [member.stored_kind])}


# Fields


def _judge_added(found: FieldShape, *, open_before: bool) -> tuple[Effect, str]:
    what = "secret" if found.type.kind == "secret" else "field"
    if found.required:
        return Effect.MIGRATION, f"is a new {what} without a default"
    if open_before:
        return Effect.MIGRATION, f"is a new {what}, but rows may hold an undeclared value of that name"
    return Effect.ADDITIVE, f"is a new {what} with a default"


def _guess_new_name(gone: Shape, added: Mapping[str, FieldShape]) -> str:
    same = [name for name, one in added.items() if (one.type.kind, one.type.of) == (gone.kind, gone.of)]
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
            yield Change(path, Effect.LABEL, f"has another {name}".replace("another aliases", "other aliases"))


# What stands around a type


def _compare_values(path: str, old: Iterable[str], new: Iterable[str]) -> Iterator[Change]:
    before, after = {*old}, {*new}
    yield from (Change(path, Effect.MIGRATION, f"no longer takes {text}") for text in sorted(before - after))
    yield from (Change(path, Effect.ADDITIVE, f"takes {text} now, too") for text in sorted(after - before))


def _compare_functions(path: str, old: Iterable[str], new: Iterable[str]) -> Iterator[Change]:
    before, after = dict.fromkeys(old, ""), dict.fromkeys(new, "")
    return _compare_facts(
        path, before, after, lambda name, _old, new: name not in new and name.startswith(_REMOVABLE_VALIDATORS)
    )


def _compare_facts(
    path: str, old: Facts, new: Facts, is_wider: Callable[[str, Facts, Facts], bool], label: str = ""
) -> Iterator[Change]:
    """Yield the differences between two sets of constraints; ``is_wider`` says whether one lets everything through."""
    for name in sorted({*old, *new}):
        before, after = (f"{label}{name} {facts[name]}".rstrip() if name in facts else "" for facts in (old, new))
        if (name in old) != (name in new) or _to_text(old[name]) != _to_text(new[name]):
            text = f"{before or after} is {'new' if not before else 'gone'}"
            text = f"{label}{name} was {old[name]} and is {new[name]}" if before and after else text
            yield Change(path, Effect.ADDITIVE if is_wider(name, old, new) else Effect.MIGRATION, text)


def _is_wider_limit(name: str, old: Facts, new: Facts) -> bool:
    for names, sign in _BOUNDS:
        if name in names and not new.keys().isdisjoint(names):
            before, after = (
                [(value * sign, one != names[0]) for one in names if isinstance(value := facts.get(one), (int, float))]
                for facts in (old, new)
            )
            return bool(before and after) and max(after) <= max(before)
    # A stored secret stays bound as it was until it is typed again.
    return name in _REMOVABLE_LIMITS and (name not in new or name == "bound_to")


def _is_wider_setting(name: str, old: Facts, new: Facts) -> bool:
    before, after = (_EXTRA.index(str(facts.get("extra", "ignore"))) for facts in (old, new))
    return name == "extra" and after > before


def _to_text(value: JsonValue) -> str:
    return json.dumps(value, sort_keys=True)
