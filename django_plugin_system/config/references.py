"""Values that stand elsewhere: ``{"$env": "NAME"}`` in an environment variable, ``{"$file": "/path"}`` in a file.

A reference is stored as it is and followed each time the configuration is read, if the settings list its target. What
it gives counts as a secret: no message here quotes it.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path as FilePath
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from django_plugin_system.conf import get_settings
from django_plugin_system.config.json_tree import is_deep, look_up, walk_json
from django_plugin_system.config.keyring import holds_key
from django_plugin_system.exceptions import FieldProblem, Path
from django_plugin_system.schema.checks import RESERVED_KEYS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

ENV = "$env"
FILE = "$file"
RESERVED = frozenset((ENV, FILE))
"""Keys that always mean a reference, so that no other object may use them."""

MAX_BYTES = 2 * 1024 * 1024
"""How long a file may be that is referred to."""

_MOST_CHECKED = 1000
"""Files that a system check looks into."""
_SHORT = 4
"""Characters of a text from which on another text has it other than by chance."""


class Reference(NamedTuple):
    """Where a value stands: ``kind`` is ``$env`` or ``$file``, ``name`` the variable or the path."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    def to_json(self) -> dict[str, str]:
        """Return the reference as it is stored."""
        return {self.kind: self.name}


def claims_reference(value: object) -> bool:
    """Say whether ``value`` is meant as a reference (it may be malformed)."""
    return isinstance(value, dict) and not RESERVED.isdisjoint(value)


def read_reference(value: object) -> Reference | None:
    """Return the reference that ``value`` is; None for anything else, and for a malformed one."""
    if not isinstance(value, dict) or len(value) != 1:
        return None
    [(kind, name)] = value.items()
    return Reference(kind, name) if kind in RESERVED and isinstance(name, str) and _is_name(name) else None


def _is_name(name: str) -> bool:
    """Say whether a name can be stored and shown: no half of a surrogate pair, which JSON can write, no NUL."""
    return "\0" not in name and name == name.encode(errors="replace").decode()


class Unavailable(NamedTuple):
    """A reference gives no value; ``reason`` says why, and names the variable or the file."""

    reason: str


Given = str | bytes | Unavailable
"""What a reference gives: text, or bytes where it is not UTF-8."""


@dataclass
class Resolver:
    """Follows references; one that was followed gives the same value for as long as this object lives."""

    _values: dict[Reference, Given] = field(default_factory=dict, repr=False)

    def get(self, reference: Reference) -> Given:
        """Return what ``reference`` gives, if the settings allow it and there is something that can be read."""
        if reference not in self._values:
            read = _read_variable if reference.kind == ENV else _read_file
            given = read(reference.name)
            if holds_key(given):
                given = Unavailable(f"{reference} holds a key of this project's settings, which is not given out")
            self._values[reference] = given
        return self._values[reference]


def is_listed(name: str) -> bool:
    """Say whether the settings let a reference name this environment variable."""
    allowed = get_settings().ENV_REFERENCES
    return any(name.startswith(entry[:-1]) if entry.endswith("*") else name == entry for entry in allowed)


def _read_variable(name: str) -> Given:
    if not is_listed(name):
        return Unavailable(f"the environment variable {name} is not listed in PLUGIN_SYSTEM['ENV_REFERENCES']")
    value = os.environ.get(name)
    if value is None:
        return Unavailable(f"the environment variable {name} is not set")
    return _to_text(os.fsencode(value))


def _to_text(content: bytes) -> str | bytes:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def find_exposed_keys() -> list[str]:
    """Return the variables and files, of those that may be referred to, that hold a key of the settings now."""
    names = [Reference(ENV, name) for name in sorted(os.environ) if is_listed(name)]
    paths = (str(path) for directory in get_settings().FILE_REFERENCES for path in FilePath(directory).glob("**/*"))
    names += [Reference(FILE, path) for path in islice(paths, _MOST_CHECKED)]
    return [str(name) for name in names if holds_key((_read_variable if name.kind == ENV else _read_file)(name.name))]


