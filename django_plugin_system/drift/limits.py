"""Compare the constraints of two shapes: what gets wider is additive, all else needs a look at the stored rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_plugin_system.drift.changes import Change, Effect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pydantic import JsonValue

    Limits = Mapping[str, JsonValue]

_REMOVABLE = {
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
        changes.append(Change(path, effect, _say(name, before, after)))
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
            yield Change(path, Effect.ADDITIVE if wider else Effect.MIGRATION, _say(name, old.get(name), new[name]))
        elif name in old and name not in new:
            yield Change(path, Effect.ADDITIVE, _say(name, old[name], None))


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
        return name in _REMOVABLE
    compare = _WIDER.get(name)
    return compare is not None and type(old) is type(new) is int and compare(old, new)


_WIDER: dict[str, Callable[[int, int], bool]] = {
    "max_digits": lambda old, new: new >= old,
    "max_length": lambda old, new: new >= old,
    "min_length": lambda old, new: new <= old,
    "multiple_of": lambda old, new: new != 0 and old % new == 0,
}


def _say(name: str, old: JsonValue, new: JsonValue) -> str:
    if old is None:
        return f"{name} {new} is new"
    return f"{name} {old} is gone" if new is None else f"{name} was {old} and is {new}"
