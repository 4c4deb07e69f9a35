"""What a snapshot holds, where that of an item is kept, and how the files are read and written."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from urllib.parse import quote

from django.apps import apps
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from django_plugin_system.conf import get_settings
from django_plugin_system.exceptions import InvalidSnapshot, SnapshotNotWritten

if TYPE_CHECKING:
    from django_plugin_system.registry import ItemSpec

FORMAT: Final = 1
"""Raised when older releases could not read the file."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Place(_Part):
    """What may stand at one place of a configuration: in a field, a list, a dict ..."""

    types: dict[str, TypeShape]
    """The types of its values, by what tells these apart: the tag in a discriminated union, else what JSON stores them
    as (``text``, ``number``, ``object`` ...). Where only pydantic's own choice tells, a number behind a ``?``."""
    default: str = ""
    """What holds where a field is left out: JSON, or how it is made. ``withheld`` is one that is, or may hold, a
    secret: it stands in no file. Nothing, if the field must be given."""
    title: str = ""
    description: str = ""
    aliases: tuple[str, ...] = ()


class TypeShape(_Part):
    """One type. What counts is what is stored, so ``list[int]`` and ``Sequence[int]`` have the same shape."""

    kind: str
    """``string``, ``list``, ``model``, ``enum`` ...; other types have the name of their class. A type that holds itself
    has its place for a kind wherever it comes again."""
    secret: bool = False
    rules: dict[str, JsonValue] = {}
    """What decides which values are taken, and how: constraints, as pydantic calls them (``ge``, ``pattern`` ...), and
    settings of a model; also, without a value, validators and serializers by kind and name. Their code is not seen."""
    values: tuple[JsonValue, ...] = ()
    """Of an ``enum``."""
    parts: dict[str, Place] = {}
    """What stands inside: fields by name, ``[]``, ``{key}`` and ``{}``, ``[0]``, or ``*`` for other keys of a model."""
    model: str = ""
    """The class of a ``model``: a pydantic model, a dataclass or a typed dict."""

    def __str__(self) -> str:
        return self.model or self.kind


def join(path: str, name: str) -> str:
    """Return where a part stands of what stands at ``path``, as people write it: ``login.password``, ``tags[]``."""
    return f"{path}{name}" if not path or name.startswith(("[", "{")) else f"{path}.{name}"


class ItemShape(_Part):
    """The configuration of one plugin item, in one version."""

    name: str
    module: str
    type_name: str
    manager: str
    config_version: int
    root: Place

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
        twice = [name for name, count in Counter(map(str, items)).items() if count > 1]
        if not twice:
            return items
        reason = f"{twice[0]} stands there twice"
    raise InvalidSnapshot(str(path), reason)


def write_snapshots(contents: Mapping[Path, Iterable[ItemShape]]) -> list[Path]:
    """Write each file whose content differs, and remove one that nothing is left in; return those that changed.

    :raises SnapshotNotWritten: if one cannot be written.
    """
    changed = {path: text for path, items in contents.items() if (text := _make_text(items)) != _read_bytes(path)}
    try:
        for path, text in changed.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
            if not text:
                path.unlink()
    except OSError as error:
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
