"""Secrets that are bound to other fields: what may be declared, what their tokens carry, where they still open."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, NamedTuple, TypeVar

import pydantic.dataclasses
import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    create_model,
    field_validator,
)
from typing_extensions import TypedDict

from django_plugin_system import BoundTo
from django_plugin_system.config.codec import Kept, Parsed
from django_plugin_system.config.encoding import find_belongings
from django_plugin_system.config.json_tree import look_up
from django_plugin_system.config.opened import open_config
from django_plugin_system.config.tokens import Bonds, open_token, seal
from django_plugin_system.exceptions import EndpointChanged, InvalidConfig, MalformedToken, SecretError, TamperedToken
from django_plugin_system.schema.checks import find_unstorable
from django_plugin_system.schema.tree import get_tree
from tests.config.helpers import RING, ROW, SECRET, iter_chain, make_codec, show_everything, store

if TYPE_CHECKING:
    from pytest_django import Settings

Token = Annotated[SecretStr, BoundTo("endpoint")]
T = TypeVar("T")


class Api(BaseModel):
    """The plain case."""

    endpoint: str = "https://one"
    token: Token
    note: str = ""


class Many(BaseModel):
    """Every place where a bound secret may be."""

    model_config = ConfigDict(populate_by_name=True)

    endpoint: str = Field("e", alias="endPoint")
    port: int = 1
    optional: Token | None = None
    raw: Annotated[SecretBytes, BoundTo("endpoint", "port")] = SecretBytes(b"\x00\xff")
    number: Annotated[Secret[int], BoundTo("port")] = Secret[int](5)
    tokens: list[Token] = [SecretStr("t0"), SecretStr("t1")]
    by_name: Annotated[dict[str, SecretStr], BoundTo("endpoint")] = {"a": SecretStr("x")}
    login: Annotated[Login, BoundTo("endpoint")] | None = None
    servers: list[Api] = []
    pair: tuple[Api, int] | None = None
    one: Annotated[Card | Bank, Field(discriminator="kind")] | None = None
    boxed: Box[Token] | None = None


class Login(BaseModel):
    """Credentials without an endpoint of their own."""

    user: str = "u"
    password: SecretStr = SecretStr("p")


class Card(BaseModel):
    """A member of a union."""

    kind: Literal["card"] = "card"
    endpoint: str = "c"
    token: Token


class Bank(BaseModel):
    """Another member, without secrets of its own."""

    kind: Literal["bank"] = "bank"
    login: Login = Login()


class Other(BaseModel):
    """One more."""

    kind: Literal["other"] = "other"
    endpoint: str = "o"
    token: SecretStr


class Box(BaseModel, Generic[T]):
    """A generic model."""

    endpoint: str = "b"
    content: T


Many.model_rebuild()
MANY = Many(
    optional=SecretStr("o"),
    login=Login(),
    servers=[Api(token=SecretStr("s0")), Api(endpoint="https://two", token=SecretStr("s1"))],
    pair=(Api(token=SecretStr("s2")), 1),
    one=Card(token=SecretStr("s3")),
    boxed=Box[Token](content=SecretStr("s4")),
)


def get_bonds(stored: Any, *path: str) -> Bonds:
    """Return what the token at ``path`` is bound to beside its place."""
    [marker] = look_up(stored, path)
    return open_token(marker, ROW, path, RING, stored).bonds


def test_each_bound_secret_is_found_with_its_endpoints() -> None:
    """In any container and model, by stored path; what is bound further out is bound as well."""
    found = find_belongings(MANY, get_tree(Many))
    assert {".".join(path): belonging.endpoints for path, belonging in found.items()} == {
        "optional": ((1, "endpoint"),),
        "raw": ((1, "endpoint"), (1, "port")),
        "number": ((1, "port"),),
        "tokens.0": ((2, "endpoint"),),
        "tokens.1": ((2, "endpoint"),),
        "by_name.a": ((2, "endpoint"),),
        "login.password": ((2, "endpoint"),),
        "servers.0.token": ((1, "endpoint"),),
        "servers.1.token": ((1, "endpoint"),),
        "pair.0.token": ((1, "endpoint"),),
        "one.token": ((1, "endpoint"),),
        "boxed.content": ((1, "endpoint"),),
    }
    assert found["one", "token"].tags == ((1, "kind"),)
    assert find_belongings(Many(one=Bank()), get_tree(Many))["one", "login", "password"] == ((), ((2, "kind"),))


def test_what_is_stored_comes_back_and_carries_its_bonds() -> None:
    """A token says which fields its secret is bound to, and not what stood there."""
    stored = store(MANY)
    assert make_codec(Many).restore(stored).model == MANY
    assert get_bonds(stored, "servers", "1", "token") == ((1, "endpoint"),)
    assert get_bonds(stored, "login", "password") == ((2, "endpoint"),)
    assert get_bonds(stored, "one", "token") == ((1, "endpoint"), (1, "kind"))


def test_what_is_unbound_has_no_bonds() -> None:
    """The token of a secret that is bound to nothing is a byte longer than its parts."""
    assert get_bonds(store(Login()), "password") == ()
    token = seal("x", ROW, ("a",), RING)["$secret"].split(".")[2]
    assert len(token) == len(base64.urlsafe_b64encode(b"\x00" + b"n" * 12 + b'j"x"' + b"t" * 16).rstrip(b"="))


@pytest.mark.parametrize(
    ("path", "value", "hurt"),
    [
        (("endpoint",), "evil", {"optional", "raw", "tokens", "by_name", "login"}),
        (("port",), 2, {"raw", "number"}),
        (("servers", "1", "endpoint"), "evil", {"servers"}),
        (("pair", "0", "endpoint"), None, {"pair"}),
        (("boxed", "endpoint"), {"$env": "X"}, {"boxed"}),
        (("one", "kind"), "bank", {"one"}),
    ],
    ids=["text", "number", "in a list", "none", "reference", "member"],
)
def test_an_endpoint_that_was_changed_in_the_table_opens_nothing(
    path: tuple[str, ...], value: Any, hurt: set[str]
) -> None:
    """Who can write the table, but has no key, cannot send a secret elsewhere; the error names field and endpoint."""
    stored = store(MANY)
    [holder] = look_up(stored, path[:-1])
    for spoil in (partial(holder.update, {path[-1]: value}), partial(holder.pop, path[-1])):
        spoil()
        with pytest.raises(EndpointChanged, match=path[-1]) as caught:
            make_codec(Many).restore(stored)
        assert caught.value.path[0] in hurt
        assert path[-1] in caught.value.names
        assert list(iter_chain(caught.value)) == [caught.value]
        assert "evil" not in show_everything(caught.value)


def test_what_is_beside_an_endpoint_may_change() -> None:
    """Only the named fields count, in whatever order and spelling the database gives them back."""
    stored = store(Api(token=SecretStr(SECRET)))
    changed = {"note": "new", **dict(reversed(stored.items()))} | {"note": "new"}
    assert make_codec(Api).restore(changed).model == Api(token=SecretStr(SECRET), note="new")


def encode(header: bytes, token: str) -> dict[str, str]:
    """Return a token with other bonds in it."""
    head, _, text = token.rpartition(".")
    sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).partition(b"\x00")[2]
    return {"$secret": f"{head}.{base64.urlsafe_b64encode(header + sealed).rstrip(b'=').decode()}"}


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (b"\x00", TamperedToken),
        (b'[[1,"note"]]\x00', EndpointChanged),
        (b"[[1,null]]\x00", TamperedToken),
        (b'[[9,"endpoint"]]\x00', EndpointChanged),
        (b"[[0,1]]\x00", MalformedToken),
        (b"[[1]]\x00", MalformedToken),
        (b"5\x00", MalformedToken),
        (b"[" * 100_000 + b"\x00", MalformedToken),
        (b"\xff\x00", MalformedToken),
        (b"x" * 60, MalformedToken),
    ],
    ids=lambda value: value[:12].decode(errors="replace") if isinstance(value, bytes) else value.__name__,
)
def test_bonds_cannot_be_taken_off(header: bytes, error: type[SecretError]) -> None:
    """They are authenticated: a token with others, or with none, does not open; with nonsense it is no token."""
    stored = store(Api(token=SecretStr(SECRET)))
    stored["token"] = encode(header, stored["token"]["$secret"])
    with pytest.raises(error) as caught:
        make_codec(Api).restore(stored)
    assert type(caught.value) is error


class Password(BaseModel):
    """A member of a union that nothing but its keys tells apart."""

    user: str = "u"
    token: SecretStr


class Key(BaseModel):
    """The other one."""

    url: str = ""
    token: SecretStr


def test_a_member_of_an_untagged_union_is_told_by_its_keys() -> None:
    """A secret does not open in the place of the same name of another member."""
    schema = create_model("Config", login=(Password | Key, ...))
    stored = store(schema(login=Password(token=SecretStr(SECRET))))
    make_codec(schema).restore({"login": {**stored["login"], "user": "other"}})
    with pytest.raises(TamperedToken):
        make_codec(schema).restore({"login": {"url": "", "token": stored["login"]["token"]}})


def test_a_secret_may_go_to_another_member_where_an_operator_says_so() -> None:
    """What tells members apart is no endpoint: a form that keeps the secret under another kind may be saved."""
    either: Any = Annotated[Card | Other, Field(discriminator="kind")]
    schema = create_model("Config", login=(either, ...))
    codec = make_codec(schema)
    previous = store(schema(login=Card(token=SecretStr(SECRET))))
    given = {"login": {**previous["login"], "kind": "other"}}
    again = codec.store(codec.parse(given, previous), previous)
    assert codec.restore(again).model == schema(login=Other(endpoint="c", token=SecretStr(SECRET)))
    with pytest.raises(InvalidConfig, match="enter this secret again"):
        codec.parse(given)


def test_a_secret_from_before_the_class_bound_it_is_readable() -> None:
    """A token without bonds opens; storing it again binds it."""

    class Before(BaseModel):
        endpoint: str = "https://one"
        token: SecretStr
        note: str = ""

    codec = make_codec(Api)
    stored = store(Before(token=SecretStr(SECRET)))
    again = codec.store(codec.restore(stored), stored)
    assert get_bonds(again, "token") == ((1, "endpoint"),)
    assert codec.store(codec.restore(again), again) == again
    loose = make_codec(Before)
    assert get_bonds(loose.store(loose.restore(again), again), "token") == ()


class Loose(TypedDict):
    """A typed dict cannot bind."""

    endpoint: str
    token: Token


class Row(NamedTuple):
    """Nor can a named tuple."""

    endpoint: str
    token: Token


@dataclasses.dataclass
class Plain:
    """A dataclass can."""

    endpoint: str
    token: Token


@pydantic.dataclasses.dataclass
class Validated:
    """So can one of pydantic's."""

    token: Token
    endpoint: str = "d"


