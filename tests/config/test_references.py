"""References to environment variables and files: what they may point at, what they give, where they may stand."""

from __future__ import annotations

import base64
import json
import os
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import (
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    Json,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    field_validator,
    model_validator,
)

from django_plugin_system.checks import check_references
from django_plugin_system.config.backends import MAX_BYTES
from django_plugin_system.config.json_tree import MAX_DEPTH
from django_plugin_system.config.references import Reference, Resolver, find_references
from django_plugin_system.exceptions import (
    InvalidConfig,
    MalformedToken,
    StoredConfigInvalid,
    UnresolvedReference,
    UnstorableConfig,
)
from django_plugin_system.schema.values import MISSING, get_part
from tests.config.helpers import SECRET, iter_chain, make_codec, make_schema, show_everything

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import Settings

    Allow = Callable[..., None]

ENV = {"$env": "APP_TOKEN"}
TEXT = "planted-by-the-environment"


@pytest.fixture
def allow(settings: Settings) -> Allow:
    """Return a function that sets which variables and directories may be referred to."""

    def allow(*names: str, files: tuple[Any, ...] = ()) -> None:
        settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": list(names), "FILE_REFERENCES": list(files)}

    return allow


@pytest.fixture
def token(allow: Allow, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set the variable that ``ENV`` names, allow it, and return its value."""
    allow("APP_TOKEN")
    monkeypatch.setenv("APP_TOKEN", TEXT)
    return TEXT


def round_trip(schema: type[BaseModel], data: Any) -> tuple[dict[str, Any], Any]:
    """Return what is stored of ``data``, and the model that comes back."""
    codec = make_codec(schema)
    stored = json.loads(json.dumps(codec.store(codec.parse(data))))
    assert codec.store(codec.restore(stored), stored) == stored
    return stored, codec.restore(stored).model


def refuse(schema: type[BaseModel], data: Any) -> InvalidConfig:
    """Check that ``data`` is refused without a word about any value, and return the error."""
    codec = make_codec(schema)
    with pytest.raises(InvalidConfig) as caught:
        codec.store(codec.parse(data))
    assert TEXT not in show_everything(caught.value)
    assert list(iter_chain(caught.value)) == [caught.value]
    return caught.value


# What may be referred to


@pytest.mark.parametrize("name", ["SECRET_KEY", "APP_TOKEN2", "app_token", "", "APP_*", "TWILIO", "HOME"])
def test_a_variable_that_is_not_listed_is_refused(name: str, allow: Allow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody points a field at a variable that the settings do not list, set or not; the error names it."""
    allow("APP_TOKEN", "TWILIO_*")
    for set_too in ("SECRET_KEY", "APP_TOKEN2", "TWILIO"):
        monkeypatch.setenv(set_too, TEXT)
    error = refuse(make_schema(str), {"value": {"$env": name}})
    assert error.errors[0].path == ("value",)
    assert f"variable {name} is not listed" in error.errors[0].message


def test_a_prefix_lists_what_begins_with_it(allow: Allow, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with a star at its end stands for all that begin so."""
    allow("OTHER", "TWILIO_*")
    monkeypatch.setenv("TWILIO_TOKEN", TEXT)
    assert round_trip(make_schema(str), {"value": {"$env": "TWILIO_TOKEN"}})[1].value == TEXT


@pytest.mark.parametrize("reference", [ENV, {"$file": "/etc/hostname"}])
def test_references_are_off_by_default(reference: dict[str, str], settings: Settings) -> None:
    """Without a setting no reference is followed, and none is taken for data either."""
    settings.PLUGIN_SYSTEM = {}
    for schema in (make_schema(str), make_schema(dict[str, str]), make_schema(Any)):
        assert refuse(schema, {"value": reference}).errors[0].path == ("value",)
        with pytest.raises(UnresolvedReference):
            make_codec(schema).restore({"value": reference})


def test_a_variable_that_is_not_set_is_named(allow: Allow) -> None:
    """A listed variable that is missing is a problem at its field; an empty one is an empty text."""
    allow("APP_*")
    codec = make_codec(make_schema(SecretStr))
    assert "variable APP_TOKEN is not set" in refuse(codec.codec.schema, {"value": ENV}).errors[0].message
    with pytest.raises(UnresolvedReference, match="value: the environment variable APP_TOKEN is not set") as caught:
        codec.restore({"value": ENV})
    assert caught.value.errors[0].path == ("value",)
    os.environ["APP_EMPTY"] = ""
    try:
        assert codec.restore({"value": {"$env": "APP_EMPTY"}}).model.value.get_secret_value() == ""  # type: ignore[attr-defined]
    finally:
        del os.environ["APP_EMPTY"]


@pytest.fixture
def vault(tmp_path: Path, allow: Allow) -> Path:
    """Return a directory that is listed, beside one that is not."""
    (tmp_path / "open").mkdir()
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "key").write_text(TEXT)
    (tmp_path / "open-too").mkdir()
    (tmp_path / "open-too" / "key").write_text(TEXT)
    allow(files=(tmp_path / "open",))
    return tmp_path / "open"


def read(path: Path | str, annotation: Any = str) -> Any:
    """Return what a field of this type reads from a file."""
    return round_trip(make_schema(annotation), {"value": {"$file": str(path)}})[1].value


def test_a_file_below_a_listed_directory_is_read(vault: Path) -> None:
    """Its text is the value, at any depth, without the line break that editors add at the end."""
    (vault / "sub").mkdir()
    for text, expected in (("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a\r", "a\r"), ("", ""), ("\n", "")):
        (vault / "sub" / "key").write_bytes(text.encode())
        assert read(vault / "sub" / "key") == expected


@pytest.mark.parametrize(
    "escape", ["../closed/key", "../open-too/key", "link", "loop", "linked/key", "", ".", "/etc/passwd"]
)
def test_no_way_leads_out_of_the_directory(vault: Path, escape: str) -> None:
    """Neither dots nor symlinks nor a name that only begins alike lead elsewhere, whether there is a file or not."""
    (vault / "link").symlink_to(vault.parent / "closed" / "key")
    (vault / "linked").symlink_to(vault.parent / "closed")
    (vault / "loop").symlink_to(vault / ".." / "closed" / "missing")
    error = refuse(make_schema(str), {"value": {"$file": os.path.join(str(vault), escape)}})  # noqa: PTH118
    assert "is not below a directory of" in error.errors[0].message


@pytest.mark.parametrize("name", ["key", "./key", "", "~/key"])
def test_a_file_is_named_in_full(vault: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is refused, wherever the process stands."""
    (vault / "key").write_text(TEXT)
    monkeypatch.chdir(vault)
    assert "is not below" in refuse(make_schema(str), {"value": {"$file": name}}).errors[0].message


def test_symlinks_within_the_directory_work(vault: Path) -> None:
    """The way in which Kubernetes mounts secrets, links through a ``..data`` directory, is followed."""
    (vault / "..2026").mkdir()
    (vault / "..2026" / "key").write_text(TEXT)
    (vault / "..data").symlink_to("..2026")
    (vault / "key").symlink_to(Path("..data", "key"))
    assert read(vault / "key") == TEXT


def test_a_listed_directory_may_be_a_symlink(vault: Path, allow: Allow) -> None:
    """What counts is where the listed directory really is."""
    (vault / "key").write_text(TEXT)
    (vault.parent / "alias").symlink_to(vault)
    allow(files=(str(vault.parent / "alias") + "/",))
    assert read(vault / "key") == read(vault.parent / "alias" / "key") == TEXT


def test_only_regular_files_are_read(vault: Path) -> None:
    """A pipe does not hang, a directory is no file, and one that may not be read or is gone is named."""
    os.mkfifo(vault / "pipe")
    (vault / "sub").mkdir()
    (vault / "loop").symlink_to("loop")
    for name, code in (
        ("pipe", "ENOTSUP|EOPNOTSUPP"),
        ("sub", "EISDIR"),
        ("gone", "ENOENT"),
        ("loop", "ELOOP|ENOTSUP|EOPNOTSUPP"),
    ):
        problem = refuse(make_schema(str), {"value": {"$file": str(vault / name)}}).errors[0].message
        assert f"the file {vault / name} cannot be read" in problem
        assert any(one in problem for one in code.split("|"))


def test_a_file_of_great_length_is_refused(vault: Path) -> None:
    """A secret of 1 MB is read whole, one beyond the limit not at all."""
    (vault / "key").write_text("x" * 1024 * 1024)
    assert len(read(vault / "key", SecretStr).get_secret_value()) == 1024 * 1024
    (vault / "key").write_text("x" * (MAX_BYTES + 1))
    assert (
        "longer than 2,097,152 bytes"
        in refuse(make_schema(str), {"value": {"$file": str(vault / "key")}}).errors[0].message
    )


def test_bytes_that_are_no_text_are_given_as_bytes(vault: Path, token: str, allow: Allow) -> None:
    """A key in binary comes whole to a field of bytes; a field of text refuses it without quoting it."""
    del token
    raw = bytes(range(256)) + b"\n"
    (vault / "key").write_bytes(raw)
    os.environb[b"APP_TOKEN"] = raw[1:]
    allow("APP_TOKEN", files=(vault,))
    assert read(vault / "key", SecretBytes).get_secret_value() == raw
    assert round_trip(make_schema(SecretBytes), {"value": ENV})[1].value.get_secret_value() == raw[1:]
    assert "fdfe" not in show_everything(refuse(make_schema(str), {"value": {"$file": str(vault / "key")}}))


# What a reference gives


class Size(IntEnum):
    """A choice of numbers."""

    SMALL = 1


class Strict(BaseModel):
    """A model that converts nothing."""

    model_config = ConfigDict(strict=True)

    count: int
    on: bool


class Server(BaseModel):
    """A model with a secret."""

    host: str = "localhost"
    password: SecretStr


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (str, "5", "5"),
        (int, "5", 5),
        (float, "0.5", 0.5),
        (bool, "yes", True),
        (bytes, "raw", b"raw"),
        (SecretStr, "5", SecretStr("5")),
        (SecretBytes, "x", SecretBytes(b"x")),
        (Secret[int], "5", Secret[int](5)),
        (Secret[dict[str, int]], '{"a": 1}', Secret[dict[str, int]]({"a": 1})),
        (int | str, "5", "5"),
        (int | None, "5", 5),
        (Literal[1, 2], "2", 2),
        (Size, "1", Size.SMALL),
        (HttpUrl, "https://example.com", HttpUrl("https://example.com")),
        (list[int], "[1, 2]", [1, 2]),
        (tuple[int, str], '[1, "a"]', (1, "a")),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (Strict, '{"count": 1, "on": true}', Strict(count=1, on=True)),
        (Server, '{"password": "x"}', Server(password=SecretStr("x"))),
        (list[Server], '[{"password": "x"}]', [Server(password=SecretStr("x"))]),
        (Any, "[1]", "[1]"),
    ],
    ids=str,
)
def test_text_is_taken_as_the_field_needs_it(
    annotation: Any, text: str, value: Any, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text itself where the field takes it, else the JSON that it spells; stored is the reference."""
    del token
    monkeypatch.setenv("APP_TOKEN", text)
    stored, model = round_trip(make_schema(annotation), {"value": ENV})
    assert stored == {"value": ENV}
    assert model.value == value
    assert type(model.value) is type(value)


def test_problems_elsewhere_stay_where_they_are(token: str) -> None:
    """A field with a reference that fits has no part in the problems of another."""
    del token
    [problem] = refuse(Server, {"host": 5, "password": ENV}).errors
    assert problem.path == ("host",)
    assert "from" not in problem.message


def test_what_is_nested_without_end_is_not_searched() -> None:
    """References are looked for only as deep as this package stores."""
    deep: Any = ENV
    for _level in range(MAX_DEPTH + 2):
        deep = {"a": deep}
    assert find_references(deep) == {}
    assert find_references({"a": [ENV]}) == {("a", "0"): Reference("$env", "APP_TOKEN")}


def test_a_strict_model_takes_json(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is converted, a number is what JSON says it is."""
    del token
    monkeypatch.setenv("APP_TOKEN", "5")
    assert round_trip(Strict, {"count": ENV, "on": True})[1] == Strict(count=5, on=True)


@pytest.mark.parametrize("text", ["five", "{", "null", '"5"', "NaN", "[" * 5000, "[" * 300 + "]" * 300])
def test_a_value_that_does_not_fit_is_refused_without_quoting_it(
    text: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The problem names field and reference; it is the same whether typed or stored."""
    del token
    monkeypatch.setenv("APP_TOKEN", text)
    for schema in (make_schema(int), make_schema(Server)):
        for read_it, kind in (
            (make_codec(schema).parse, InvalidConfig),
            (make_codec(schema).restore, StoredConfigInvalid),
        ):
            with pytest.raises(kind) as caught:
                read_it({"value": ENV})
            assert caught.value.errors[0].path == ("value",)
            assert "(from $env APP_TOKEN)" in caught.value.errors[0].message


def test_what_is_inside_a_referred_value_is_not_shown(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Problems inside of JSON that a reference gives stand at the reference, without its keys or values."""
    del token
    monkeypatch.setenv("APP_TOKEN", json.dumps({"password": "x", "planted-key": TEXT, "host": 5}))
    error = refuse(make_schema(Server), {"value": ENV})
    assert {problem.path for problem in error.errors} == {("value",)}
    assert "planted-key" not in str(error)
    monkeypatch.setenv("APP_TOKEN", json.dumps({"password": "x", "planted-key": TEXT}))
    error = refuse(make_schema(Server), {"value": ENV})
    assert "planted-key" not in str(error)


class Quoting(BaseModel):
    """A validator that quotes what it is given."""

    url: str

    @field_validator("url")
    @classmethod
    def _refuse(cls, url: str) -> str:
        message = f"bad url {url}"
        raise ValueError(message)


def test_a_validator_that_quotes_the_value_is_silenced(token: str) -> None:
    """What a reference gives counts as a secret, also in a plain field."""
    assert token not in str(refuse(Quoting, {"url": ENV}))
    with pytest.raises(StoredConfigInvalid) as caught:
        make_codec(Quoting).restore({"url": ENV})
    assert token not in show_everything(caught.value)


class Login(BaseModel):
    """A validator that quotes a part of what it is given."""

    user: str

    @field_validator("user")
    @classmethod
    def _refuse(cls, user: str) -> str:
        message = f"{user} is no user"
        raise ValueError(message)


class Tagged(BaseModel):
    """One of several, told by a text that pydantic quotes."""

    kind: Literal["tagged"]


class Told(BaseModel):
    """The other one."""

    kind: Literal["told"]


@pytest.mark.parametrize(
    ("annotation", "given"),
    [
        (Login, {"user": TEXT}),
        (list[Login], [{"user": TEXT}]),
        (Annotated[Tagged | Told, Field(discriminator="kind")], {"kind": TEXT}),
    ],
)
def test_a_part_of_what_a_reference_gives_is_not_quoted(
    annotation: Any, given: Any, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each text inside of JSON counts as a secret."""
    del token
    monkeypatch.setenv("APP_TOKEN", json.dumps(given))
    assert TEXT not in show_everything(refuse(make_schema(annotation), {"value": ENV}))


# Where a reference may stand


class Wide(BaseModel):
    """Fields of many shapes, under aliases."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    token: SecretStr = Field(alias="authToken")
    nested: str = Field("n", validation_alias=AliasPath("outer", "inner", 0))
    servers: list[Server] = []
    labels: dict[str, str] = {}
    pair: tuple[str, int] = ("a", 1)
    either: Server | str = ""
    anything: Any = None


def test_any_field_at_any_depth_may_be_a_reference(token: str) -> None:
    """By name or alias, in lists, dicts, tuples, unions, Any and extra values: stored as it is, at its stored place."""
    data = {
        "authToken": ENV,
        "outer": {"inner": [ENV]},
        "servers": [{"password": ENV}, {"host": ENV, "password": "typed"}],
        "labels": {"a": ENV, "b": "plain"},
        "pair": [ENV, 2],
        "either": {"host": "h", "password": ENV},
        "anything": {"deep": [ENV]},
        "more": ENV,
    }
    stored, model = round_trip(Wide, data)
    assert stored["token"] == stored["nested"] == stored["more"] == ENV
    assert stored["servers"][0] == {"host": "localhost", "password": ENV}
    assert stored["servers"][1]["host"] == ENV
    assert stored["labels"] == {"a": ENV, "b": "plain"}
    assert stored["pair"] == [ENV, 2]
    assert stored["either"]["password"] == stored["anything"]["deep"][0] == ENV
    assert model.token.get_secret_value() == model.nested == model.pair[0] == model.more == token
    assert model.anything == {"deep": [token]}
    assert token not in json.dumps(stored)


@pytest.mark.parametrize(
    "value",
    [
        {"$env": "APP_TOKEN", "x": 1},
        {"$env": 1},
        {"$env": None},
        {"$env": ["APP_TOKEN"]},
        {"$env": {"$env": "APP_TOKEN"}},
        {"$env": {"$secret": "dps1.00000000.x"}},
        {"$file": "/x", "$env": "APP_TOKEN"},
        {"$file": 5},
    ],
    ids=str,
)
def test_a_malformed_reference_is_no_data(value: Any, token: str) -> None:
    """The keys of references mean nothing else, not even in a dict with free keys; nothing is guessed."""
    del token
    for annotation in (str, SecretStr, dict[str, Any], Any, dict[str, str]):
        schema = make_schema(annotation)
        for read_it in (make_codec(schema).parse, make_codec(schema).restore):
            with pytest.raises((InvalidConfig, UnresolvedReference, MalformedToken), match="value"):
                read_it({"value": value})


def test_a_whole_configuration_is_no_reference(token: str) -> None:
    """A reference stands for a field; the root of a configuration is none."""
    del token
    for schema in (make_schema(str), RootModel[dict[str, str]]):
        assert refuse(schema, ENV).errors[0].path == ()


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Secret[dict[str, str]], {"a": ENV}),
        (set[str], [ENV, "b"]),
        (Secret[Server], {"password": ENV}),
    ],
    ids=str,
)
def test_a_reference_that_could_not_be_stored_is_refused(annotation: Any, value: Any, token: str) -> None:
    """Inside of a secret, or where a place has no fixed path, the value would be stored, so it is refused."""
    del token
    assert refuse(make_schema(annotation), {"value": value}).errors[0].path[0] == "value"


