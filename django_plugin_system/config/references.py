"""Values that stand elsewhere: ``{"$env": "NAME"}`` in an environment variable, ``{"$file": "/path"}`` in a file.

``PLUGIN_SYSTEM["REFERENCES"]`` adds other kinds, each with a backend that knows where to look.

A reference is stored as it is and followed each time the configuration is read, if the settings list its target. What
it gives counts as a secret: no message here quotes it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from django_plugin_system.conf import get_settings
from django_plugin_system.config.backends import ENV, FILE, Given, Unavailable, find_fault, get_store
from django_plugin_system.config.json_tree import INSIDE, is_deep, look_up, replace_json, walk_json
from django_plugin_system.config.keyring import holds_key
from django_plugin_system.exceptions import FieldProblem, Path
from django_plugin_system.schema.checks import get_reserved_keys

_MOST_CHECKED = 1000
"""Files that a system check looks into."""
_SHORT = 4
"""Characters of a text from which on another text has it other than by chance."""


class Reference(NamedTuple):
    """Where a value stands: ``kind`` is ``$env``, say, and ``name`` the variable."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    def to_json(self) -> dict[str, str]:
        """Return the reference as it is stored."""
        return {self.kind: self.name}


def claims_reference(value: object) -> bool:
    """Say whether ``value`` is meant as a reference (it may be malformed)."""
    return isinstance(value, dict) and not get_settings().reference_kinds.isdisjoint(value)


def read_reference(value: object) -> Reference | None:
    """Return the reference that ``value`` is; None for anything else, and for a malformed one."""
    if not isinstance(value, dict) or len(value) != 1:
        return None
    [(kind, name)] = value.items()
    if kind not in get_settings().reference_kinds or not isinstance(name, str):
        return None
    can_be_shown = "\0" not in name and name == name.encode(errors="replace").decode()  # no half of a surrogate pair
    return Reference(kind, name) if can_be_shown else None


@dataclass
class Resolver:
    """Follows references; one that was followed gives the same value for as long as this object lives."""

    given: dict[Reference, Given] = field(default_factory=dict, repr=False)

    def get(self, reference: Reference) -> Given:
        """Return what ``reference`` gives, if the settings allow it and there is something that can be read."""
        self.load([reference])
        return self.given[reference]

    def load(self, references: Iterable[Reference]) -> None:
        """Follow many references, so that a store is asked for all of them at once."""
        new: dict[str, dict[str, Reference]] = {}
        for reference in references:
            if reference not in self.given:
                new.setdefault(reference.kind, {})[reference.name] = reference
        for kind, wanted in new.items():
            self._ask(kind, wanted)

    def _ask(self, kind: str, wanted: Mapping[str, Reference]) -> None:
        listed, fault = [name for name in wanted if is_listed(name, kind)], find_fault(kind)
        found = dict.fromkeys(listed, Unavailable(fault)) if fault else get_store(kind).get(listed)
        for name, reference in wanted.items():
            given = found[name] if name in found else Unavailable(_say_not_listed(reference))
            if holds_key(given):
                given = Unavailable(f"{reference} holds a key of this project's settings, which is not given out")
            self.given[reference] = given


def is_listed(name: str, kind: str = ENV) -> bool:
    """Say whether the settings let a reference of this kind have this name; a file's path is looked at when it is read.

    A name in a store may go on with ``#`` and a key of the JSON object that stands there.
    """
    settings = get_settings()
    if kind == FILE:
        return True
    allowed = settings.ENV_REFERENCES if kind == ENV else settings.REFERENCES[kind[1:]]["ALLOW"]
    names = {name, name.partition("#")[0]} if kind != ENV else {name}
    return any(
        one.startswith(entry[:-1]) if entry.endswith("*") else one == entry for entry in allowed for one in names
    )


def _say_not_listed(reference: Reference) -> str:
    if reference.kind == ENV:
        return f"the environment variable {reference.name} is not listed in PLUGIN_SYSTEM['ENV_REFERENCES']"
    return f"{reference} is not listed in PLUGIN_SYSTEM['REFERENCES']['{reference.kind[1:]}']['ALLOW']"