@pytest.mark.parametrize("cls", [Plain, Validated])
def test_dataclasses_bind(cls: Any) -> None:
    """Dataclasses bind their secrets as models do."""
    schema = create_model("Config", value=(cls, ...))
    assert find_unstorable(schema) == []
    stored = store(schema.model_validate({"value": {"endpoint": "e", "token": SECRET}}))
    make_codec(schema).restore(stored)
    stored["value"]["endpoint"] = "evil"
    with pytest.raises(EndpointChanged):
        make_codec(schema).restore(stored)


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (Annotated[SecretStr, BoundTo("nowhere")], 'BoundTo("nowhere") names no field'),
        (Annotated[SecretStr, BoundTo("plain", "nowhere")], 'BoundTo("nowhere") names no field'),
        (Annotated[SecretStr, BoundTo("field")], "names a field that is, or holds, a secret"),
        (Annotated[SecretStr, BoundTo("other")], "names a field that is, or holds, a secret"),
        (Annotated[SecretStr, BoundTo("holder")], "names a field that is, or holds, a secret"),
        (Annotated[str, BoundTo("plain")], "BoundTo belongs on a secret"),
        (list[Annotated[SecretStr, BoundTo("nowhere")]], "names no field"),
        (Annotated[SecretStr, Field(title="x"), BoundTo("Plain")] | None, "names no field"),
        (Annotated[SecretStr | None, Field(description="x"), BoundTo("alias")], "names no field"),
        (RootModel[Annotated[SecretStr, BoundTo("plain")]], None),
        (Loose, "BoundTo works in models and dataclasses only"),
        (Row, 'BoundTo("endpoint") names no field'),
        (list[Api], None),
        (Annotated[SecretStr, BoundTo("plain")], None),
    ],
    ids=str,
)
def test_what_binds_to_nothing_is_refused(annotation: Any, problem: str | None) -> None:
    """A name that is no field beside the secret, or is secret itself, is refused at registration."""
    schema = create_model(
        "Config",
        field=(annotation, ...),
        plain=(str, Field("", alias="alias")),
        other=(SecretStr, SecretStr("")),
        holder=(Login, Login()),
    )
    problems = find_unstorable(schema)
    assert [problem in one for one in problems] == [True] if problem else problems == []


