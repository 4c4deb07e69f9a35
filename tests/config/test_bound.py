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
from pydantic import BaseModel, ConfigDict, Field, RootModel, Secret, SecretBytes, SecretStr, create_model
from typing_extensions import TypedDict

from django_plugin_system import BoundTo
from django_plugin_system.config.bound import declares_bound, digest, iter_bound
from django_plugin_system.config.codec import Parsed
from django_plugin_system.config.entering import Snapshot
from django_plugin_system.config.opening import Kept
from django_plugin_system.config.tokens import Tie, open_token, seal
from django_plugin_system.config.unstorable import find_unstorable
from django_plugin_system.exceptions import EndpointChanged, InvalidConfig
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


def get_tie(stored: Any, *path: str) -> Tie | None:
    """Return what the token at ``path`` is tied to."""
    marker = stored
    for key in path:
        marker = marker[int(key)] if isinstance(marker, list) else marker[key]
    return open_token(marker, ROW, path, RING).tie


def test_each_bound_secret_is_found_with_its_endpoints() -> None:
    """In any container and model, by stored path; what is bound further out is bound as well."""
    found = {".".join(path): [".".join(one) for one in ends] for path, ends in iter_bound(MANY)}
    assert found == {
        "optional": ["endpoint"],
        "raw": ["endpoint", "port"],
        "number": ["port"],
        "tokens.0": ["endpoint"],
        "tokens.1": ["endpoint"],
        "by_name.a": ["endpoint"],
        "login.password": ["endpoint"],
        "servers.0.token": ["servers.0.endpoint"],
        "servers.1.token": ["servers.1.endpoint"],
        "pair.0.token": ["pair.0.endpoint"],
        "one.token": ["one.endpoint"],
        "boxed.content": ["boxed.endpoint"],
    }
    assert [path for path, _ends in iter_bound(Many(one=Bank()))][-1] != ("one", "login", "password")


def test_what_is_stored_comes_back_and_carries_its_tie() -> None:
    """A bound secret is stored with a digest of what it belongs to, inside of its token."""
    stored = store(MANY)
    assert make_codec(Many).restore(stored).model == MANY
    bonds = ((1, "endpoint"),)
    for path, tie in (
        (("servers", "1", "token"), Tie(bonds, digest({"endpoint": "https://two"}, ("x",), bonds))),
        (("login", "password"), Tie(((2, "endpoint"),), digest({"endpoint": "e"}, ("x",), bonds))),
    ):
        assert get_tie(stored, *path) == tie
    assert "https" not in stored["servers"][1]["token"]["$secret"]


def test_unbound_secrets_are_stored_as_ever() -> None:
    """The token of a secret that is bound to nothing has no tie: its format did not change."""
    assert get_tie(store(Login()), "password") is None
    token = seal("x", ROW, ("a",), RING)["$secret"].split(".")[2]
    assert len(token) == len(base64.urlsafe_b64encode(b"n" * 12 + b'j"x"' + b"t" * 16).rstrip(b"="))


@pytest.mark.parametrize(
    ("path", "value", "hurt"),
    [
        (("endpoint",), "evil", {"optional", "raw", "tokens", "by_name", "login"}),
        (("port",), 2, {"raw", "number"}),
        (("servers", "1", "endpoint"), "evil", {"servers"}),
        (("pair", "0", "endpoint"), None, {"pair"}),
        (("boxed", "endpoint"), {"$env": "X"}, {"boxed"}),
    ],
    ids=["text", "number", "in a list", "none", "reference"],
)
def test_an_endpoint_that_was_changed_in_the_table_opens_nothing(
    path: tuple[str, ...], value: Any, hurt: set[str]
) -> None:
    """Who can write the table, but has no key, cannot send a secret elsewhere; the error names field and endpoint."""
    stored = store(MANY)
    holder: Any = stored
    for key in path[:-1]:
        holder = holder[int(key)] if isinstance(holder, list) else holder[key]
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


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1e22, 10**22, True),
        (100.0, 100, True),
        (-0.0, 0, True),
        (0.1, 0.10, True),
        (1, True, False),
        (1, "1", False),
        (None, 0, False),
        ([1], [1.0], True),
        ({"a": 1, "b": 2}, {"b": 2.0, "a": 1}, True),
        ({"number": 5}, 5, False),
        ([], {}, False),
        (["list"], "list", False),
        (-5, 5, False),
        (15, 1.5, False),
        (1.5e300, int(15e299), False),
    ],
    ids=str,
)
def test_digests_of_numbers_are_the_same_in_every_database(one: Any, other: Any, *, same: bool) -> None:
    """PostgreSQL writes a number in its own way; two different values never have one digest."""
    digests = {digest({"endpoint": value}, ("token",), ((1, "endpoint"),)) for value in (one, other)}
    assert (len(digests) == 1) is same


