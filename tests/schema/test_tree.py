"""A pydantic model as a tree of nodes."""

from __future__ import annotations

import collections
import dataclasses
from typing import Annotated, Any, Literal, Optional

import annotated_types
import pytest
import typing_extensions
from pydantic import BaseModel, Discriminator, Field, Json, RootModel, Secret, SecretBytes, SecretStr, Tag
from pydantic import create_model as make
from pydantic_core import PydanticUndefined

from django_plugin_system.schema import tree
from django_plugin_system.schema.tree import BoundTo, Node, Step, get_tree, iter_models, iter_nodes
from tests.shapes import models as shapes


def draw(node: Node, outer: tuple[Any, ...] = ()) -> str:
    """Return a node, and what it consists of, as a text; a circle ends."""
    name = node.kind.name.lower() + ("?" if node.nullable else "")
    if not node.parts or node.is_secret:
        return name
    if any(node.parts is one for one in outer):
        return f"{name}..."
    parts = [f"{part.name or part.step.name} {draw(part.node, (*outer, node.parts))}" for part in node.parts]
    return f"{name}({', '.join(parts)})"


def field(node: Node, name: str) -> Node:
    """Return the node of a field."""
    return node.fields[name].node


class Nothing(RootModel["Nothing"]):
    """A root model of itself, which has no values."""


class Early(BaseModel):
    """A model that names one that comes later."""

    later: Optional[list["Later"]] = None  # noqa: UP045 - as older code writes it


SEEN_EARLY = [get_tree(Early), get_tree(Early)]


class Later(BaseModel):
    """The model that comes later."""

    token: SecretStr


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (int, "value"),
        (Any, "value"),
        (list, "value"),
        (type(None), "value?"),
        (shapes.T, "value"),
        (type[int], "value"),
        (int | None, "value?"),
        (Annotated[int | None, Field(gt=1)], "value?"),
        (SecretStr, "secret"),
        (Secret[list[int]] | None, "secret?"),
        (shapes.Token, "secret"),
        (shapes.New, "secret"),
        (shapes.BoundT, "secret"),
        (shapes.Color, "choice"),
        (Literal[1, 2], "choice"),
        (list[int], "list(ITEM value)"),
        (tuple[int, ...], "list(ITEM value)"),
        (frozenset[int], "list(ITEM value)"),
        (shapes.Many[SecretStr], "list(ITEM secret)"),
        (tuple[int, SecretStr], "tuple(0 value, 1 secret)"),
        (shapes.Point, "tuple(0 value, 1 secret)"),
        (dict[str, SecretBytes], "dict(KEY value, VALUE secret)"),
        (collections.Counter[str], "dict(KEY value)"),
        (int | str | None, "union?(MEMBER value, MEMBER value)"),
        (int | shapes.Told, f"union(MEMBER value, MEMBER {draw(get_tree(shapes.Told))})"),
        (shapes.Account, "model(user value, token secret)"),
        (shapes.Plain, "model(token secret, port value)"),
        (shapes.Pair, "model(token secret, others list(ITEM secret), count value)"),
        (shapes.Typed, "model(token secret, port value)"),
        (shapes.GenericPair[int], "model(value value, more list(ITEM value))"),
        (shapes.Open, "model(name value, EXTRA secret)"),
        (shapes.Loose, "model(name value)"),
        (BaseModel, "model"),
        (Json, "value"),
        ("Nowhere", "unknown"),
    ],
    ids=lambda part: str(part).partition(" at 0x")[0],
)
def test_a_type_is_one_node(annotation: Any, expected: Any) -> None:
    """Its kind and its parts, whatever aliases, root models and ``None`` stand around it."""
    assert draw(get_tree(annotation)) == expected


def test_a_model_may_hold_itself() -> None:
    """The nodes form a circle, and each is visited once."""
    root = get_tree(shapes.Node)
    inner = root.fields["children"].node.get_inner(Step.ITEM)
    assert inner is not None
    assert inner.parts is root.parts
    assert len(list(iter_nodes(root))) == 7
    assert [node.annotation for node in iter_models(root)] == [shapes.Node]
    assert draw(get_tree(shapes.Tree)) == ("dict(KEY value, VALUE union(MEMBER secret, MEMBER list(ITEM dict...)))")

    assert draw(get_tree(Nothing)) == "value"


def test_what_stands_around_a_type_is_expanded() -> None:
    """Innermost first, from Annotated, aliases, fields and groups of statements."""
    inner: Any = typing_extensions.TypeAliasType("inner", Annotated[int, annotated_types.Interval(gt=1, lt=9)])
    info = Field(title="Outer", description="Field")
    annotation: Any = Annotated[inner, Field(title="Inner", multiple_of=2)]
    schema = make("Config", value=(annotation, info))
    node = field(get_tree(schema), "value")
    assert list(map(str, node.metadata)) == ["Gt(gt=1)", "Lt(lt=9)", "MultipleOf(multiple_of=2)"]
    assert [one.title for one in node.infos] == ["Outer"]
    assert node.through == (inner,)
    item = get_tree(list[Annotated[int, Field(title="Item")]]).parts[0].node
    assert [one.title for one in item.infos] == ["Item"]
    optional = get_tree(Annotated[Annotated[shapes.New, "inner"] | None, "outer"])
    assert (optional.metadata, optional.through) == (("inner", "outer"), (shapes.New,))
    extra = get_tree(shapes.Open).extra
    assert extra is not None
    assert extra.is_secret
    assert get_tree(shapes.Loose).extra is None
    assert get_tree(shapes.Tokens).through == (shapes.Tokens,)