def test_keys_with_a_meaning_are_no_names_of_fields() -> None:
    """A field whose stored key or alias is that of a secret or a reference is refused at registration."""
    for key in ("$env", "$file", "$secret"):
        [problem] = find_unstorable(create_model("Config", value=(str, Field("", alias=key))))
        assert f'"{key}" means something else in a stored config' in problem


def test_schemas_know_whether_they_bind() -> None:
    """At any depth of the types."""
    assert get_tree(Many).is_bound
    assert get_tree(create_model("Config", value=(dict[str, deque[Api]], {}))).is_bound
    assert not get_tree(Login).is_bound


# Entering anew, as far as the codec alone can tell: the whole is in tests/rows


def change(data: Any, previous: dict[str, Any] | None, codec: Any = None) -> list[tuple[str, ...]]:
    """Return the paths of the secrets that have to be entered again if ``data`` takes the place of ``previous``."""
    codec = codec or make_codec(Many if isinstance(data, Many) or "servers" in data or "endPoint" in data else Api)
    try:
        codec.store(Parsed(data) if isinstance(data, BaseModel) else codec.parse(data, previous), previous)
    except InvalidConfig as error:
        return [problem.path for problem in error.errors]
    return []


def test_a_kept_secret_stays_with_its_endpoint() -> None:
    """A marker, an object and a model that say what is stored are kept; plain text is entered anew, even if equal."""
    previous = store(Api(token=SecretStr(SECRET)))
    for kept in (previous["token"], SecretStr(SECRET)):
        assert change({**previous, "token": kept, "endpoint": "https://evil"}, previous) == [("token",)]
        assert change({**previous, "token": kept, "note": "new"}, previous) == []
    for typed in (SECRET, SECRET.encode(), "other", SecretStr("other")):
        assert change({"token": typed, "endpoint": "https://evil"}, previous) == []
    assert change({"token": SecretStr(SECRET), "endpoint": "https://one"}, None) == []


