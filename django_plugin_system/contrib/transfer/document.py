"""The document: a format with a version, and an entry for each instance, known by names instead of ids."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from django_plugin_system.config.json_tree import LossyJsonError, is_deep, parse_json
from django_plugin_system.contrib.transfer.yaml import iter_yaml, read_yaml
from django_plugin_system.exceptions import InvalidDocument
from django_plugin_system.rows.traceback_safety import leaving_frames_behind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FORMAT = "django-plugin-system"
VERSION = 1
MAX_DEPTH = 120
"""How many containers may stand inside one another: those of a configuration, and those around it."""
_OBEYED = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that JSON leaves as they are, and terminals may obey; and halves of a pair, which no file takes."""
VALUES = ("status", "priority", "description")
"""The columns that an entry gives as they are."""


class Problem(NamedTuple):
    """Why an entry cannot be used; safe to show."""

    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}"


_Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
_NOT_GIVEN: Any = None
_SLUG = r"^[-0-9A-Za-z_]{1,100}$"


class Entry(BaseModel):
    """One instance of a document. Its fields are the keys of an entry, in this order; what was not given is not set."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: _Name
    manager: _Name = _NOT_GIVEN
    item: _Name
    module: _Name = _NOT_GIVEN
    name: Annotated[str, Field(pattern=_SLUG)]
    status: Literal["active", "reserve", "disable"] = "active"
    priority: Annotated[int, Field(ge=-(2**15), lt=2**15)] | None = None
    description: Annotated[str, Field(pattern=r"^[^\x00]*$")] = ""
    config_version: Annotated[int, Field(ge=1, lt=2**31)] = _NOT_GIVEN
    config: dict[str, Any] = Field(default=_NOT_GIVEN, repr=False)

    @property
    def values(self) -> dict[str, Any]:
        """The plain columns that are given."""
        return {name: getattr(self, name) for name in VALUES if name in self.model_fields_set}

    def __str__(self) -> str:
        return f"{show_name(self.type, self.manager)} / {show_name(self.item, self.module)} / {self.name}"


def show_name(name: str, owner: str | None) -> str:
    """Return the name of a type or an item with the app that owns it, as far as that is known."""
    return f"{name} ({owner})" if owner else name


# Writing


def write_document(entries: Iterable[Entry], kind: str) -> str:
    """Return ``entries`` as the text of a document; ``kind`` is ``json`` or ``yaml``.

    :raises InvalidDocument: if it cannot be written, since PyYAML is missing.
    """
    return "".join(iter_document(entries, kind))


def iter_document(entries: Iterable[Entry], kind: str) -> Iterator[str]:
    """Yield the text of ``write_document`` piece by piece, an entry each, so that no more than one is in memory.

    :raises InvalidDocument: before the first piece, if it cannot be written.
    """
    return WRITERS[kind]({"format": FORMAT, "version": VERSION}, "instances", map(dict, entries))


def iter_json(head: Mapping[str, Any], name: str, items: Iterable[Any]) -> Iterator[str]:
    """Yield ``{**head, name: [*items]}`` as JSON text, one value a line."""
    yield f"{_to_json(head)[:-2]},\n  {json.dumps(name)}: ["
    count = 0
    for count, item in enumerate(items, 1):
        text = _to_json(item).replace("\n", "\n    ")  # inside of a value, a line end is an escape
        yield f"{',' if count > 1 else ''}\n    {text}"
    yield "\n  ]\n}\n" if count else "]\n}\n"


def _to_json(data: Any) -> str:
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    return _OBEYED.sub(lambda found: json.dumps(found[0])[1:-1], text)


# Reading


@leaving_frames_behind
def read_document(text: str, kind: str) -> tuple[list[Entry], list[Problem]]:
    """Return the entries of a document, and what is wrong with those that are left out.

    :raises InvalidDocument: if it is no document of this version at all.
    """
    data = READERS[kind](text)
    if is_deep(data, MAX_DEPTH):
        raise InvalidDocument(f"it is nested more than {MAX_DEPTH} levels deep")
    entries: list[Entry] = []
    problems: list[Problem] = []
    for number, given in enumerate(_find_instances(data), 1):
        found = _read_entry(given)
        if isinstance(found, Entry):
            entries.append(found)
        else:
            problems += [Problem(_name_entry(number, given), message) for message in found]
    return entries, problems


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


def _read_entry(given: Any) -> Entry | list[str]:
    """Return the entry, or what is wrong with it, without quoting a value."""
    if not isinstance(given, dict):
        return ["must be an object with a key for each value"]
    try:
        return Entry.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return [f"{one['loc'][0]}: {one['msg']}" for one in found]


def _name_entry(number: int, given: Any) -> str:
    name = given.get("name") if isinstance(given, dict) else None
    fits = isinstance(name, str) and re.fullmatch(_SLUG[1:-1], name)
    return f"entry {number} ({name})" if fits else f"entry {number}"


# JSON


def read_json(text: str) -> Any:
    """Return the data that ``text`` holds, without what JSON parsers let pass in silence.

    :raises InvalidDocument: if it is no JSON; the message quotes nothing of it but names of keys.
    """
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno}, column {error.colno}: this is not JSON: {error.msg}"
    except LossyJsonError as error:
        reason = str(error) if error.key is None else f"the key {json.dumps(error.key)} stands twice in one object"
    except ValueError as error:
        reason = str(error)
    raise InvalidDocument(reason)


READERS = {"json": read_json, "yaml": read_yaml}
WRITERS = {"json": iter_json, "yaml": iter_yaml}
