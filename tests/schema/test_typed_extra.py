"""Models that take further values of a declared type, and the secrets among them."""

from __future__ import annotations

import json
from typing import Any, Dict  # noqa: UP035 - as older code writes it

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from django_plugin_system.exceptions import InvalidConfig
from django_plugin_system.rows.config import may_hold_plain_secret
from django_plugin_system.schema.checks import find_unstorable
from django_plugin_system.schema.tree import get_tree
from tests.config.helpers import SECRET, make_codec, show_everything, store


class Headers(BaseModel):
    """Any further key is a secret."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, SecretStr] = Field(init=False)

    host: str = Field("h", alias="hostName")

    @field_validator("host")
    @classmethod
    def _refuse(cls, host: str) -> str:
        if host.startswith("bad"):
            message = f"bad host {host}"
            raise ValueError(message)
        return host


class Old(BaseModel):
    """The same, as older code writes it, without a field."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: Dict[str, SecretStr]  # noqa: UP006 - older code


class Untyped(BaseModel):
    """Further values of any type."""

    model_config = ConfigDict(extra="allow")


class Ignoring(BaseModel):
    """A type for further values, none of which are taken."""

    __pydantic_extra__: dict[str, SecretStr] = Field(init=False)


def test_secrets_among_further_values_are_declared() -> None:
    """A typed extra counts wherever the package asks a class for its secrets."""
    assert [get_tree(cls).holds_secret for cls in (Headers, Old, Untyped, Ignoring, list[Headers])] == [
        True,
        True,
        False,
        False,
        True,
    ]
    assert find_unstorable(Headers) == []


@pytest.mark.parametrize("schema", [Headers, Old])
def test_they_are_encrypted_and_come_back(schema: type[BaseModel]) -> None:
    """Stored as secrets under their keys, readable again, and reported while they are plain text."""
    codec = make_codec(schema)
    stored = store(codec.parse({"X-Key": SECRET}).model)
    assert SECRET not in json.dumps(stored)
    restored: Any = codec.restore(stored).model
    assert restored.model_extra["X-Key"].get_secret_value() == SECRET
    assert may_hold_plain_secret(schema, {"X-Key": SECRET})


def test_errors_quote_none_of_them() -> None:
    """A validator that quotes a value which is also a secret beside it is silenced; problems stand at their place."""
    with pytest.raises(InvalidConfig) as caught:
        make_codec(Headers).parse({"hostName": f"bad-{SECRET}", "X-Key": f"bad-{SECRET}"})
    assert SECRET not in show_everything(caught.value)
    with pytest.raises(InvalidConfig) as caught:
        make_codec(Headers).parse({"hostName": "x", "X-Key": 5, "hostname": ["a"]})
    assert {problem.path for problem in caught.value.errors} == {("X-Key",), ("hostname",)}
