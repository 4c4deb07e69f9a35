"""The document: a format with a version, and an entry for each instance, known by names instead of ids."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from django_plugin_system.config import tokens
from django_plugin_system.config.json_tree import is_deep
from django_plugin_system.config.keyring import get_keyring
from django_plugin_system.config.opened import Opened, open_config
from django_plugin_system.config.tokens import Place, Sealed
from django_plugin_system.contrib.transfer.formats import READERS, WRITERS
from django_plugin_system.exceptions import InvalidDocument, Path
from django_plugin_system.rows.traceback_safety import leaving_frames_behind

if TYPE_CHECKING:
    from django_plugin_system.models import PluginItem

FORMAT = "django-plugin-system"
VERSION = 1
MAX_DEPTH = 120
"""How many containers may stand inside one another: those of a configuration, and those around it."""
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
    scope: Annotated[str, Field(max_length=100, pattern=r"^[^\x00]*$")] = ""
    status: Literal["active", "reserve", "disable"] = "active"
    priority: Annotated[int, Field(ge=-(2**15), lt=2**15)] | None = None
    description: Annotated[str, Field(pattern=r"^[^\x00]*$")] = ""
    config_version: Annotated[int, Field(ge=1, lt=2**31)] = _NOT_GIVEN
    config: dict[str, Any] = Field(default=_NOT_GIVEN, repr=False)

    @property
    def values(self) -> dict[str, Any]:
        """The plain columns that are given."""
        return {name: getattr(self, name) for name in VALUES if name in self.model_fields_set}

    @property
    def key(self) -> tuple[str, str]:
        """What tells this instance from others of its item."""
        return (self.scope, self.name)

    def __str__(self) -> str:
        shown = f"{show_name(self.type, self.manager)} / {show_name(self.item, self.module)} / {self.name}"
        return f"{shown} of {self.scope}" if self.scope else shown


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
    if kind not in WRITERS:
        raise InvalidDocument(f"no document is written as {kind}: choose {' or '.join(WRITERS)}")
    return WRITERS[kind]({"format": FORMAT, "version": VERSION}, "instances", map(_to_data, entries))


def _to_data(entry: Entry) -> dict[str, Any]:
    """Return what stands in a document; a scope only where there is one."""
    return {name: value for name, value in entry if name != "scope" or value}


# Reading


@leaving_frames_behind
def read_document(text: str, kind: str, *, complete: bool = False) -> list[Entry | Problem]:
    """Return the entries of a document; in the place of one that cannot be used, what is wrong with it.

    ``kind`` is ``json``, ``yaml`` or ``toml``. With ``complete``, what an entry does not give is given by its default.

    :raises InvalidDocument: if it is no document of this version at all.
    """
    data = READERS[kind](text)
    if is_deep(data, MAX_DEPTH):
        raise InvalidDocument(f"it is nested more than {MAX_DEPTH} levels deep")
    found: list[Entry | Problem] = []
    for number, given in enumerate(_find_instances(data), 1):
        found += _read_entry(number, {**_DEFAULTS, **given} if complete and isinstance(given, dict) else given)
    return found


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


_DEFAULTS: dict[str, Any] = {"status": "active", "priority": None, "description": "", "config": {}}


def _read_entry(number: int, given: Any) -> list[Entry] | list[Problem]:
    """Return the entry, or what is wrong with it, without quoting a value."""
    if not isinstance(given, dict):
        return [Problem(f"entry {number}", "must be an object with a key for each value")]
    try:
        return [Entry.model_validate(given)]
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
    name = given.get("name")
    fits = isinstance(name, str) and re.fullmatch(_SLUG[1:-1], name)
    subject = f"entry {number} ({name})" if fits else f"entry {number}"
    return [Problem(subject, f"{fault['loc'][0]}: {fault['msg']}") for fault in faults]


# Secrets that stand encrypted in a document


TABLE = "django_plugin_system.document"
"""What they are bound to, beside the scope and name of the instance, its item and its type: not to ids, so that they
open in every environment that has the key, and in no row. What else binds a secret in a row binds it here, too: whoever
changes the endpoint of a document has to give the secret again.
"""


def _make_place(item: PluginItem, key: tuple[str, str], version: int) -> Place:
    whose = json.dumps([*item.plugin_type.key, item.name, item.module])
    return Place(TABLE, json.dumps(key), whose, "", version)


@leaving_frames_behind
def seal_for_document(
    item: PluginItem, key: tuple[str, str], version: int, tree: Any, secrets: Mapping[Path, Sealed]
) -> dict[Path, dict[str, str]]:
    """Return what stands in a document for each of ``secrets``, whose configuration is ``tree`` there."""
    place, keyring = _make_place(item, key, version), get_keyring()
    return {
        path: tokens.seal(sealed.value, place, path, keyring, tree, sealed.bonds) for path, sealed in secrets.items()
    }


@leaving_frames_behind
def open_document_config(item: PluginItem, key: tuple[str, str], version: int, config: dict[str, Any]) -> Opened:
    """Return the configuration of an entry with its secrets in the clear, as far as they can be opened."""
    return open_config(config, _make_place(item, key, version), get_keyring())