def test_a_tie_that_leads_out_of_the_tree_is_no_tie_to_anything() -> None:
    """A tie from another place of the same row cannot be satisfied by chance."""
    assert digest({"a": 1}, ("x",), ((5, "a"),)) == digest({"a": 2}, ("x",), ((5, "a"),))
    assert digest({"a": 1}, ("x",), ((1, "a"),)) != digest({"a": 2}, ("x",), ((1, "a"),))
    assert digest([1], ("0", "x"), ((1, "a"),)) == digest([], ("0", "x"), ((1, "a"),))


def test_a_secret_from_before_the_class_bound_it_is_readable() -> None:
    """A token without a tie opens; storing it again ties it."""

    class Before(BaseModel):
        endpoint: str = "https://one"
        token: SecretStr
        note: str = ""

    codec = make_codec(Api)
    stored = store(Before(token=SecretStr(SECRET)))
    again = codec.store(codec.restore(stored), stored)
    assert get_tie(again, "token") is not None
    assert codec.store(codec.restore(again), again) == again
    loose = make_codec(Before)
    assert get_tie(loose.store(loose.restore(again), again), "token") is None


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
        (RootModel[Annotated[SecretStr, BoundTo("plain")]], "names no field"),
        (Loose, "BoundTo works in models and dataclasses only"),
        (Row, "BoundTo works in models and dataclasses only"),
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
    assert declares_bound(Many)
    assert declares_bound(create_model("Config", value=(dict[str, deque[Api]], {})))
    assert not declares_bound(Login)


# Entering anew, as far as the codec alone can tell: the whole is in tests/rows


def change(data: Any, previous: dict[str, Any] | None) -> list[tuple[str, ...]]:
    """Return the paths of the secrets that have to be entered again if ``data`` takes the place of ``previous``."""
    codec = make_codec(Many if isinstance(data, Many) or "servers" in data or "endPoint" in data else Api)
    parsed = Parsed(data) if isinstance(data, BaseModel) else codec.parse(data)
    stored = codec.store(parsed, previous)
    return [problem.path for problem in codec.find_unentered(parsed, stored, [previous] if previous else [])]


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


def test_items_may_be_reordered_but_not_mixed() -> None:
    """A server that moves in a list keeps its secret; one that gets the secret of another does not."""
    servers = [Api(endpoint=f"https://{name}", token=SecretStr(name * 9)) for name in "abc"]
    previous = store(Many(servers=servers))
    assert change(Many(servers=servers[::-1]), previous) == []
    assert change(Many(servers=servers[1:]), previous) == []
    mixed = [servers[0], Api(endpoint="https://b", token=servers[2].token)]
    assert change(Many(servers=mixed), previous) == [("servers", "1", "token")]
    assert change(Many(servers=[Api(endpoint="https://new", token=SecretStr("new"))]), previous) == []


def test_a_marker_that_was_redirected_in_the_table_is_not_taken() -> None:
    """What somebody wrote into the table is no endpoint that the secret was entered for."""
    previous = store(Api(token=SecretStr(SECRET)))
    evil = {**previous, "endpoint": "https://evil"}
    assert change({**evil, "note": "new"}, evil) == [("token",)]
    assert change({**evil, "token": SecretStr(SECRET)}, evil) == [("token",)]
    assert change(evil, {}) == [("token",)]
    assert change(previous, {}) == []


def test_a_tie_outlives_the_class_that_made_it() -> None:
    """A row that gets another item, whose class binds nothing, keeps its secrets for their endpoint."""
    codec = make_codec(create_model("Other", endpoint=(str, ...), token=(SecretStr, ...)))
    previous = store(Api(token=SecretStr(SECRET)))
    for endpoint, problems in (("https://one", 0), ("https://evil", 1)):
        parsed = codec.parse({"endpoint": endpoint, "token": previous["token"]})
        assert len(codec.find_unentered(parsed, codec.store(parsed), [previous])) == problems


def test_where_nothing_is_bound_nothing_is_asked_for() -> None:
    """A bound secret that is not there, now or before, is in nobody's way."""
    codec = make_codec(create_model("Config", endpoint=(str, ...), token=(Token | None, None)))
    for endpoint in ("one", "two"):
        parsed = codec.parse({"endpoint": endpoint})
        assert codec.find_unentered(parsed, codec.store(parsed), [{"endpoint": "one", "token": None}]) == []


def test_a_secret_that_was_stored_plain_is_kept_as_one() -> None:
    """The form hands on, as kept, what was stored before its field became a secret; it was not typed, either."""
    codec = make_codec(Api)
    previous = store(Api(token=SecretStr(SECRET)))
    parsed = codec.parse({"endpoint": "https://evil", "token": Kept(SECRET, was_encrypted=False)})
    assert parsed.secrets == {}
    assert len(codec.find_unentered(parsed, codec.store(parsed), [previous])) == 1
    assert SECRET not in repr((Kept(SECRET), Snapshot(previous, ROW, RING)))


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
    parsed = codec.parse({**previous, "endpoint": "https://evil"})
    [problem] = codec.find_unentered(parsed, codec.store(parsed), [previous])
    assert str(problem) == "token: belongs to endpoint, which was changed: enter this secret again"
    assert "evil" not in json.dumps(problem)
    assert isinstance(InvalidConfig("x", [problem]), ValueError)
