"""References in forms: shown as they are stored, typed as JSON, and never followed on the way."""

from __future__ import annotations

import json
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import BaseModel, SecretStr

from django_plugin_system import BoundTo
from django_plugin_system.config.backends import ReferenceBackend
from django_plugin_system.config.codec import Kept
from django_plugin_system.forms.binding import drop_secrets, show_fields
from django_plugin_system.forms.field import ConfigFormField, list_sources
from django_plugin_system.forms.placeholders import RETYPE
from tests.forms.helpers import SECRET, bind, edit, get_form, make_schema, post
from tests.shapes.table import MARKER, SHAPES, Shape, get_stored
from tests.support.cases import each, tried_on

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

ENV = {"$env": "APP_TOKEN"}
FILE = {"$file": '/run/secrets/a "b" ä'}
TEXT = '{"$env": "APP_TOKEN"}'

every_shape = tried_on(each("shape", SHAPES, attrgetter("name")))


@pytest.mark.parametrize("generated", [True, False])
@pytest.mark.parametrize("reference", [ENV, FILE], ids=str)
@every_shape
def test_an_unchanged_form_keeps_a_reference(shape: Shape, reference: Any, *, generated: bool) -> None:
    """In the place of any field, whatever its type: shown as it is stored, and stored as it was."""
    schema = make_schema(shape.annotation, shape.default)
    binding = bind(schema, {"value": reference}, generated=generated)
    assert not post(binding, get_form(binding)).changed
    assert ("APP_TOKEN" if reference is ENV else "/run/secrets/a") in binding.get_text()
    again = post(binding, {**get_form(binding), "unknown": 1})
    assert again.config is None or again.config["value"] == reference


@every_shape
def test_a_reference_may_be_typed_as_json_text(shape: Shape) -> None:
    """The configuration as JSON text takes a reference in the place of any field."""
    binding = bind(
        make_schema(shape.annotation, shape.default), {"value": get_stored(shape, shape.values[0])}, generated=False
    )
    submission = post(binding, {"value": ENV})
    assert submission.config == {"value": ENV}


class StubStore(ReferenceBackend):
    """A store that a form never asks."""


class Config(BaseModel):
    """Fields that are typed as text."""

    host: str = ""
    size: int = 0
    token: SecretStr | None = None
    names: list[str] = []
    labels: dict[str, str] = {}


@pytest.mark.parametrize("text", [TEXT, '  {"$env":"APP_TOKEN"}\n'])
def test_inputs_of_text_take_a_reference(text: str) -> None:
    """What is typed as a reference is one, in texts, numbers, secrets, lists and dicts."""
    binding = bind(Config, {"token": MARKER})
    values = {"host": text, "size": text, "token": text, "names": [text], "labels": [{"key": "a", "value": text}]}
    assert edit(binding, **values).config == {
        "host": ENV,
        "size": ENV,
        "token": ENV,
        "names": [ENV],
        "labels": {"a": ENV},
    }


@pytest.mark.parametrize("text", ['{"$env": "A", "x": 1}', '{"$env": 5}', '{"$file": null}'])
def test_a_malformed_reference_is_no_text(text: str) -> None:
    """It is handed on as what it was meant to be, so that it is refused where it stands; never stored as a secret."""
    assert edit(bind(Config, {}), host=text, token=text).config == {
        **edit(bind(Config, {}), host="x").config,  # type: ignore[dict-item]
        "host": json.loads(text),
        "token": json.loads(text),
    }


@pytest.mark.parametrize("text", ["$env", "{", '{"a": 1}', '["$env"]', "[" * 5000, "{" * 5000, '{"x": {"$env": "A"}}'])
def test_other_text_is_text(text: str) -> None:
    """Text that only looks a little like a reference is what it says."""
    submission = edit(bind(Config, {}), host=text, token=text)
    assert submission.config is not None
    assert (submission.config["host"], submission.config["token"]) == (text, text)


def test_a_stored_text_that_spells_a_reference_stays_text() -> None:
    """Such a text, stored by a program, is shown as quoted JSON, and an edit beside it leaves it alone."""
    binding = bind(Config, {"host": TEXT, "names": [TEXT]})
    assert get_form(binding)["host"] == json.dumps(TEXT)
    submission = edit(binding, size="5")
    assert submission.config is not None
    assert (submission.config["host"], submission.config["names"]) == (TEXT, [TEXT])


def test_a_reference_is_replaced_by_a_value() -> None:
    """Typing over a reference ends it, in a text, a secret, and where JSON text took the place of another input."""

    class Mixed(BaseModel):
        token: SecretStr
        on: bool

    binding = bind(Mixed, {"token": ENV, "on": ENV})
    assert json.loads(get_form(binding)["on"]) == ENV
    assert edit(binding, token=SECRET, on="true").config == {"token": SECRET, "on": True}