def test_a_typed_endpoint_is_compared_as_it_is_stored() -> None:
    """By alias or name, typed as text or number: what counts is what is stored of it."""
    previous = store(MANY)
    data = MANY.model_dump(include={"servers", "pair", "one", "boxed"})
    kept = {**data, "endPoint": "e", "port": "1", "raw": SecretBytes(b"\x00\xff"), "optional": SecretStr("o")}
    assert change(kept, previous) == []
    assert change({**kept, "port": "2"}, previous) == [("raw",), ("number",)]
    assert change({**kept, "endPoint": "f", "optional": "o"}, previous) == [
        ("raw",),
        ("tokens", "0"),
        ("tokens", "1"),
        ("by_name", "a"),
    ]


class Sorted(BaseModel):
    """A list whose items do not stay where they were given."""

    servers: list[Api] = []

    @field_validator("servers", mode="after")
    @classmethod
    def sort(cls, servers: list[Api]) -> list[Api]:
        """Put them into the order of their notes."""
        return sorted(servers, key=lambda server: server.note)


@pytest.mark.parametrize(
    ("field", "more", "is_kept"),
    [
        (Field(validation_alias=AliasChoices("token", "access")), {"access": "x"}, True),
        (Field(validation_alias=AliasChoices("access", AliasPath("auth", 0), "token")), {"auth": ["x"]}, False),
        (Field(validation_alias=AliasPath("auth", "token")), {"auth": {"token": "x"}}, False),
        (Field(alias="Token"), {"Token": "x"}, False),
    ],
)
def test_a_secret_that_is_given_twice_is_kept_if_the_kept_one_counts(
    field: Any, more: dict[str, Any], *, is_kept: bool
) -> None:
    """By name and alias, or by two aliases: what is typed beside a kept secret frees it for no other endpoint."""
    schema = create_model("Config", __config__=ConfigDict(populate_by_name=True), endpoint=str, token=(Token, field))
    codec = make_codec(schema)
    previous = codec.store(codec.parse({"endpoint": "one", "token": SECRET}))
    given = {**previous, "endpoint": "two", **more}
    if is_kept:
        assert change(given, previous, codec) == [("token",)]
    else:
        again: Any = codec.restore(codec.store(codec.parse(given, previous), previous)).model
        assert again.token.get_secret_value() == "x"


