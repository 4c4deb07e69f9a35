"""Which changes stored configurations survive: what is called additive is stored by the old class, read by the new."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Le, Lt, MultipleOf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    Tag,
    create_model,
)

from django_plugin_system.contrib.drift.gate import Change, Outcome
from django_plugin_system.exceptions import PluginSystemError
from django_plugin_system.schema.tree import BoundTo
from tests.config.helpers import make_codec, make_schema
from tests.contrib.drift.helpers import carry, compare, judge, snapshot


class Color(Enum):
    """Two texts."""

    RED = "red"
    BLUE = "blue"


class Size(Enum):
    """Two numbers."""

    SMALL = 1
    LARGE = 2


def make(name: str = "Part", /, *, settings: Any = None, **fields: Any) -> type[BaseModel]:
    """Return a model; a field is a type, or a type with its default."""
    given: dict[str, Any] = {key: value if isinstance(value, tuple) else (value, ...) for key, value in fields.items()}
    schema: type[BaseModel] = create_model(name, __config__=settings, **given)
    return schema


Card: Any = make("Card", kind=Literal["card"], number=str)
Cash: Any = make("Cash", kind=Literal["cash"], till=int)
Coins: Any = make("Coins", kind=(Literal["coins"], "coins"))
WideCard: Any = make("Card", kind=Literal["card", "debit"], number=str, note=(str | None, None))
Payment: Any = Annotated[Card | Cash, Field(discriminator="kind")]
WidePayment: Any = Annotated[Coins | WideCard | Cash, Field(discriminator="kind")]
Old: Any = make(host=str, port=int)
More: Any = make(host=str, port=(int, 25), token=(SecretStr | None, None))


def tell(value: Any) -> str:
    """Tell text from numbers."""
    return "text" if isinstance(value, str) else "number"


Told = Annotated[Annotated[str, Tag("text")] | Annotated[int, Tag("number")], Discriminator(tell)]
WideTold = Annotated[Annotated[str | None, Tag("text")] | Annotated[int, Tag("number")], Discriminator(tell)]

BOUND = Annotated[SecretStr, BoundTo("a")]

ADDITIVE: list[tuple[str, Any, Any, list[Any]]] = [
    ("optional", int, int | None, [5]),
    ("optional secret", SecretStr, SecretStr | None, ["hush"]),
    ("another member", str, str | int, ["5", "x"]),
    ("another member of another kind", list[int] | str, list[int] | str | dict[str, int] | None, [[1], "[1]"]),
    ("a number and a switch", int, int | bool, [1, 0]),
    ("wider Literal", Literal["a"], Literal["a", "b"], ["a"]),
    ("wider Literal beside a number", Literal["a"] | int, Literal["a", "b"] | int, ["a", 5]),
    ("Literal with None", Literal["a"], Literal["a"] | None, ["a"]),
    ("Enum as text", Color, str, ["red"]),
    ("Literal as text", Literal["a", "b"], str, ["a", "b"]),
    ("lower ge", Annotated[int, Ge(5)], Annotated[int, Ge(4)], [5, 6]),
    ("gt to ge", Annotated[int, Gt(5)], Annotated[int, Ge(5)], [6]),
    ("ge to a lower gt", Annotated[int, Ge(5)], Annotated[int, Gt(4)], [5]),
    ("higher le", Annotated[int, Le(5)], Annotated[int, Le(6)], [5]),
    ("lt to le", Annotated[float, Lt(5)], Annotated[float, Le(5)], [4.5]),
    ("no bounds", Annotated[int, Ge(5), Lt(9)], int, [5, 8]),
    ("any steps", Annotated[int, MultipleOf(6)], int, [12]),
    ("longer", Annotated[str, Field(min_length=2, max_length=3)], Annotated[str, Field(max_length=4)], ["abc"]),
    ("shorter", Annotated[list[int], Field(min_length=2)], Annotated[list[int], Field(min_length=1)], [[1, 2]]),
    ("no pattern", Annotated[str, Field(pattern="^a")], str, ["ab"]),
    ("more digits", Annotated[Decimal, Field(max_digits=3)], Annotated[Decimal, Field(max_digits=4)], ["12.3"]),
    ("any digits", Annotated[Decimal, Field(max_digits=3, decimal_places=1)], Decimal, ["12.3"]),
    ("not strict", Annotated[int, Field(strict=True)], int, [5]),
    ("inf", Annotated[float, Field(allow_inf_nan=False)], float, [1.5]),
    ("no after validator", Annotated[int, AfterValidator(lambda value: value + 0)], int, [5]),
    ("inside a list", list[Literal["a"]], list[Literal["a", "b"]], [["a"]]),
    ("inside a dict", dict[str, Color], dict[str, str], [{"a": "red"}]),
    ("inside a tuple", tuple[int, Color], tuple[int, str], [[1, "red"]]),
    ("inside a secret", Secret[Literal["a"]], Secret[str], ["a"]),
    ("a field with a default", Old, More, [{"host": "x", "port": 5}]),
    ("the same, in a list", list[Old], list[More], [[{"host": "x", "port": 5}]]),
    ("the same, as secret", Secret[Old], Secret[More], [{"host": "x", "port": 5}]),
    ("another default", make(a=(int, 1)), make(a=(int, 2)), [{"a": 1}, {"a": 5}]),
    ("a factory", make(a=(list[int], [])), make(a=(list[int], Field(default_factory=list))), [{"a": [1]}]),
    (
        "takes more keys",
        make(settings=ConfigDict(extra="forbid"), a=int),
        make(settings=ConfigDict(extra="allow"), a=int),
        [{"a": 1}],
    ),
    ("a branch", Payment, WidePayment, [{"kind": "card", "number": "1"}, {"kind": "cash", "till": 3}]),
    ("a branch of a told union", Told, WideTold, ["5", 5]),
    ("bound to a field", make(a=str, b=SecretStr), make(a=str, b=BOUND), [{"a": "x", "b": "hush"}]),
    ("bound no more", make(a=str, b=BOUND), make(a=str, b=SecretStr), [{"a": "x", "b": "hush"}]),
    ("root model", RootModel[list[int]], RootModel[list[int] | None], [[5]]),
]


def plain(value: Any) -> Any:
    """Return what a value looks like in JSON, whatever class holds it; members of enums as their values."""
    if isinstance(value, (SecretStr, Secret)):
        return plain(value.get_secret_value())
    if isinstance(value, BaseModel):
        return {key: plain(item) for key, item in vars(value).items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value.value if isinstance(value, Enum) else value


def is_within(part: Any, whole: Any) -> bool:
    """Say whether ``whole`` is ``part``, but for keys that came on top."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and is_within(value, whole[key]) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(is_within, part, whole))
    return bool(part == whole) and isinstance(part, bool) == isinstance(whole, bool)


