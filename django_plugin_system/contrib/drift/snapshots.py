"""What a snapshot holds, where that of an item is kept, and how the files are read and written."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote

from django.apps import apps
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from django_plugin_system.conf import get_settings
from django_plugin_system.exceptions import InvalidSnapshot, SnapshotNotWritten

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.apps import AppConfig

    from django_plugin_system.registry import ItemSpec

FORMAT: Final = 1
"""Raised when older releases could not read the file."""


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


@dataclass(frozen=True)
class Location:
    """Where an item's snapshot belongs. Without a ``path`` it has none; ``reason`` says why."""

    path: Path | None
    reason: str = ""
    is_foreign: bool = False
    """Whether its code was installed, and is not ours to write beside."""


def locate_snapshot(spec: ItemSpec) -> Location:
    """Return where the snapshot of ``spec`` belongs.

    That is the app that its ``module`` names, else the app that its class stands in.
    """
    app = apps.get_containing_app_config(spec.module) or apps.get_containing_app_config(spec.plugin_class.__module__)
    if directory := get_settings().SCHEMA_DIRECTORY:
        return Location(Path(directory, f"{quote(app.name if app else spec.module, safe='')}.json"))
    if app is not None:
        if _is_installed(app.path):
            return Location(None, f"{app.name} is installed in {app.path}", is_foreign=True)
        return Location(_get_path(app))
    module = getattr(sys.modules.get(spec.plugin_class.__module__), "__file__", None) or ""
    if _is_installed(module):
        return Location(None, f"{spec.plugin_class.__module__} is installed in {module}", is_foreign=True)
    return Location(None, f"{spec.module} is no installed app, and {spec.plugin_class.__module__} is part of none")


def list_files() -> list[Path]:
    """Return every snapshot that is there, in a fixed order."""
    directory = get_settings().SCHEMA_DIRECTORY
    if directory:
        return sorted(Path(directory).glob("*.json"))
    ours = [app for app in apps.get_app_configs() if not _is_installed(app.path)]
    return sorted(path for path in map(_get_path, ours) if path.exists())


def _get_path(app: AppConfig) -> Path:
    return Path(app.path, FILE_NAME)


def _is_installed(path: str) -> bool:
    return any(part in _INSTALLED for part in Path(path).parts)


def read_snapshot(path: Path) -> tuple[ItemShape, ...]:
    """Return what the file at ``path`` holds.

    :raises InvalidSnapshot: if it is no snapshot, or one that this release does not understand.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = f"cannot be read ({type(error).__name__})"
    else:
        try:
            found = SnapshotFile.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            reason = f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
        else:
            reason = _find_fault(found.items)
            if not reason:
                return found.items
    raise InvalidSnapshot(str(path), reason)


def _find_fault(items: Iterable[ItemShape]) -> str:
    """Say what pydantic does not see: an item that stands there twice, a class that is named and missing."""
    keys = set()
    for item in items:
        if item.key in keys:
            return f"{item} stands there twice"
        keys.add(item.key)
        text = item.model_dump(mode="json")
        if missing := sorted(_find_named_models(text) - {*item.models}):
            return f"{item} names {missing[0]}, which is not described"
    return ""


def _find_named_models(value: object) -> set[str]:
    if isinstance(value, dict):
        own = {value["model"]} if value.get("kind") == "model" and isinstance(value.get("model"), str) else set()
        return own.union(*map(_find_named_models, value.values()))
    return set().union(*map(_find_named_models, value)) if isinstance(value, list) else set()


def write_snapshots(contents: Mapping[Path, Iterable[ItemShape]]) -> list[Path]:
    """Write each file whose content differs, and remove one that nothing is left in; return those that changed.

    All are prepared before the first is replaced.

    :raises SnapshotNotWritten: if one cannot be written.
    """
    texts = {path: _make_text(items) for path, items in contents.items()}
    changed = {path: text for path, text in texts.items() if text != _read_bytes(path)}
    prepared = {path: path.with_name(f".{path.name}.new") for path, text in changed.items() if text}
    path = Path()
    try:
        for path, new in prepared.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            new.write_bytes(changed[path])
        for path in changed:
            if path in prepared:
                prepared[path].replace(path)
            else:
                path.unlink()
    except OSError as error:
        failure = SnapshotNotWritten(str(path), error.strerror or type(error).__name__)
    else:
        return list(changed)
    for new in prepared.values():
        with suppress(OSError):
            new.unlink()
    raise failure


def _make_text(items: Iterable[ItemShape]) -> bytes:
    """Return the content of a file; nothing for no items."""
    ordered = tuple(sorted(items, key=lambda item: item.key))
    if not ordered:
        return b""
    data = {"format": FORMAT, **SnapshotFile(items=ordered).model_dump(mode="json", exclude_defaults=True)}
    text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False)
    return f"{text}\n".encode(errors="backslashreplace")  # half a surrogate pair becomes an escape of JSON's


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
