"""What a snapshot holds, where that of an item is kept, and how the files are read and written."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from urllib.parse import quote

from django.apps import apps
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from django_plugin_system.conf import get_settings
from django_plugin_system.config.json_tree import walk_json
from django_plugin_system.exceptions import InvalidSnapshot, SnapshotNotWritten

if TYPE_CHECKING:
    from django_plugin_system.registry import ItemSpec

FORMAT: Final = 1
"""Raised when older releases could not read the file."""


_STORED_AS = {
    **dict.fromkeys(("string", "bytes"), "text"),
    **dict.fromkeys(("integer", "number"), "number"),
    **dict.fromkeys(("list", "set", "tuple"), "array"),
    **dict.fromkeys(("dict", "model"), "object"),
    **{kind: kind for kind in ("null", "boolean")},
}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Shape(_Part):
    """One type. What counts is what is stored, so ``list[int]`` and ``Sequence[int]`` have the same shape."""

    kind: str
    """``string``, ``secret``, ``list``, ``model``, ``union`` ...; other types have the name of their class."""
    nullable: bool = False
    limits: dict[str, JsonValue] = {}
    """Constraints, as pydantic calls them: ``ge``, ``max_length``, ``pattern`` ..."""
    functions: tuple[str, ...] = ()
    """Validators and serializers, by kind and name. Their code is not looked at."""
    values: tuple[JsonValue, ...] = ()
    """Of an ``enum``."""
    of: tuple[Shape, ...] = ()
    """What stands in the brackets of the type: items, key and value, members, or what is secret."""
    model: str = ""
    """Of a ``model``: its key in ``ItemShape.models``."""

    @property
    def stored_kind(self) -> str | None:
        """What JSON stores a value as: ``text``, ``number``, ``object`` ...; None where that is not sure."""
        if self.kind == "secret":
            return self.of[0].stored_kind
        if self.kind == "enum":
            return "text" if all(isinstance(value, str) for value in self.values) else None
        return _STORED_AS.get(self.kind)


class FieldShape(_Part):
    """One field. Without ``required``, ``default`` holds, unless a factory makes it or it is withheld."""

    type: Shape
    required: bool = False
    default: JsonValue = None
    default_factory: str = ""
    default_withheld: bool = False
    """The default is, or may hold, a secret: it stands in no file."""
    title: str = ""
    description: str = ""
    aliases: tuple[str, ...] = ()


class ModelShape(_Part):
    """A class with fields: a model, dataclass or typed dict."""

    fields: dict[str, FieldShape] = {}
    settings: dict[str, JsonValue] = {}
    """What the class sets in ``model_config``, as far as it decides what is taken or stored."""
    functions: tuple[str, ...] = ()


class ItemShape(_Part):
    """The configuration of one plugin item, in one version."""

    name: str
    module: str
    type_name: str
    manager: str
    config_version: int
    root: Shape
    models: dict[str, ModelShape] = {}

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells this item from others."""
        return (self.manager, self.type_name, self.module, self.name)

    def __str__(self) -> str:
        return f"{self.type_name} ({self.manager}): {self.name} ({self.module})"


class SnapshotFile(_Part):
    """All items of one app."""

    format: Literal[1] = FORMAT
    items: tuple[ItemShape, ...]


FILE_NAME = "plugin_schemas.json"
"""In the directory of an app."""
_INSTALLED = ("dist-packages", "site-packages")


class Location(NamedTuple):
    """Where an item's snapshot belongs. Without a ``path`` it has none; ``reason`` says why."""

    path: Path | None
    reason: str = ""
    is_foreign: bool = False
    """Whether its code was installed, and is not ours to write beside; its authors may have put a snapshot there."""


def locate_snapshot(spec: ItemSpec) -> Location:
    """Return where the snapshot of ``spec`` belongs.

    That is the app that its ``module`` names, else the app that its class stands in.
    """
    app = apps.get_containing_app_config(spec.module) or apps.get_containing_app_config(spec.plugin_class.__module__)
    if directory := get_settings().SCHEMA_DIRECTORY:
        return Location(Path(directory, f"{quote(app.name if app else spec.module, safe='')}.json"))
    module = spec.plugin_class.__module__
    name, place = (app.name, app.path) if app else (module, getattr(sys.modules.get(module), "__file__", None) or "")
    if _is_installed(place):
        path = Path(app.path, FILE_NAME) if app else None
        return Location(path if path and path.exists() else None, f"{name} is installed in {place}", is_foreign=True)
    if app is None:
        return Location(None, f"{spec.module} is no installed app, and {module} is part of none")
    return Location(Path(app.path, FILE_NAME))


def list_files(*, installed: bool) -> list[Path]:
    """Return every snapshot that is there, those of ``installed`` apps too, in a fixed order."""
    directory = get_settings().SCHEMA_DIRECTORY
    if directory:
        return sorted(Path(directory).glob("*.json"))
    ours = [Path(app.path, FILE_NAME) for app in apps.get_app_configs() if installed or not _is_installed(app.path)]
    return sorted(path for path in ours if path.exists())


def _is_installed(path: str) -> bool:
    return any(part in _INSTALLED for part in Path(path).parts)


def read_snapshot(path: Path) -> tuple[ItemShape, ...]:
    """Return what the file at ``path`` holds.

    :raises InvalidSnapshot: if it is no snapshot, or one that this release does not understand.
    """
    try:
        items = SnapshotFile.model_validate_json(path.read_text(encoding="utf-8")).items
    except (OSError, UnicodeDecodeError) as error:
        reason = f"cannot be read ({type(error).__name__})"
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        reason = f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
    else:
        reason = _find_fault(items)
        if not reason:
            return items
    raise InvalidSnapshot(str(path), reason)


def _find_fault(items: Sequence[ItemShape]) -> str:
    """Say what pydantic does not see: an item that stands there twice, a class that is named and missing."""
    for name, count in Counter(map(str, items)).items():
        if count > 1:
            return f"{name} stands there twice"
    for item in items:
        found = (value for _path, value in walk_json(item.model_dump(mode="json")) if isinstance(value, dict))
        named = {str(value.get("model")) for value in found if value.get("kind") == "model"}
        if missing := sorted(named - {*item.models}):
            return f"{item} names {missing[0]}, which is not described"
    return ""


def write_snapshots(contents: Mapping[Path, Iterable[ItemShape]]) -> list[Path]:
    """Write each file whose content differs, and remove one that nothing is left in; return those that changed.

    All are prepared before the first is replaced.

    :raises SnapshotNotWritten: if one cannot be written.
    """
    changed = {path: text for path, items in contents.items() if (text := _make_text(items)) != _read_bytes(path)}
    prepared = {path: path.with_name(f".{path.name}.new") for path in changed}
    try:
        for path, new in prepared.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            new.write_bytes(changed[path])
        for path, new in prepared.items():
            new.replace(path)
            if not changed[path]:
                path.unlink()
    except OSError as error:
        for new in prepared.values():
            with suppress(OSError):
                new.unlink()
        raise SnapshotNotWritten(str(path), error.strerror or type(error).__name__) from error
    return list(changed)


def _read_bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _make_text(items: Iterable[ItemShape]) -> bytes:
    """Return the content of a file; nothing for no items."""
    ordered = tuple(sorted(items, key=lambda item: item.key))
    if not ordered:
        return b""
    data = {"format": FORMAT, **SnapshotFile(items=ordered).model_dump(mode="json", exclude_defaults=True)}
    text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False)
    return f"{text}\n".encode(errors="backslashreplace")  # half a surrogate pair becomes an escape of JSON's