def test_json_text_is_text(token: str) -> None:
    """A reference inside of a text that is JSON is no reference."""
    del token
    text = json.dumps({"a": ENV}, separators=(",", ":"))
    stored, model = round_trip(make_schema(Json[dict[str, Any]]), {"value": text})
    assert stored == {"value": text}
    assert model.value == {"a": ENV}


class Deriving(BaseModel):
    """Validators that copy one field into another."""

    token: SecretStr
    host: str = "https://example.com"
    url: str = ""
    spare: SecretStr | None = None

    @model_validator(mode="after")
    def _fill(self) -> Deriving:
        self.url = self.url or f"{self.host}/{self.token.get_secret_value()[:4]}"
        self.spare = self.spare or self.token
        return self


def test_a_copy_of_the_value_is_not_stored(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A validator that copies what a reference gives, in the clear or sealed, is found out."""
    error = refuse(Deriving, {"token": SECRET, "host": ENV})
    assert isinstance(error, UnstorableConfig)
    assert [problem.path for problem in error.errors] == [("url",)]
    assert [problem.path for problem in refuse(Deriving, {"token": ENV, "url": "u"}).errors] == [("spare",)]
    monkeypatch.setenv("APP_TOKEN", "https://example.com")
    data = {"token": SECRET, "host": ENV, "url": "https://example.com/typed"}
    assert round_trip(Deriving, data)[0]["host"] == ENV, token


class Splitting(BaseModel):
    """A validator that takes one key apart into fields."""

    user: str
    password: SecretStr

    @model_validator(mode="before")
    @classmethod
    def _split(cls, data: Any) -> Any:
        if "login" in data:
            user, password = data["login"].split("-", 1)
            return {"user": user, "password": password}
        return data


def test_a_reference_that_a_validator_takes_apart_is_refused(token: str) -> None:
    """A key that is no field cannot be stored as a reference, so what it gives is not stored either."""
    del token
    assert "a reference cannot stand here" in str(refuse(Splitting, {"login": ENV}))
    assert round_trip(Splitting, {"user": ENV, "password": ENV})[0] == {"user": ENV, "password": ENV}


def test_data_that_looks_like_a_reference_is_refused(token: str) -> None:
    """Neither a model's value nor a default of the schema becomes a reference by being stored."""
    del token
    for annotation in (dict[str, str], Any):
        schema = make_schema(annotation, {"$env": "APP_TOKEN"})
        attempts: list[Any] = [schema(), {}]
        for given in attempts:
            assert '"$env" cannot be used as a key' in str(refuse(schema, given))


def test_a_secret_whose_json_looks_like_a_reference_is_not_followed(token: str) -> None:
    """What was encrypted is data, whatever it says."""
    schema = make_schema(Secret[dict[str, str]])
    model = schema(value=Secret[dict[str, str]](ENV))
    stored, back = round_trip(schema, model)
    assert back == model
    assert token not in str(back.value.get_secret_value())
    assert list(stored["value"]) == ["$secret"]


def test_one_look_at_a_reference_serves_a_whole_write(vault: Path) -> None:
    """A file that changes while it is stored does not make the proof fail."""
    (vault / "key").write_text("one")
    codec = make_codec(make_schema(str))
    parsed = codec.parse({"value": {"$file": str(vault / "key")}})
    (vault / "key").write_text("two")
    stored = codec.store(parsed)
    assert codec.restore(stored).model.value == "two"  # type: ignore[attr-defined]


def test_objects_that_hold_values_do_not_show_them(token: str) -> None:
    """The reprs of what travels through the codec say nothing of a value."""
    parsed = make_codec(make_schema(str)).parse({"value": ENV})
    assert token not in repr(parsed)
    assert str(Reference("$env", "APP_TOKEN")) == "$env APP_TOKEN"


def test_parts_of_values_are_found_by_their_stored_path() -> None:
    """Root models have no key of their own; what is not there is missing."""

    class Tags(RootModel[list[str]]):
        """A list."""

    model = make_schema(Tags)(value=Tags(["a", "b"]))
    assert get_part(model, ("value", "1")) == "b"
    assert get_part(model, ("value", "2")) is get_part(model, ("other", "x")) is MISSING


@pytest.mark.parametrize(
    "kind", ["key", "other alphabet", "in JSON", "digits", "capitals", "secret key", "fallback", "raw"]
)
def test_key_material_is_never_given(kind: str, vault: Path, settings: Settings) -> None:
    """A file that holds an encryption key or a SECRET_KEY is refused, and a system check names it."""
    raw = bytes(range(224, 256))
    settings.SECRET_KEY_FALLBACKS = [b"an-older-secret-key", ""]
    keys = {"ENCRYPTION_KEYS": [base64.urlsafe_b64encode(raw).decode()]}
    settings.PLUGIN_SYSTEM = {**keys, "FILE_REFERENCES": [str(vault)]}
    other = base64.b64encode(raw).decode()
    content = {
        "key": f" {keys['ENCRYPTION_KEYS'][0]}\n".encode(),
        "other alphabet": other.encode(),
        "in JSON": json.dumps({"keys": [other.rstrip("=")]}).encode(),
        "digits": raw.hex().encode(),
        "capitals": f"KEY={raw.hex().upper()}".encode(),
        "secret key": f"SECRET_KEY={settings.SECRET_KEY}".encode(),
        "fallback": b"an-older-secret-key",
        "raw": raw,
    }[kind]
    (vault / "file").write_bytes(content)
    (vault / "harmless").write_bytes(b"harmless")
    (vault / "folder").mkdir()
    assert "holds a key of this project's settings" in str(
        refuse(make_schema(str), {"value": {"$file": str(vault / "file")}})
    )
    (message,) = check_references()
    assert str(vault / "file") in message.msg


def test_a_check_names_variables_that_hold_keys(
    allow: Allow, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """A pattern that covers the keys is found; settings that cannot be used are left to their own check."""
    monkeypatch.setenv("APP_TOKEN", settings.SECRET_KEY)
    allow("APP_*")
    assert [message.id for message in check_references()] == ["django_plugin_system.W005"]
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": ["short"], "ENV_REFERENCES": ["APP_*"]}
    assert not [*check_references()]


@pytest.mark.parametrize("name", ["/\ud800", "/a\0b"])
@pytest.mark.parametrize("kind", ["$env", "$file"])
def test_a_name_that_cannot_be_stored_is_no_reference(kind: str, name: str) -> None:
    """Half of a surrogate pair and a NUL are refused as malformed, not by the system or a driver."""
    refused = refuse(make_schema(str), {"value": {kind: name}})
    assert f"{kind} is a reference" in str(refused)


def test_a_folder_that_became_a_link_is_not_followed(
    vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that is put below an allowed directory after the path was looked at leads nowhere."""
    (vault / "real").mkdir()
    (vault / "real" / "x").write_text("inside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x").write_text("OUTSIDE")
    reference = Reference("$file", str(vault / "real" / "x"))
    assert Resolver().get(reference) == "inside"
    realpath = os.path.realpath

    def swap(path: str) -> str:
        found = realpath(path)
        if path == reference.name:
            (vault / "real").rename(vault / "moved")
            (vault / "real").symlink_to(tmp_path / "outside")
        return found

    monkeypatch.setattr(os.path, "realpath", swap)
    assert "cannot be read" in str(Resolver().get(reference))
