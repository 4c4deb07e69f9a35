"""The document: a format with a version, and an entry for each instance, known by names instead of ids."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from django_plugin_system.contrib.transfer.yaml import read_yaml, write_yaml
from django_plugin_system.exceptions import InvalidDocument
from django_plugin_system.rows.fields import PluginStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FORMAT = "django-plugin-system"
VERSION = 1
MAX_DEPTH = 120
"""How many containers may stand inside one another: those of a configuration, and those around it."""
_LONGEST_NAME = 100
_SMALLINT = 2**15
_LARGEST_VERSION = 2**31 - 1
_UNPRINTABLE = re.compile("[\x00\ud800-\udfff]")


class Problem(NamedTuple):
    """Why an entry cannot be used; safe to show."""

    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}"


@dataclass(frozen=True)
class Entry:
    """One instance of a document. What is None was not given; ``values`` holds those columns that were."""

    type: str
    item: str
    name: str
    manager: str | None = None
    module: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] | None = None
    config_version: int | None = None

    def __str__(self) -> str:
        return f"{show_name(self.type, self.manager)} / {show_name(self.item, self.module)} / {self.name}"


def show_name(name: str, owner: str | None) -> str:
    """Return the name of a type or an item with the app that owns it, as far as that is known."""
    return f"{name} ({owner})" if owner else name


# Writing


def write_document(entries: Sequence[Entry], kind: str) -> str:
    """Return ``entries`` as the text of a document; ``kind`` is ``json`` or ``yaml``.

    :raises InvalidDocument: if it cannot be written, since PyYAML is missing.
    """
    instances = [_to_data(entry) for entry in entries]
    return WRITERS[kind]({"format": FORMAT, "version": VERSION, "instances": instances})


def _to_data(entry: Entry) -> dict[str, Any]:
    key = {"type": entry.type, "manager": entry.manager, "item": entry.item, "module": entry.module, "name": entry.name}
    return {**key, **entry.values, "config_version": entry.config_version, "config": entry.config}


# Reading


def read_document(text: str, kind: str) -> tuple[list[Entry], list[Problem]]:
    """Return the entries of a document, and what is wrong with those that are left out.

    :raises InvalidDocument: if it is no document of this version at all.
    """
    data = READERS[kind](text)
    if get_depth(data) > MAX_DEPTH:
        raise InvalidDocument(f"it is nested more than {MAX_DEPTH} levels deep")
    entries: list[Entry] = []
    problems: list[Problem] = []
    for number, given in enumerate(_find_instances(data), 1):
        found = _check_entry(given)
        subject = _name_entry(number, given)
        problems += [Problem(subject, message) for message in found]
        if not found:
            entries.append(_make_entry(given))
    return entries, problems


def get_depth(data: Any) -> int:
    """Return how many containers stand inside one another in ``data``."""
    depth = 0
    level = [data]
    while level := [item for value in level for item in _get_items(value)]:
        depth += 1
    return depth


def _get_items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values()) or [None]
    return (value or [None]) if isinstance(value, list) else []


def _find_instances(data: Any) -> list[Any]:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InvalidDocument(f'this is no document of instances: it must be an object with "format": "{FORMAT}"')
    version = data.get("version")
    if type(version) is not int or version != VERSION:
        raise InvalidDocument(f'"version" must be {VERSION}: this release reads no other')
    unknown = sorted(data.keys() - {"format", "version", "instances"})
    if unknown:
        raise InvalidDocument(f"unknown key {json.dumps(unknown[0])} beside format, version and instances")
    instances = data.get("instances")
    if not isinstance(instances, list):
        raise InvalidDocument('"instances" must be a list')
    return instances


def _name_entry(number: int, given: Any) -> str:
    name = given.get("name") if isinstance(given, dict) else None
    return f"entry {number} ({name})" if name and _find_name_problem(name) is None else f"entry {number}"


def _check_entry(given: Any) -> list[str]:
    if not isinstance(given, dict):
        return ["must be an object with a key for each value"]
    missing = [f"{key} is missing" for key in _REQUIRED if key not in given]
    unknown = [_describe_unknown(key) for key in given if key not in _PROBLEM_OF]
    wrong = ((key, find(given[key])) for key, find in _PROBLEM_OF.items() if key in given)
    return [*missing, *unknown, *(f"{key} {reason}" for key, reason in wrong if reason)]


def _describe_unknown(key: str) -> str:
    close = get_close_matches(key, _PROBLEM_OF, 1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(_PROBLEM_OF)}"
    return f"unknown key {json.dumps(key)}; {hint}"


def _make_entry(given: dict[str, Any]) -> Entry:
    values = {key: given[key] for key in VALUES if key in given}
    return Entry(values=values, **{key: value for key, value in given.items() if key not in VALUES})


def _find_text_problem(value: Any) -> str | None:
    if not isinstance(value, str) or _UNPRINTABLE.search(value):
        return "must be text, without NUL characters or halves of surrogate pairs"
    return None


def _find_key_problem(value: Any) -> str | None:
    short = isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME
    return _find_text_problem(value) if short else f"must be text of 1 to {_LONGEST_NAME} characters"


def _find_name_problem(value: Any) -> str | None:
    fits = _find_key_problem(value) is None and re.fullmatch(r"[-\w]+", value, re.ASCII)
    return None if fits else f"must be 1 to {_LONGEST_NAME} letters, digits, hyphens and underscores"


def _find_status_problem(value: Any) -> str | None:
    known = isinstance(value, str) and value in PluginStatus.values
    return None if known else f"must be one of {', '.join(PluginStatus.values)}"


def _find_priority_problem(value: Any) -> str | None:
    fits = value is None or (type(value) is int and -_SMALLINT <= value < _SMALLINT)
    return None if fits else f"must be null, or a whole number from {-_SMALLINT} to {_SMALLINT - 1}"


def _find_version_problem(value: Any) -> str | None:
    fits = type(value) is int and 0 < value <= _LARGEST_VERSION
    return None if fits else "must be a whole number, 1 or more"


def _find_config_problem(value: Any) -> str | None:
    return None if isinstance(value, dict) else "must be an object with a key for each field"


_PROBLEM_OF: dict[str, Callable[[Any], str | None]] = {
    "type": _find_key_problem,
    "manager": _find_key_problem,
    "item": _find_key_problem,
    "module": _find_key_problem,
    "name": _find_name_problem,
    "status": _find_status_problem,
    "priority": _find_priority_problem,
    "description": _find_text_problem,
    "config_version": _find_version_problem,
    "config": _find_config_problem,
}
_REQUIRED = ("type", "item", "name")
VALUES = ("status", "priority", "description")
"""The columns that an entry gives as they are."""


# JSON


def read_json(text: str) -> Any:
    """Return the data that ``text`` holds.

    :raises InvalidDocument: if it is no JSON; the message quotes nothing of it but names of keys.
    """
    try:
        return json.loads(text, object_pairs_hook=_make_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno}, column {error.colno}: this is not JSON: {error.msg}"
    except RecursionError:
        reason = "it is nested too deeply"
    except InvalidDocument:
        raise
    except ValueError:
        reason = "it holds a number of more than 4,300 digits"
    raise InvalidDocument(reason)


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _value in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InvalidDocument(f"the key {json.dumps(twice)} stands twice in one object")
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidDocument(f"{name} is no JSON number")


def write_json(data: Any) -> str:
    """Return ``data`` as JSON text, one value a line."""
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


READERS = {"json": read_json, "yaml": read_yaml}
WRITERS = {"json": write_json, "yaml": write_yaml}
