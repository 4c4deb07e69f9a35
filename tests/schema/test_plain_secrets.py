"""The quick look for plain text where a schema declares a secret."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import pytest
from pydantic import BaseModel, Field, Secret, SecretBytes, SecretStr

from django_plugin_system.rows.config import may_hold_plain_secret

MARKER = {"$secret": "dps1.01234567.x"}


class Login(BaseModel):
    """Where a secret is, one level down."""

    user: str = ""
    password: SecretStr | None = None
    children: list[Login] = []


class Pair(NamedTuple):
    """A secret in a tuple with names, which is stored as a list."""

    name: str
    token: SecretStr


class Everything(BaseModel):
    """A secret in each place that a type can declare."""

    plain: str = ""
    token: SecretStr = SecretStr("")
    raw: SecretBytes = SecretBytes(b"")
    odd: list[Annotated[SecretBytes, ["metadata that has no hash"]]] = []
    number: Secret[int] = Secret[int](0)
    login: Login = Login()
    logins: dict[str, Login] = {}
    spare: list[SecretStr] = []
    both: tuple[str, SecretStr] = ("", SecretStr(""))
    pair: Pair = Pair("", SecretStr(""))
    either: Annotated[str | Login, Field()] = ""


HARMLESS: list[Any] = [
    {},
    {"plain": "x", "token": MARKER, "raw": MARKER, "number": MARKER},
    {"login": {"user": "x", "password": None, "children": [{"password": MARKER}]}},
    {"token": {"$env": "TOKEN"}, "raw": {"$file": "/run/secrets/raw"}, "login": {"$env": "LOGIN"}},
    {"logins": {"a": {"user": "x"}, "password": {}}},
    {"spare": [MARKER, MARKER], "both": ["x", MARKER]},
    {"both": ["x"], "either": "x"},
    {"login": None, "logins": [], "spare": {}, "both": 7},
    [],
    "x",
    None,
]
SUSPICIOUS: list[Any] = [
    {"token": "x"},
    {"token": ""},
    {"token": {"secret": "x"}},
    {"raw": "x"},
    {"odd": ["x"]},
    {"number": 0},
    {"login": {"password": "x"}},
    {"login": {"children": [{"children": [{"password": "x"}]}]}},
    {"logins": {"a": {}, "b": {"password": "x"}}},
    {"spare": [MARKER, "x"]},
    {"both": [MARKER, "x"]},
    {"pair": ["x", "y"]},
    {"either": {"password": "x"}},
]


@pytest.mark.parametrize("stored", HARMLESS)
def test_markers_and_plain_fields_are_fine(stored: Any) -> None:
    """Stored secrets, plain fields, and what does not fit the schema, are no reason to look closer."""
    assert not may_hold_plain_secret(Everything, stored)


@pytest.mark.parametrize("stored", SUSPICIOUS)
def test_plain_text_is_never_missed(stored: Any) -> None:
    """Anything but a marker at a secret's place is a reason to look closer, at any depth."""
    assert may_hold_plain_secret(Everything, stored)


def test_a_schema_without_secrets_needs_no_look() -> None:
    """Where no type declares a secret, nothing is suspicious."""

    class Plain(BaseModel):
        token: str = ""

    assert not may_hold_plain_secret(Plain, {"token": "x"})


class Early(BaseModel):
    """A model that names one that comes later."""

    late: Late


SEEN_EARLY = may_hold_plain_secret(Early, {"late": {"token": "x"}})


class Late(BaseModel):
    """The model that comes later."""

    token: SecretStr


def test_a_model_that_was_not_complete_is_looked_at_again() -> None:
    """A secret in a class that was defined after its use is found, though somebody asked before."""
    assert not SEEN_EARLY
    assert may_hold_plain_secret(Early, {"late": {"token": "x"}})