def test_a_validator_that_moves_a_kept_secret_redirects_nothing() -> None:
    """Typing one item's secret frees no other item's, wherever it ends up."""
    codec = make_codec(Sorted)
    first = {"endpoint": "one", "token": SECRET, "note": "a"}
    previous = codec.store(codec.parse({"servers": [first, {"endpoint": "two", "token": "other", "note": "b"}]}))
    one, two = previous["servers"]
    moved = [{**one, "endpoint": "evil", "note": "z"}, {**two, "token": "typed"}]
    assert change({"servers": moved}, previous, codec) == [("servers", "1", "token")]


def test_the_same_secret_may_be_kept_in_one_place_and_typed_in_another() -> None:
    """Whoever types it knows it, also where another item keeps the same."""
    codec = make_codec(Sorted)
    first = {"endpoint": "one", "token": SECRET, "note": "a"}
    previous = codec.store(codec.parse({"servers": [first, {**first, "endpoint": "two", "note": "b"}]}))
    one, two = previous["servers"]
    assert change({"servers": [one, {**two, "endpoint": "new"}]}, previous, codec) == [("servers", "1", "token")]
    assert change({"servers": [one, {**two, "endpoint": "new", "token": SECRET}]}, previous, codec) == []


def test_items_may_be_reordered_but_not_mixed() -> None:
    """A server that moves in a list keeps its secret; one that gets the secret of another does not."""
    servers = [Api(endpoint=f"https://{name}", token=SecretStr(name * 9)) for name in "abc"]
    previous = store(Many(servers=servers))
    assert change(Many(servers=servers[::-1]), previous) == []
    alike = [Api(endpoint=f"https://{name}", token=SecretStr("alike")) for name in "abc"]
    assert change(Many(servers=alike[::-1]), store(Many(servers=alike))) == []
    assert change(Many(servers=servers[1:]), previous) == []
    mixed = [servers[0], Api(endpoint="https://b", token=servers[2].token)]
    assert change(Many(servers=mixed), previous) == [("servers", "1", "token")]
    assert change(Many(servers=[Api(endpoint="https://new", token=SecretStr("new"))]), previous) == []


def test_a_marker_that_was_redirected_in_the_table_is_not_taken() -> None:
    """What somebody wrote into the table is no endpoint that the secret was entered for."""
    previous = store(Api(token=SecretStr(SECRET)))
    evil = {**previous, "endpoint": "https://evil"}
    assert change({**evil, "note": "new"}, evil) == [("token",)]
    assert change(evil, {}) == [("token",)]
    assert change(previous, {}) == []


def test_a_tie_outlives_the_class_that_made_it() -> None:
    """A row that gets another item, whose class binds nothing, keeps its secrets for their endpoint."""
    codec = make_codec(create_model("Other", endpoint=(str, ...), token=(SecretStr, ...)))
    previous = store(Api(token=SecretStr(SECRET)))
    codec.store(codec.parse({"endpoint": "https://one", "token": previous["token"]}, previous), previous)
    for known in (previous, None):
        with pytest.raises(InvalidConfig, match="token: belongs to endpoint"):
            codec.store(codec.parse({"endpoint": "https://evil", "token": previous["token"]}, known), known)


