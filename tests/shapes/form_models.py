"""Models as operators fill them in: texts, numbers, choices, parts and unions, with defaults and without."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Annotated, Literal, NewType

import typing_extensions
from pydantic import BaseModel, ConfigDict, Field, SecretStr

Port = Annotated[int, Field(ge=1, le=65535)]
UserId = NewType("UserId", int)
Tags = typing_extensions.TypeAliasType("Tags", list[str])


class Color(Enum):
    """An Enum of texts."""

    RED = "red"
    GREEN = "green"


class Level(IntEnum):
    """An Enum of numbers."""

    LOW = 1
    HIGH = 2


class Smtp(BaseModel):
    """A model with a secret and defaults."""

    host: str = ""
    port: Port = 25
    password: SecretStr | None = None


class Account(BaseModel):
    """A model that must be filled in."""

    user: str
    token: SecretStr
    active: bool = True


class Card(BaseModel):
    """One member of a discriminated union."""

    kind: Literal["card"]
    number: str
    token: SecretStr | None = None


class Bank(BaseModel):
    """The other member."""

    kind: Literal["bank"]
    iban: str
    limit: int | None = None


class Circle(BaseModel):
    """A member of a union without discriminator."""

    radius: float


class Square(BaseModel):
    """Another one."""

    side: float


class Tree(BaseModel):
    """A model inside itself."""

    name: str
    left: Tree | None = None
    others: list[Tree] = []


class Extra(BaseModel):
    """A model that takes further values."""

    model_config = ConfigDict(extra="allow")
    name: str = "a"


class Typed(typing_extensions.TypedDict):
    """A dict with named keys."""

    token: SecretStr
    port: int