def test_fields_say_how_they_may_be_given() -> None:
    """By name and alias, with what default."""
    root = get_tree(shapes.Aliased)
    assert {part.name: part.aliases for part in root.fields.values()} == {
        "one": ("ONE",),
        "two": ("TWO",),
        "three": ("THREE", "III"),
        "four": ("FOUR",),
        "five": (),
        "six": ("SIX", "VI"),
    }
    assert root.fields["six"].alias_paths == [("SIX", 0), ("VI",)]
    assert root.names["III"].name == "three"
    assert get_tree(shapes.Point).fields["1"].alias_paths == [("token",)]
    fields = get_tree(shapes.Defaults).fields
    assert [part.required for part in fields.values()] == [False] * 4
    assert [part.validates_default for part in fields.values()] == [False, True, False, False]
    assert fields["made"].make_default() == [SecretStr("made")]
    assert fields["nothing"].make_default() is None
    assert get_tree(shapes.Account).fields["token"].make_default() is PydanticUndefined
    derived = make("Config", a=(int, 1), b=(int, Field(default_factory=lambda data: data["a"])))
    assert get_tree(derived).fields["b"].make_default() is PydanticUndefined


def test_dataclasses_and_typed_dicts_say_what_is_required() -> None:
    """As pydantic's models do."""

    @dataclasses.dataclass
    class Plain:
        one: Annotated[int, Field(alias="ONE", title="One")]
        two: int = 2
        three: list[int] = dataclasses.field(default_factory=list)

    fields = get_tree(Plain).fields
    assert [part.required for part in fields.values()] == [True, False, False]
    assert [part.make_default() for part in fields.values()] == [PydanticUndefined, 2, []]
    assert fields["one"].names == ("one", "ONE")
    assert fields["one"].field is not None
    assert fields["one"].field.title == "One"
    assert [part.required for part in get_tree(shapes.Typed).fields.values()] == [False, False]
    assert fields["two"].owner is Plain


def test_choices_and_members() -> None:
    """A literal and an enum list their values, a union its members flat, with what tells them apart."""
    assert get_tree(Literal["a", 1]).choices == ("a", 1)
    assert get_tree(shapes.Color).choices == tuple(shapes.Color)
    assert get_tree(int).choices == ()
    payment = get_tree(shapes.Payment)
    assert payment.discriminator == "kind"
    assert [member.annotation for member in payment.members] == [shapes.Card, shapes.Cash]
    assert get_tree(shapes.Told).discriminator is shapes.tell
    told = Field(discriminator=Discriminator(shapes.tell))
    assert get_tree(Annotated[shapes.Account | str, told]).discriminator is shapes.tell
    assert get_tree(int | str).discriminator is None
    nested = get_tree(shapes.Payment | Annotated[shapes.Account, Tag("x")] | int)
    assert [member.annotation for member in nested.members] == [shapes.Card, shapes.Cash, shapes.Account, int]
    assert get_tree(int).members == (get_tree(int),)
    assert [get_tree(kind).is_json_string for kind in (Json, Json[int], int)] == [True, True, False]


def test_what_is_inside_a_secret_is_known() -> None:
    """From its brackets, or from those of a class that it derives from."""

    class Own(Secret[dict[str, int]]):
        pass

    kinds = [SecretStr, SecretBytes, Secret[int], Own, Secret]
    found = [get_tree(kind).get_inner(Step.CONTENT) for kind in kinds]
    assert [node and node.annotation for node in found] == [str, bytes, int, dict[str, int], None]


def test_secrets_and_what_they_are_bound_to() -> None:
    """At any depth; a secret's own inside is one value with it."""

    class Login(BaseModel):
        password: SecretStr

    class Config(BaseModel):
        endpoint: str
        plain: Annotated[SecretStr, BoundTo("endpoint")]
        optional: Annotated[SecretStr | None, Field(title="x"), "a note", BoundTo("endpoint", "plain")]
        many: dict[str, list[Annotated[SecretStr, BoundTo("endpoint")]]]
        login: Annotated[Login, BoundTo("endpoint")]
        logins: list[Login]
        inside: Secret[Login]

    root = get_tree(Config)
    assert {part.name: part.bound_to for part in root.parts if part.bound_to} == {
        "plain": ("endpoint",),
        "optional": ("endpoint", "plain"),
        "many": ("endpoint",),
        "login": ("endpoint",),
    }
    assert [part.name for part in root.parts if not part.node.holds_secret] == ["endpoint"]
    assert Login not in [node.annotation for node in iter_nodes(field(root, "inside"))]
    assert len([node for node in iter_nodes(root) if node.annotation is Login]) == 2
    assert len(list(iter_models(root))) == 2


def test_a_tree_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And again only for what cannot be remembered, or is not complete yet."""
    monkeypatch.setattr(tree, "_MOST_TREES", 2)
    assert get_tree(shapes.Account) is get_tree(shapes.Account)
    unhashable = Annotated[int, []]
    assert get_tree(unhashable) is not get_tree(unhashable)

    assert not SEEN_EARLY[0].holds_secret
    assert SEEN_EARLY[0] is not SEEN_EARLY[1]
    assert get_tree(Early).holds_secret
    assert get_tree(Early) is get_tree(Early)