def find_exposed_keys() -> list[str]:
    """Return the variables and files, of those that may be referred to, that hold a key of the settings now."""
    names = [Reference(ENV, name) for name in sorted(os.environ) if is_listed(name)]
    paths = (str(path) for directory in get_settings().FILE_REFERENCES for path in FilePath(directory).glob("**/*"))
    names += [Reference(FILE, path) for path in islice(paths, _MOST_CHECKED)]
    return [str(name) for name in names if holds_key(get_store(name.kind).get([name.name])[name.name])]


def find_references(data: Any, secrets: Collection[Path] = ()) -> dict[Path, Reference]:
    """Return each well-formed reference of ``data`` by path, but for what stands inside ``secrets``.

    What is nested too deeply is not looked at.
    """
    values = walk_json(data, lambda path, _value: path not in secrets)
    found = {path: read_reference(value) for path, value in values if path not in secrets}
    return {path: reference for path, reference in found.items() if reference is not None}


@dataclass
class Resolved:
    """Data with each reference replaced by what it gives; ``problems`` are those that give nothing."""

    data: Any = field(repr=False, default=None)
    references: dict[Path, Reference] = field(default_factory=dict)
    problems: list[FieldProblem] = field(default_factory=list)


def resolve(data: Any, resolver: Resolver, secrets: Collection[Path] = ()) -> Resolved:
    """Return a copy of ``data`` with its references followed; what stands inside ``secrets`` is left alone."""
    resolved = Resolved()
    if get_settings().REFERENCES:  # what is near need not be asked for all at once
        resolver.load(find_references(data, secrets).values())

    def replace(path: Path, value: Any) -> Any:
        if path in secrets:
            return value
        return _follow(value, path, resolver, resolved) if claims_reference(value) else INSIDE

    resolved.data = replace_json(data, replace)
    return resolved


def _follow(value: dict[str, Any], path: Path, resolver: Resolver, found: Resolved) -> Any:
    reference = read_reference(value)
    if reference is None or not path:
        where = "stands alone in its object, with a text" if path else "stands for a field, not for all of them"
        keys = ", ".join(sorted(get_settings().reference_kinds & value.keys()))
        found.problems.append(FieldProblem(path, f"{keys} is a reference: it {where}"))
        return None
    given = resolver.get(reference)
    if isinstance(given, Unavailable):
        found.problems.append(FieldProblem(path, given.reason))
        return None
    found.references[path] = reference
    return given


def parse_given(text: Given) -> Any:
    """Return what a reference gives, read as JSON; None if it is no JSON, or a plain text or null."""
    value = None
    with suppress(ValueError, RecursionError):
        value = json.loads(text)  # type: ignore[arg-type] # nobody asks before everything was available
    return value if isinstance(value, (int, float, list, dict)) and not is_deep(value) else None


# What must not be stored: keys with a meaning of ours in somebody's data, and what a reference gave


def find_misplaced(tree: Any, references: Mapping[Path, Reference]) -> list[FieldProblem]:
    """Return a problem for each reserved key in ``tree`` that is user data, and for each reference that is not there.

    ``tree`` is what would be stored, before its secrets are filled in.
    """
    problems = [
        FieldProblem(path, f'"{key}" cannot be used as a key')
        for path, value in walk_json(tree)
        if isinstance(value, dict) and path not in references
        for key in sorted(get_reserved_keys() & value.keys())
    ]
    lost = [path for path, reference in references.items() if look_up(tree, path) != [reference.to_json()]]
    reason = "a reference cannot stand here: give the whole value of a field, of a list's item or of a dict's value"
    return problems or [FieldProblem(path, reason) for path in lost]


def find_carried(texts: Iterable[tuple[Path, str]], given: Iterable[str], known: Collection[str]) -> list[FieldProblem]:
    """Return a problem for each of ``texts``, what would be stored by path, that quotes what a reference gave.

    A validator may have copied it there. ``given`` is what the references gave; what it says is no news if it also is
    part of a ``known`` text, one that was typed or is a default.
    """
    news = [text for text in given if len(text) >= _SHORT and not any(text in one for one in known)]
    reason = "would store what a reference stands for: a validator copies that value here"
    return [FieldProblem(path, reason) for path, text in texts if any(one in text for one in news)]