def _read_file(name: str) -> Given:
    try:
        real = os.path.realpath(name) if PurePath(name).is_absolute() else ""
        directories = map(os.path.realpath, get_settings().FILE_REFERENCES)
        directory = next((one for one in directories if PurePath(one) in PurePath(real).parents), None)
        if directory is None:
            return Unavailable(f"the file {name} is not below a directory of PLUGIN_SYSTEM['FILE_REFERENCES']")
        content = _read_regular(directory, PurePath(real).relative_to(directory).parts)
    except OSError as error:
        return Unavailable(f"the file {name} cannot be read ({errno.errorcode.get(error.errno or 0, 'error')})")
    if len(content) > MAX_BYTES:
        return Unavailable(f"the file {name} is longer than {MAX_BYTES:,} bytes")
    text = _to_text(content)
    return text if isinstance(text, bytes) else _drop_newline(text)


def _read_regular(directory: str, parts: tuple[str, ...]) -> bytes:
    """Return the content of a file below ``directory``, one byte more than allowed at most.

    A pipe is refused, not waited for. No link is followed: one that is there by now was put there since we looked.

    :raises OSError: if it cannot be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    with ExitStack() as stack:
        folder: int | None = None
        for name in (directory, *parts[:-1]):
            folder = os.open(name, flags | getattr(os, "O_DIRECTORY", 0), dir_fd=folder)
            stack.callback(os.close, folder)
        _require_regular(os.stat(parts[-1], dir_fd=folder, follow_symlinks=False))  # opening a device may have effects
        file = stack.enter_context(open(os.open(parts[-1], flags, dir_fd=folder), "rb"))  # noqa: PTH123 - a descriptor, opened with flags
        _require_regular(os.fstat(file.fileno()))
        return file.read(MAX_BYTES + 1)


def _require_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.ENOTSUP, "not a regular file")


def _drop_newline(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def find_references(stored: Any) -> dict[Path, Reference]:
    """Return each well-formed reference of ``stored`` by path. What is nested too deeply is not looked at."""
    found = {path: read_reference(value) for path, value in walk_json(stored)}
    return {path: reference for path, reference in found.items() if reference is not None}


@dataclass
class Resolved:
    """Data with each reference replaced by what it gives; ``problems`` are those that give nothing."""

    data: Any = field(repr=False, default=None)
    references: dict[Path, Reference] = field(default_factory=dict)
    problems: list[FieldProblem] = field(default_factory=list)
    places: dict[Path, tuple[Any, Any]] = field(default_factory=dict, repr=False)
    """For each reference the container it stands in, in ``data``, and its key there."""


def resolve(data: Any, resolver: Resolver, secrets: Collection[Path] = ()) -> Resolved:
    """Return a copy of ``data`` with its references followed; what stands inside ``secrets`` is left alone."""
    resolved = Resolved()

    def visit(value: Any, path: Path) -> Any:
        if path in secrets or not isinstance(value, (dict, list)):
            return value
        if isinstance(value, dict) and claims_reference(value):
            return _follow(value, path, resolver, resolved)
        copied: Any = dict(value) if isinstance(value, dict) else list(value)
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            inner = (*path, str(key))
            copied[key] = visit(item, inner)
            if inner in resolved.references:
                resolved.places[inner] = (copied, key)
        return copied

    resolved.data = visit(data, ())
    return resolved


def _follow(value: dict[str, Any], path: Path, resolver: Resolver, found: Resolved) -> Any:
    reference = read_reference(value)
    if reference is None or not path:
        where = "stands alone in its object, with a text" if path else "stands for a field, not for all of them"
        keys = ", ".join(sorted(RESERVED & value.keys()))
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
        for key in sorted(RESERVED_KEYS & value.keys())
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
