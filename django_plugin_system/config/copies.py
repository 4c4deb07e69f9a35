"""Hand out a configuration without sharing what a caller could change."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import pathlib
import uuid
from typing import TYPE_CHECKING, Any

from django_plugin_system.config.declared import SECRET_TYPES

if TYPE_CHECKING:
    from pydantic import BaseModel

_ATOMS = (
    type(None),
    str,
    bytes,
    int,
    float,
    decimal.Decimal,
    dt.date,
    dt.time,
    dt.timedelta,
    uuid.UUID,
    enum.Enum,
    pathlib.PurePath,
)


def is_flat(config: BaseModel) -> bool:
    """Say whether every field of ``config`` holds a value that nobody can change."""
    if config.model_extra or config.__pydantic_private__:
        return False
    return all(map(_is_atom, config.__dict__.values()))


def _is_atom(value: Any) -> bool:
    if isinstance(value, SECRET_TYPES):
        return _is_atom(value.get_secret_value())
    return isinstance(value, _ATOMS)


def copy_config(config: BaseModel, *, flat: bool) -> BaseModel:
    """Return a copy of ``config`` that shares nothing changeable with it; ``flat`` is what ``is_flat`` said."""
    return config.__copy__() if flat else config.__deepcopy__()
