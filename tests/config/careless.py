"""Configurations whose authors quote secrets in their errors."""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

import pydantic.dataclasses
import typing_extensions
from pydantic import BaseModel, ConfigDict, Field, Secret, SecretBytes, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from tests.config.helpers import SECRET


def blame(secret: Any) -> NoReturn:
    """Raise an error that quotes its secret in every way a careless author might."""
    plain = secret.get_secret_value() if hasattr(secret, "get_secret_value") else secret
    raise ValueError(f"{plain} {plain!r} is wrong")


class InField(BaseModel):
    """The author's validator quotes the secret."""

    token: SecretStr
    _check = field_validator("token")(blame)


class Before(BaseModel):
    """The author's validator quotes the raw input."""

    token: SecretStr
    _check = field_validator("token", mode="before")(blame)


class WholeBefore(BaseModel):
    """A model validator quotes the whole input."""

    token: SecretStr
    _check = model_validator(mode="before")(blame)


class Whole(BaseModel):
    """A model validator quotes a field."""

    token: SecretStr

    @model_validator(mode="after")
    def _check(self) -> typing_extensions.Self:
        return blame(self.token)


class Sibling(BaseModel):
    """The validator of a plain field quotes a secret beside it, which may be a default."""

    token: SecretStr = SecretStr(SECRET)
    host: str = ""

    @field_validator("host")
    @classmethod
    def _check(cls, host: str, info: pydantic.ValidationInfo) -> str:
        del host
        return blame(info.data["token"])


class Asserts(BaseModel):
    """An assertion quotes the secret."""

    token: SecretStr

    @field_validator("token")
    @classmethod
    def _check(cls, token: SecretStr) -> NoReturn:
        raise AssertionError(token.get_secret_value())


class Custom(BaseModel):
    """An error of the author's own kind quotes the secret."""

    token: SecretStr

    @field_validator("token")
    @classmethod
    def _check(cls, token: SecretStr) -> NoReturn:
        raise PydanticCustomError("mine", "{quoted} is wrong", {"quoted": token.get_secret_value()})


class Crashes(BaseModel):
    """A validator that fails in a way of its own."""

    token: SecretStr

    @field_validator("token")
    @classmethod
    def _check(cls, token: SecretStr) -> NoReturn:
        raise KeyError(token.get_secret_value())


class Raw(BaseModel):
    """Raw bytes, quoted by their repr."""

    token: SecretBytes
    _check = field_validator("token")(blame)


class Number(BaseModel):
    """A number, quoted in its usual spelling."""

    token: Secret[int] | Secret[float]
    _check = field_validator("token")(blame)


@pydantic.dataclasses.dataclass
class Pair:
    """A dataclass with a secret under an alias."""

    token: SecretStr = Field(alias="TOKEN")
    port: int = 1
    _check = field_validator("port")(blame)


class Typed(typing_extensions.TypedDict):
    """A typed dict with a secret under an alias."""

    token: Annotated[SecretStr, Field(alias="TOKEN")]


class Deep(BaseModel):
    """Containers of every kind, and a validator that quotes all of them."""

    pairs: dict[str, list[tuple[int, SecretStr]]] = {}
    typed: Typed | None = None
    members: list[InField | None] = []
    inner: Secret[dict[str, list[SecretStr]]] | None = None
    last: str = ""
    _check = model_validator(mode="before")(blame)


class Short(BaseModel):
    """A validator that does not quote."""

    model_config = ConfigDict(extra="forbid")
    pin: SecretStr

    @field_validator("pin")
    @classmethod
    def _check(cls, pin: SecretStr) -> NoReturn:
        raise ValueError("must have four digits") if pin else AssertionError
