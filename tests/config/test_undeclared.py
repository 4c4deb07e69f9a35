"""Keys that newer code stored: older code reads past them and carries them along, wherever they stand."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated, Any

import pytest
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    JsonValue,
    Secret,
    SecretBytes,
    SecretStr,
    field_validator,
    model_validator,
)
from typing_extensions import TypeAliasType, TypedDict

from django_plugin_system import BoundTo
from django_plugin_system.config.codec import Codec, Kept
from django_plugin_system.config.json_tree import look_up
from django_plugin_system.exceptions import InvalidConfig, StoredConfigInvalid, UnknownKey
from tests.config.helpers import RING, ROW, SECRET, make_codec

BOTH = [ConfigDict(), ConfigDict(extra="forbid")]


class Login(BaseModel):
    """One secret as a whole."""

    model_config = ConfigDict(extra="forbid")
    user: str = "u"


class NewLogin(Login):
    """The same, with a field more."""

    realm: str = "r"


class Typed(TypedDict):
    """A typed dict."""

    host: str


class NewTyped(Typed):
    """The same, with a field more."""

    port: int


@dataclasses.dataclass
class Data:
    """A dataclass."""

    host: str


@dataclasses.dataclass
class NewData(Data):
    """The same, with a field more."""

    port: int = 5


class Server(BaseModel):
    """An item of a list."""

    model_config = ConfigDict(extra="forbid")
    host: str
    token: SecretStr | None = None


class NewServer(Server):
    """The same, with two fields more."""

    region: str = "eu"
    key: SecretStr | None = None


class Other(BaseModel):
    """Another member of a union."""

    model_config = ConfigDict(extra="forbid")
    kind: str
    name: str


class Old(BaseModel):
    """What runs beside newer code."""

    host: str = "h"
    login: Secret[Login] | None = None
    typed: Typed | None = None
    data: Data | None = None
    servers: list[Server] = []
    by_name: dict[str, Server | Other] = {}
    pair: tuple[Server, int] | None = None
    either: str | list[Server] | Server | None = None
    anything: Any = None
    free: dict[str, Any] = {}


class New(Old):
    """What a newer deployment has."""

    login: Secret[NewLogin] | None = None
    typed: NewTyped | None = None
    data: NewData | None = None
    servers: list[NewServer] = []  # type: ignore[assignment]
    by_name: dict[str, NewServer | Other] = {}  # type: ignore[assignment]
    pair: tuple[NewServer, int] | None = None
    either: str | list[NewServer] | NewServer | None = None  # type: ignore[assignment]
    region: str = "eu"
    signing: SecretStr | None = None
    raw: Annotated[SecretBytes | None, BoundTo("host")] = None


GIVEN: dict[str, Any] = {
    "host": "one",
    "login": {"user": "me", "realm": "x"},
    "typed": {"host": "t", "port": 7},
    "data": {"host": "d", "port": 8},
    "servers": [
        {"host": "a", "token": "ta", "region": "us", "key": "ka"},
        {"host": "b", "token": "tb", "region": "asia", "key": "kb"},
    ],
    "by_name": {"x": {"host": "c", "region": "af"}},
    "pair": [{"host": "p", "key": "kp"}, 1],
    "either": {"host": "e", "region": "us"},
    "anything": {"a": {"b": 1}},
    "free": {"a": {"b": 1}},
    "region": "us",
    "signing": SECRET,
    "raw": b"\xff",
}


def show(config: Any) -> Any:
    """Return a model as JSON, its secrets in the clear."""
    if isinstance(config, (SecretStr, SecretBytes, Secret)):
        return show(config.get_secret_value())
    if isinstance(config, (BaseModel, Data)):
        return {key: show(item) for key, item in vars(config).items()}
    if isinstance(config, (list, tuple)):
        return [show(item) for item in config]
    return {key: show(item) for key, item in config.items()} if isinstance(config, dict) else config


@pytest.fixture(params=BOTH, ids=["ignore", "forbid"])
def old(request: pytest.FixtureRequest) -> Any:
    """Return the codec of older code."""
    schema = type("Old", (Old,), {"model_config": request.param, "__module__": __name__})
    return make_codec(schema)


new = make_codec(New)


def test_older_code_reads_past_what_newer_code_stored(old: Any) -> None:
    """At any depth, in secrets too; what a field or a dict holds freely is all read."""
    stored = new.store(new.parse(GIVEN))
    config = old.restore(stored).model
    assert (config.host, config.login.get_secret_value(), config.servers[1].host) == ("one", Login(user="me"), "b")
    assert config.anything == config.free == {"a": {"b": 1}}


def test_what_older_code_saves_keeps_it(old: Any) -> None:
    """Given as a model, as JSON without those keys, or as it is stored: nothing is lost, no token is made anew."""
    stored = new.store(new.parse(GIVEN))
    wanted = show(new.restore(stored).model)
    plain = {
        "host": "one",
        **{name: stored[name] for name in ("login", "typed", "data", "either", "anything", "free", "pair", "by_name")},
        "servers": [{key: server[key] for key in ("host", "token")} for server in stored["servers"]],
    }
    kept = {**plain, "login": Kept(new.codec.open(stored).data["login"])}
    for given in (old.restore(stored).model, plain, kept, stored):
        again = old.store(old.parse(given, stored), stored)
        assert show(new.restore(json.loads(json.dumps(again))).model) == wanted
        assert again["signing"] == stored["signing"]
        assert again["servers"] == stored["servers"]
    assert old.store(old.restore(again), again) == again


def test_items_take_along_what_is_theirs(old: Any) -> None:
    """An item that was moved, edited, added or taken out: each other one keeps what newer code stored of it."""
    stored = new.store(new.parse(GIVEN))
    one, two = old.restore(stored).model.model_dump()["servers"]

    def save(*servers: Any) -> list[Any]:
        data = {**old.restore(stored).model.model_dump(), "servers": servers}
        again: Any = new.restore(old.store(old.parse(data, stored), stored)).model
        return [(server["host"], server["region"], server["key"]) for server in show(again.servers)]

    assert save(two, one) == [("b", "asia", "kb"), ("a", "us", "ka")]
    assert save({**one, "host": "e"}, two) == [("e", "us", "ka"), ("b", "asia", "kb")]
    assert save(two) == [("b", "asia", "kb")]
    stored = new.store(new.parse({**GIVEN, "servers": [GIVEN["servers"][0], {**GIVEN["servers"][0], "region": "sa"}]}))
    assert save(one, one) == [("a", "us", "ka"), ("a", "sa", "ka")]
    stored = new.store(new.parse(GIVEN))
    assert save(one, {**two, "host": "e"}, {"host": "f"}) == [("a", "us", "ka"), ("e", "asia", "kb"), ("f", "eu", None)]
    assert save() == []


def test_a_typed_key_that_nobody_knows_is_refused(old: Any) -> None:
    """Only what is stored is carried; neither another value nor a new key is taken from outside."""
    stored = new.store(new.parse(GIVEN))
    for key, value in (("region", "asia"), ("regoin", "us"), ("signing", "typed")):
        with pytest.raises(InvalidConfig) as caught:
            old.parse({**stored, key: value}, stored)
        assert [problem.path for problem in caught.value.errors] == [(key,)]
    with pytest.raises(InvalidConfig):
        old.parse(stored)


def test_a_secret_that_newer_code_bound_is_not_redirected(old: Any) -> None:
    """Where older code changes the endpoint, newer code asks for the secret again; until then older code goes on."""
    stored = new.store(new.parse(GIVEN))
    changed = old.store(old.parse({"host": "two"}, stored), stored)
    assert changed["raw"] == stored["raw"]
    assert new.codec.open(changed).failures.keys() == {("raw",)}
    assert old.restore(changed).model.host == "two"
    again = old.store(old.parse({"host": "one"}, changed), changed)
    assert show(new.restore(again).model)["raw"] == b"\xff"


def test_only_what_the_schema_knows_has_to_open(old: Any) -> None:
    """A token of a lost key that older code does not read is no reason; one that it reads is."""
    stored = new.store(new.parse(GIVEN))
    lost = {"$secret": stored["signing"]["$secret"].replace(RING.primary_id, "00000000")}
    assert old.restore({**stored, "signing": lost}).model.host == "one"
    assert old.store(old.parse({}, {**stored, "signing": lost}), {**stored, "signing": lost})["signing"] == lost
    with pytest.raises(UnknownKey):
        old.restore({**stored, "login": lost})


class Step:
    """Brings version 3 to 4: renames a key, leaves one behind, makes one up."""

    @staticmethod
    def migrate_config(config: dict[str, Any], from_version: int) -> dict[str, Any]:
        """Do so."""
        assert from_version == ROW.version
        return {**config, "address": config["host"], "made": config["signing"].get_secret_value()}


class Renamed(BaseModel):
    """The next version of the older code."""

    address: str


def test_an_upgrade_carries_what_was_stored_and_not_what_a_step_made() -> None:
    """Secrets are encrypted for the new version; what a step leaves lying about in the clear is not stored."""
    stored = new.store(new.parse(GIVEN))
    codec = Codec(Renamed, ROW._replace(version=4), RING, "the row", Step)
    opened = new.codec.open(stored)
    upgraded = codec.store(codec.restore(opened), opened)
    assert upgraded.data == {**opened.data, "address": "one"}
    again = codec.open(json.loads(json.dumps(upgraded.stored)))
    assert not again.failures
    assert again.data["signing"] == SECRET
    changed = codec.store(codec.parse({"address": "two"}, opened), opened)
    assert changed.data == {**opened.data, "address": "two"}


def test_another_item_takes_nothing_along() -> None:
    """Keys of another item's class are no newer keys of this one's."""
    opened = new.codec.open(new.store(new.parse(GIVEN)))
    codec = Codec(Renamed, ROW._replace(item_id="other"), RING, "the row")
    assert codec.store(codec.parse({"address": "x"}, opened), opened).stored == {"address": "x"}


class Before(BaseModel):
    """Reads what an older form had, by itself."""

    name: str = ""
    inner: Annotated[Login | None, BeforeValidator(lambda value: value)] = None
    other: Login | None = None

    @model_validator(mode="before")
    @classmethod
    def rename(cls, data: Any) -> Any:
        """Take the old name."""
        return {"name": data["title"]} if "title" in data else data


class Around(BaseModel):
    """Its fields rewrite what they are given."""

    inner: Annotated[Login | None, BeforeValidator(lambda value: {"user": value["name"]})] = None
    other: Login | None = None

    @field_validator("other", mode="before")
    @classmethod
    def rename(cls, data: Any) -> Any:
        """Take the old name."""
        return {"user": data["name"]}


def test_validators_that_come_first_answer_for_their_keys() -> None:
    """They see what is stored, and what they were given is not carried beside what they made of it."""
    codec: Any = make_codec(Before)
    stored = {"title": "x"}
    assert codec.restore(stored).model == Before(name="x")
    assert codec.store(codec.restore(stored), stored) == {"name": "x", "inner": None, "other": None}
    config: Any = make_codec(Around).restore({"inner": {"name": "x"}, "other": {"name": "y"}}).model
    assert (config.inner, config.other) == (Login(user="x"), Login(user="y"))


class Stripped(BaseModel):
    """Each of its fields is rewritten, and known."""

    name: str = ""

    @field_validator("*", mode="before")
    @classmethod
    def strip(cls, value: Any) -> Any:
        """Do so."""
        return value.strip()


def test_a_validator_of_all_fields_sees_no_other_key() -> None:
    """What no field has is carried beside fields that are rewritten."""
    codec = make_codec(Stripped)
    assert codec.store(codec.parse({"name": " b "}, {"name": "a", "more": 1}), {"name": "a", "more": 1}) == {
        "name": "b",
        "more": 1,
    }


def test_extra_values_are_values() -> None:
    """A class that takes any key knows all of them."""
    schema = type("Open", (Server,), {"model_config": ConfigDict(extra="allow"), "__module__": __name__})
    codec = make_codec(schema)
    stored = codec.store(codec.parse({"host": "a", "more": 1}))
    assert codec.store(codec.parse({"host": "b"}, stored), stored) == {"host": "b", "token": None}


class NewOpen(Server):
    """The same, with a secret more."""

    model_config = ConfigDict(extra="allow")
    more: SecretStr = SecretStr("")


class NewDeep(NewOpen):
    """The same, with a model that has a secret."""

    login: Server


DEEP = {"host": "l", "token": "lt"}


@pytest.mark.parametrize(
    ("extra", "new_class", "given"),
    [(Any, NewDeep, {"login": DEEP}), (int, NewOpen, {}), (SecretStr, NewOpen, {})],
    ids=["any", "int", "secret"],
)
def test_what_takes_any_key_takes_no_secret_of_newer_code(extra: Any, new_class: Any, given: dict[str, Any]) -> None:
    """It would show it; it is carried along, unless somebody types another value there."""
    body = {"model_config": ConfigDict(extra="allow"), "__annotations__": {"__pydantic_extra__": dict[str, extra]}}
    codec, newer = make_codec(type("Open", (Server,), {**body, "__module__": __name__})), make_codec(new_class)
    stored = newer.store(newer.parse({"host": "a", "more": SECRET, **given}))
    config = codec.restore(stored).model
    assert config.model_extra == ({"more": SecretStr(SECRET)} if extra is SecretStr else {})
    again = codec.store(codec.parse(config.model_copy(update={"host": "b"}), stored), stored)
    assert show(newer.restore(again).model) == {"token": None, "more": SECRET, **given, "host": "b"}
    typed = codec.store(codec.parse({"host": "b", "more": "5"}, stored), stored)
    assert SECRET not in str(show(newer.restore({**typed, "more": "5"}).model))


def test_a_member_that_was_left_behind_leaves_nothing() -> None:
    """What another member of the union knows is not carried into this one."""
    stored = make_codec(New).store(new.parse(GIVEN))
    codec: Any = make_codec(Old)
    again = codec.store(codec.parse({"by_name": {"x": {"kind": "k", "name": "n"}}}, stored), stored)
    assert look_up(again, ("by_name", "x")) == [{"kind": "k", "name": "n", "region": "af", "key": None}]


def test_what_does_not_fit_is_still_refused() -> None:
    """Carrying keys repairs nothing."""
    with pytest.raises(StoredConfigInvalid):
        make_codec(Server).restore({"region": "us"})


class Tree(BaseModel):
    """A configuration of a type that holds itself."""

    anything: JsonValue = None
    signing: SecretStr | None = None


def test_a_type_that_holds_itself_is_walked_once() -> None:
    """However deep its data are: JSON has two ways at each level, which lead to the same."""
    codec: Any = make_codec(Tree)
    deep: Any = 1
    for _level in range(45):
        deep = {"a": [deep]}
    stored = codec.store(codec.parse({"anything": deep, "signing": SECRET}))
    again = codec.store(codec.parse({**stored, "signing": "other"}, stored), stored)
    assert codec.restore(again).model.anything == deep
    with pytest.raises(InvalidConfig, match="no such field"):
        codec.parse({"anything": deep, "more": 1})


Hidden: Any = TypeAliasType("Hidden", "dict[str, Hidden] | list[Hidden] | SecretStr")


class Safe(BaseModel):
    """Secrets in a type that holds itself."""

    inside: Hidden = {}


def test_secrets_in_a_type_that_holds_itself() -> None:
    """However deep they are, each is found once, encrypted and opened again."""
    codec: Any = make_codec(Safe)
    deep: Any = SECRET
    for _level in range(25):
        deep = {"a": [deep]}
    stored = codec.store(codec.parse({"inside": deep}))
    assert SECRET not in json.dumps(stored)
    assert json.dumps(stored).count("$secret") == 1
    found: Any = codec.restore(stored).model.inside
    for _level in range(25):
        found = found["a"][0]
    assert found.get_secret_value() == SECRET