@pytest.mark.parametrize("generated", [True, False])
def test_a_refused_form_shows_references_again(*, generated: bool) -> None:
    """What names a place is shown again; a secret beside it has to be typed again."""
    binding = bind(Config, {}, generated=generated)
    form: Any = {"host": TEXT if generated else ENV, "token": TEXT if generated else ENV, "names": [], "labels": []}
    again = json.loads(binding.redisplay(json.dumps(form)))
    assert (again["host"], again["token"]) == (form["host"], form["token"])
    if not generated:
        assert json.loads(binding.redisplay(json.dumps({**form, "more": {"a": ENV}})))["more"] == {"a": ENV}
    again = json.loads(binding.redisplay(json.dumps({**form, "token": '{"$env": 1, "x": "typed"}'})))
    assert again["token"] == RETYPE


def test_json_text_in_a_form_takes_references() -> None:
    """A field that is JSON text anyway shows references, and shows them again after a refusal."""
    schema = make_schema(dict[str, Any] | None)
    binding = bind(schema, {"value": {"a": ENV, "b": MARKER}})
    assert not post(binding, get_form(binding)).changed
    text = json.dumps({"a": ENV, "b": SECRET})
    again = binding.redisplay(json.dumps({"value": text}))
    assert "APP_TOKEN" in again


def test_people_who_may_only_look_see_the_reference() -> None:
    """The name of a variable is no secret, also in the place of one; a copy of a row takes it along."""
    stored = {"host": FILE, "token": ENV}
    for schema in (Config, None):
        assert "$env APP_TOKEN" in show_fields(stored, schema)
    assert drop_secrets({**stored, "spare": MARKER}, Config) == stored
    deep: Any = ENV
    for _level in range(200):
        deep = [deep]
    for schema in (Config, None):
        assert "APP_TOKEN" not in show_fields({"host": deep}, schema)


def test_what_may_be_referred_to_is_said(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The form offers what the settings list and what is there of it, escaped; without a setting, nothing."""
    binding = bind(Config, {})
    settings.PLUGIN_SYSTEM = {}
    assert ConfigFormField(binding).help_text == ""
    assert list_sources() == []
    (tmp_path / "token").write_text("secret-in-a-file")
    monkeypatch.setenv("APP_HERE", "secret-in-a-variable")
    settings.PLUGIN_SYSTEM = {
        "ENV_REFERENCES": ["APP_*", "OTHER"],
        "FILE_REFERENCES": [str(tmp_path), "/run/<secrets>"],
    }
    assert '<a href="?a=1&amp;json=1">' in str(ConfigFormField(binding, "?a=1&json=1").help_text)
    text = str(ConfigFormField(bind(Config, {}, generated=False)).help_text)
    assert "APP_*, OTHER" in text
    assert "/run/&lt;secrets&gt;" in text
    assert "<a" not in text
    variables, files = list_sources()
    assert (variables["kind"], files["kind"]) == ("$env", "$file")
    assert variables["names"] == [{"name": "APP_HERE", "works": True}, {"name": "OTHER", "works": False}]
    assert files["names"] == [{"name": str(tmp_path / "token"), "works": True}]
    assert "secret-in" not in json.dumps(list_sources())
    backend = f"{StubStore.__module__}.{StubStore.__qualname__}"
    settings.PLUGIN_SYSTEM = {"REFERENCES": {"vault": {"BACKEND": backend, "ALLOW": ["shop/*", "sms#token"]}}}
    [store] = list_sources()
    assert (store["kind"], store["title"], store["allowed"]) == ("$vault", "Store: vault", "shop/*, sms#token")
    assert store["names"] == [{"name": "sms#token", "works": None}]


# Bound secrets


class Server(BaseModel):
    """A secret that belongs to an endpoint."""

    api_url: str = ""
    token: Annotated[SecretStr, BoundTo("api_url")]


class Servers(BaseModel):
    """Several of them."""

    servers: list[Server] = []


def test_a_bound_secret_says_what_it_belongs_to() -> None:
    """Operators are told beforehand when they will have to type it again."""
    schema = bind(Server).get_schema("{}")
    assert "Belongs to Api url: when that changes, type it again." in schema["properties"]["token"]["help_text"]


def test_a_moved_secret_is_handed_on_as_kept() -> None:
    """A reordered item brings its secret along as one that nobody typed; one in its place as it is stored."""
    other = {"$secret": "dps1.0000aaaa.other"}
    binding = bind(Servers, {"servers": [{"api_url": "a", "token": MARKER}, {"api_url": "b", "token": other}]})
    items = get_form(binding)["servers"]
    moved = edit(binding, servers=items[::-1]).config
    assert moved is not None
    assert [type(server["token"]) for server in moved["servers"]] == [Kept, Kept]
    kept = edit(binding, servers=[items[0], {"api_url": "b", "token": SECRET}]).config
    assert kept is not None
    assert [server["token"] for server in kept["servers"]] == [MARKER, SECRET]
