"""The content of a snapshot: what a schema takes and how that is stored, without names of modules or raw pydantic."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

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