def test_where_nothing_is_bound_nothing_is_asked_for() -> None:
    """A bound secret that is not there, now or before, is in nobody's way."""
    codec = make_codec(create_model("Config", endpoint=(str, ...), token=(Token | None, None)))
    for endpoint in ("one", "two"):
        stored = codec.store(codec.parse({"endpoint": endpoint}), {"endpoint": "one", "token": None})
        assert stored == {"endpoint": endpoint, "token": None}


def test_a_secret_that_was_stored_plain_is_kept_as_one() -> None:
    """The form hands on, as kept, what was stored before its field became a secret; it was not typed, either."""
    codec = make_codec(Api)
    previous = store(Api(token=SecretStr(SECRET)))
    parsed = codec.parse({"endpoint": "https://evil", "token": Kept(SECRET, was_encrypted=False)})
    assert parsed.secrets == {}
    with pytest.raises(InvalidConfig, match="token: belongs to endpoint"):
        codec.store(parsed, previous)
    assert SECRET not in repr((Kept(SECRET), open_config(previous, ROW, RING), parsed))


def test_a_bound_secret_by_reference_may_not_be_redirected(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same reference beside another endpoint was only kept; another one was entered."""
    settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["APP_*"]}
    monkeypatch.setenv("APP_A", SECRET)
    monkeypatch.setenv("APP_B", SECRET)
    monkeypatch.setenv("APP_ALL", json.dumps({"endpoint": "e", "token": SECRET}))
    codec = make_codec(Api)
    previous = codec.store(codec.parse({"token": {"$env": "APP_A"}}))
    assert change({**previous, "endpoint": "https://evil"}, previous) == [("token",)]
    assert change({**previous, "note": "new"}, previous) == []
    assert change({"endpoint": "https://evil", "token": {"$env": "APP_B"}}, previous) == []
    by_reference = {"servers": [{"$env": "APP_ALL"}], "endPoint": "e"}
    before = make_codec(Many).store(make_codec(Many).parse(by_reference))
    assert change({**by_reference, "optional": "o"}, before) == []
    login = {"endPoint": "e", "servers": [], "login": {"$env": "APP_ALL"}}
    monkeypatch.setenv("APP_ALL", json.dumps({"password": SECRET}))
    before = make_codec(Many).store(make_codec(Many).parse(login))
    assert ("login",) in change({**login, "endPoint": "evil"}, before)


def test_an_endpoint_may_be_a_reference(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The secret is bound to the reference, not to what it gives: a deployment may move its endpoint."""
    settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["APP_*"]}
    codec = make_codec(Api)
    for value in ("one", "two"):
        monkeypatch.setenv("APP_URL", value)
        stored = codec.store(codec.parse({"endpoint": {"$env": "APP_URL"}, "token": SECRET}))
        monkeypatch.setenv("APP_URL", "moved")
        assert codec.restore(stored).model.endpoint == "moved"  # type: ignore[attr-defined]
    assert change({**stored, "endpoint": "moved"}, stored) == [("token",)]
    with pytest.raises(EndpointChanged):
        codec.restore({**stored, "endpoint": "moved"})


def test_an_empty_secret_need_not_be_entered_again() -> None:
    """There is nothing in it that could go to the wrong place."""
    previous = store(Api(token=SecretStr("")))
    assert change({**previous, "endpoint": "https://evil"}, previous) == []


def test_errors_say_what_to_do() -> None:
    """The problem stands at the secret and names what it belongs to."""
    codec = make_codec(Api)
    previous = store(Api(token=SecretStr(SECRET)))
    parsed = codec.parse({**previous, "endpoint": "https://evil"}, previous)
    with pytest.raises(InvalidConfig) as caught:
        codec.store(parsed, previous)
    [problem] = caught.value.errors
    assert str(problem) == "token: belongs to endpoint, which was changed: enter this secret again"
    assert "evil" not in json.dumps(problem)
    assert isinstance(InvalidConfig("x", [problem]), ValueError)