@pytest.mark.parametrize(("old", "new", "values"), [row[1:] for row in ADDITIVE], ids=[row[0] for row in ADDITIVE])
def test_what_is_additive_is_read_as_what_it_was(old: Any, new: Any, values: list[Any]) -> None:
    """A row that the old class stored is read by the new one, with the same values."""
    before, after = make_schema(old), make_schema(new)
    assert judge(before, after) == Outcome.ADDITIVE
    for value in values:
        assert is_within(plain(carry(before, before, value)), plain(carry(before, after, value)))


LABELS = [
    (make(a=(int, Field(title="A"))), make(a=(int, Field(title="B", description="C", alias="d")))),
    (make("One", a=make("Two", b=int)), make("One", a=make("Three", b=int))),
]


@pytest.mark.parametrize(("old", "new"), LABELS)
def test_labels_are_only_for_people(old: Any, new: Any) -> None:
    """Titles, descriptions, aliases and the names of classes stand in no row."""
    assert compare(old, new) == []
    assert snapshot(old) != snapshot(new)
    stored = make_codec(old).store(make_codec(old).parse({"a": 5} if old.__name__ == "Part" else {"a": {"b": 5}}))
    make_codec(new).restore(stored)


BREAKING: list[tuple[str, Any, Any, list[Any]]] = [
    ("no longer optional", int | None, int, [None]),
    ("int to str", int, str, [5]),
    ("str to int", str, int, ["x"]),
    ("str to Literal", str, Literal["a"], ["b"]),
    ("fewer values", Literal["a", "b"], Literal["a"], ["b"]),
    ("Enum of other values", Color, Size, ["red"]),
    ("Literal of True", Literal[1], Literal[True], [1]),
    ("Enum of numbers to str", Size, str, [1]),
    ("Literal as number", Literal[1, 2], int, []),
    ("higher ge", Annotated[int, Ge(4)], Annotated[int, Ge(5)], [4]),
    ("ge to gt", Annotated[int, Ge(5)], Annotated[int, Gt(5)], [5]),
    ("lower le", Annotated[int, Le(5)], Annotated[int, Le(4)], [5]),
    ("a new bound", int, Annotated[int, Lt(4)], [5]),
    ("coarser steps", Annotated[int, MultipleOf(6)], Annotated[int, MultipleOf(3)], []),
    ("other steps", Annotated[int, MultipleOf(3)], Annotated[int, MultipleOf(2)], [9]),
    ("shorter", Annotated[str, Field(max_length=4)], Annotated[str, Field(max_length=3)], ["abcd"]),
    ("longer", list[int], Annotated[list[int], Field(min_length=1)], [[]]),
    ("another pattern", Annotated[str, Field(pattern="^a")], Annotated[str, Field(pattern="^b")], ["a"]),
    (
        "more places, fewer digits before them",
        Annotated[Decimal, Field(max_digits=5, decimal_places=2)],
        Annotated[Decimal, Field(max_digits=5, decimal_places=3)],
        ["123.45"],
    ),
    ("an earlier date", Annotated[dt.date, Ge(dt.date(2024, 1, 1))], Annotated[dt.date, Ge(dt.date(2025, 1, 1))], []),
    ("a validator", int, Annotated[int, AfterValidator(lambda value: 1 // (value - 5))], [5]),
    ("no before validator", Annotated[int, BeforeValidator(int)], int, []),
    ("a serializer", int, Annotated[int, PlainSerializer(str)], []),
    ("float to int", float, int, [1.5]),
    ("int to float", int, float, []),
    ("list to dict", list[int], dict[str, int], [[1]]),
    ("longer tuple", tuple[int, int], tuple[int, int, int], [[1, 2]]),
    ("inside a list", list[int], list[Annotated[int, Le(1)]], [[5]]),
    ("key of a dict", dict[str, int], dict[Literal["a"], int], [{"b": 1}]),
    ("a field less", make(a=int, b=int), make(a=int), []),
    ("a field less, and no more allowed", make(a=int, b=int), make(settings=ConfigDict(extra="forbid"), a=int), []),
    ("a field without default", make(a=int), make(a=int, b=int), [{"a": 1}]),
    ("a renamed field", make(a=int), make(b=int), [{"a": 1}]),
    ("no default", make(a=(int, 5)), make(a=int), []),
    (
        "a name that rows may use",
        make(settings=ConfigDict(extra="allow"), a=int),
        make(settings=ConfigDict(extra="allow"), a=int, b=(int, 5)),
        [{"a": 1, "b": "x"}],
    ),
    ("strict", make(a=float), make(settings=ConfigDict(strict=True), a=float), []),
    ("bytes to text", SecretBytes, SecretStr, []),
    ("inside a secret", Secret[int], Secret[Annotated[int, Le(1)]], [5]),
    ("a branch less", WidePayment, Payment, [{"kind": "coins"}]),
    ("another discriminator", Told, str | int, []),
    ("a member less", int | str, int, ["x"]),
    ("text that may be a date", str, str | dt.date, []),
    ("left to right", str, Annotated[int | str, Field(union_mode="left_to_right")], ["5"]),
    ("another order", Old | make(a=int), make(a=int) | Old, []),
    ("more to choose from", Old | make(a=(int, 1)), Old | make(a=(int, 1), port=(int, 2)), []),
    ("one more to choose from", Old | More, Old | More | make(a=int), []),
]


@pytest.mark.parametrize(("old", "new", "values"), [row[1:] for row in BREAKING], ids=[row[0] for row in BREAKING])
def test_what_may_break_needs_a_migration(old: Any, new: Any, values: list[Any]) -> None:
    """Where a value is given, the new class does refuse what the old one stored, or reads something else."""
    before, after = make_schema(old), make_schema(new)
    assert judge(before, after) == Outcome.MIGRATION
    for value in values:
        try:
            found = plain(carry(before, after, value))
        except PluginSystemError:
            continue
        assert not is_within(plain(carry(before, before, value)), found)


SECRECY = [
    (str, SecretStr, True),
    (list[str | None], list[SecretStr | None], True),
    (int, Secret[int], True),
    (Old, Secret[Old], True),
    (SecretStr, str, False),
    (dict[str, SecretBytes], dict[str, bytes], False),
    (make(a=SecretStr, b=SecretStr), make(a=SecretStr, b=str), False),
    (SecretStr | Secret[int], str | Secret[int], False),
    (list[SecretStr] | dict[str, SecretStr], list[str] | dict[str, SecretStr], False),
]


@pytest.mark.parametrize(("old", "new", "becomes_secret"), SECRECY, ids=str)
def test_what_is_secret_may_not_change_unseen(old: Any, new: Any, becomes_secret: bool) -> None:  # noqa: FBT001 - a row
    """At any depth, and whatever else changes, it says which way the secrecy goes."""
    changes = compare(make_schema(old), make_schema(new))
    found = [change.text for change in changes if change.outcome is Outcome.SECRECY]
    assert [("is a secret" in text, "is plain" in text) for text in found] == [(becomes_secret, not becomes_secret)]


def test_plain_text_stays_readable_and_a_secret_is_refused() -> None:
    """What the advice says is what happens: plain to secret reads, secret to plain does not."""
    assert carry(make_schema(str), make_schema(SecretStr), "x").get_secret_value() == "x"
    with pytest.raises(PluginSystemError):
        carry(make_schema(SecretStr), make_schema(str), "x")


def test_changes_name_their_place() -> None:
    """Each change has a path as people write it; a field that is gone may have a twin among the new ones."""
    old = make(login=make(user=str, password=SecretStr), tags=list[Literal["a"]], ports=dict[str, int])
    new = make(login=make(name=str, password=SecretStr), tags=list[Literal["b"]], ports=dict[str, int | None])
    assert list(map(str, compare(old, new))) == [
        "login.name: is a new field without a default",
        "login.user: is gone; what is stored is not read any more (renamed to name? then a step has to move it)",
        "ports{}: takes null now, too",
        'tags[]: no longer takes "a"',
        'tags[]: takes "b" now, too',
    ]
    assert str(Change("", Outcome.ADDITIVE, "is new")) == "(root): is new"


class Other(BaseModel):
    """What stands beside the recursive classes."""

    host: str


class Tree(BaseModel):
    """A class that holds itself, once where its type is told by shape alone."""

    name: str = ""
    child: Tree | None = None
    either: Tree | Other | None = None


class WiderTree(BaseModel):
    """The same with a field more."""

    name: str = ""
    child: WiderTree | None = None
    either: WiderTree | Other | None = None
    note: str = ""


def test_a_class_in_itself_is_compared_once() -> None:
    """Recursion has an end, and a change that is additive alone is not where members are told apart by their fields."""
    assert {(change.path, change.outcome) for change in compare(Tree, WiderTree)} == {
        ("either.note", Outcome.MIGRATION),
        ("note", Outcome.ADDITIVE),
    }
    assert compare(Tree, Tree) == []


SHAPES = st.recursive(
    st.sampled_from(
        [
            str,
            int,
            bool,
            float,
            SecretStr,
            Secret[int],
            dt.date,
            Color,
            Size,
            Literal["a", "b"],
            Literal["a"],
            Annotated[int, Ge(0)],
            Annotated[int, Ge(5)],
            Annotated[str, Field(max_length=2)],
        ]
    ),
    lambda inner: st.one_of(
        inner.map(lambda one: one | None),
        inner.map(list.__class_getitem__),
        inner.map(lambda one: dict.__class_getitem__((str, one))),
        inner.map(lambda one: make(a=one)),
        inner.map(lambda one: make(a=(one | None, None), b=(int, 1))),
        st.tuples(inner, inner).map(lambda pair: tuple[pair[0], pair[1]]),  # type: ignore[valid-type]
    ),
    max_leaves=3,
)
VALUES = st.recursive(
    st.sampled_from([None, "a", "red", "abc", "2024-01-01", 0, 1, 2, 7, 10**20, -1, 1.5, True]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    ),
    max_leaves=4,
)


PAIRS: Any = st.one_of(st.tuples(SHAPES, SHAPES), st.tuples(SHAPES).map(lambda one: (one[0], one[0] | None)))  # type: ignore[operator]


@settings(deadline=None)
@given(pair=PAIRS, value=VALUES)
@example(pair=(int, int | None), value=5)
@example(pair=(int, int | None), value="x")
@example(pair=(int, str), value=5)
def test_nothing_that_is_called_additive_breaks(pair: tuple[Any, Any], value: Any) -> None:
    """Of generated pairs: what the old class stores, the new one reads as what it was, unless told to migrate."""
    before, after = map(make_schema, pair)
    if judge(before, after) not in (None, Outcome.ADDITIVE):
        return
    try:
        expected = plain(carry(before, before, value))
    except PluginSystemError:
        return
    assert is_within(expected, plain(carry(before, after, value)))


@settings(deadline=None)
@given(shape=SHAPES)
def test_a_schema_is_as_it_is(shape: Any) -> None:
    """A snapshot that went through its file says nothing against the schema it was made of."""
    schema = make_schema(shape)
    assert compare(schema, schema) == []
    assert snapshot(schema) == snapshot(schema)
