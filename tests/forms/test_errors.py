"""Problems find their place in the form: paths by stored keys become paths by form keys, and titles for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr, create_model

from django_plugin_system.exceptions import FieldProblem
from django_plugin_system.forms.field import ConfigFormField
from tests.forms.helpers import bind, bind_shape, edit, get_form, post
from tests.shapes.form_models import Smtp
from tests.shapes.table import MARKER, SHAPES

if TYPE_CHECKING:
    from django_plugin_system.forms.binding import ConfigBinding

BY_NAME = {shape.name: shape for shape in SHAPES}
ACCOUNT = {"user": "a", "token": MARKER, "active": True}
LEAF: dict[str, Any] = {"name": "b", "left": None, "others": []}


def bind_value(name: str, value: Any, **options: Any) -> ConfigBinding:
    """Return the form of a stored value of a shape."""
    return bind_shape(BY_NAME[name], value, **options)


PLACES: list[tuple[str, Any, str, str, str]] = [
    ("text", "a", "value", "value", "Value"),
    ("models", [ACCOUNT], "value.0.token", "value.0.token", "Value > 1 > Token"),
    ("models", [ACCOUNT], "value.7.token", "value", "Value"),
    ("models", [ACCOUNT], "value.x", "value", "Value"),
    ("nested_lists", [[1, 2]], "value.0.1", "value.0.1", "Value > 1 > 2"),
    ("headers", {"X": "1", "7": "2"}, "value.7", "value.1.value", "Value > 2"),
    ("headers", {"X": "1"}, "value.Y", "value", "Value"),
    ("dict_of_models", {"main": ACCOUNT}, "value.main.user", "value.0.value.user", "Value > 1 > User"),
    ("fixed_tuple", ["a", 1, True], "value.1", "value.item_1", "Value > Item 2"),
    ("fixed_tuple", ["a", 1, True], "value.9", "value", "Value"),
    ("fixed_tuple", ["a", 1, True], "value.x", "value", "Value"),
    ("model_optional", {"host": "h", "port": 1, "password": None}, "value.port", "value.port", "Value > Port"),
    ("model_optional", None, "value.port", "value", "Value"),
    ("discriminated", {"kind": "bank", "iban": "", "limit": 1}, "value.limit", "value.limit", "Value > Limit"),
    ("tree", {**LEAF, "left": LEAF}, "value.left.name", "value.left", "Value > Left"),
    ("extra", {"name": "x", "more": 1}, "value.more", "value._extras.0.value", "Value > Further values > 1"),
    ("model", {"host": "h", "port": 1, "password": None}, "value.unknown", "value", "Value"),
    ("dict_of_any", {"a": {"b": 1}}, "value.a.b", "value", "Value"),
    ("text", "a", "unknown", "", ""),
    ("text", "a", "", "", ""),
]


@pytest.mark.parametrize(("name", "value", "stored", "form", "title"), PLACES)
def test_places(name: str, value: Any, stored: str, form: str, title: str) -> None:
    """Each stored path leads to its input, or to the nearest one around it."""
    binding = bind_value(name, value)
    path = tuple(stored.split(".")) if stored else ()
    found = binding.to_form_paths([FieldProblem(path, "wrong")], get_form(binding))
    assert found == [FieldProblem(tuple(form.split(".")) if form else (), "wrong")]
    assert binding.describe_place(found[0].path) == (title, "")


def test_places_in_a_form_of_another_shape() -> None:
    """A posted form that lost its shape still gets its problems."""
    for name, value in (("model", None), ("headers", 1), ("models", 1), ("int_or_text", [])):
        binding = bind_value(name, BY_NAME[name].values[0])
        assert binding.to_form_paths([FieldProblem(("value", "0"), "x")], {"value": value})[0].path == ("value",)
        assert binding.to_form_paths([FieldProblem(("value",), "x")], None)[0].path == ("value",)


def test_titles_of_unknown_parts() -> None:
    """A path that leads nowhere is shown as it is."""
    binding = bind_value("headers", {"a": "1"})
    assert binding.describe_place(("value", "0", "key")) == ("Value > 1", "")
    assert bind_value("union_optional", {"radius": 1.0}).describe_place(("value", "gone")) == ("Value > gone", "")


def test_text_mode_keeps_stored_paths() -> None:
    """In the JSON text a problem is named by its stored path."""
    problem = FieldProblem(("value", "x"), "wrong")
    assert bind_value("headers", {}, generated=False).to_form_paths([problem], {}) == [problem]


def test_error_map() -> None:
    """The renderer takes messages by joined path; the root's path is empty."""
    field = ConfigFormField(bind_value("models", []))
    field.note_problems([FieldProblem(("a", "0"), "x"), FieldProblem(("a", "0"), "y"), FieldProblem((), "z")])
    assert field.widget.error_map == {"a§0": ["x", "y"], "": ["z"]}


REFUSED = [
    ("headers", {}, [{"key": "", "value": "1"}], ("value", "0", "key"), "needs a key"),
    ("headers", {}, [{"key": "a", "value": "1"}] * 2, ("value", "1", "key"), "twice"),
    ("headers", {}, ["x"], ("value", "0", "key"), "needs a key"),
    ("models", [], "text", ("value",), "did not send a list"),
    ("model", BY_NAME["model"].values[0], "text", ("value",), "did not send these fields"),
    ("literal", "a", '"c"', ("value",), "Choose one"),
    ("dict_of_any", {}, "{", ("value",), "not valid JSON"),
    ("int_or_text", 1, True, ("value",), "no type that is possible"),
    ("int_or_text", 1, 2**60, ("value",), "too many digits"),
    (
        "extra",
        {"name": "x"},
        {"name": "y", "_extras": [{"key": "name", "value": "1"}]},
        ("value", "_extras"),
        "of its own",
    ),
]


@pytest.mark.parametrize(("name", "value", "typed", "path", "message"), REFUSED)
def test_refused(name: str, value: Any, typed: Any, path: tuple[str, ...], message: str) -> None:
    """What the form itself cannot take is reported at its place, and nothing is stored."""
    submission = edit(bind_value(name, value), value=typed)
    assert submission.config is None
    assert [(problem.path, message in problem.message) for problem in submission.problems] == [(path, True)]


TAKEN = [
    ("literal", "a", "b", "b"),
    ("headers", {"a": "1"}, {"b": "2"}, {"b": "2"}),
    ("fixed_tuple", ["a", 1, True], ["b", "2", False], ["b", 2, False]),
    ("model_optional", {"host": "h", "port": 1, "password": None}, None, None),
    ("dict_of_any", {}, {"a": 1}, {"a": 1}),
    ("headers", {"a": "1"}, [{"key": "b", "value": "2"}], {"b": "2"}),
    ("whole", 1, "abc", "abc"),
    ("whole", 1, 5, 5),
    ("int_or_float", 1, "abc", "abc"),
    ("int_or_float", 1, "2.50", 2.5),
    ("literal_mixed", "1", "", None),
    ("int_or_text_or_none", 1, "", None),
    ("model_optional", None, {"host": "h", "port": 1, "password": ""}, {"host": "h", "port": 1, "password": None}),
    ("fixed_tuple", ["a", 1, True], {"item_0": "b", "item_1": "", "item_2": False}, ["b", None, False]),
    ("fixed_tuple_optional", None, {"item_0": "1", "item_1": "2"}, [1, 2]),
    ("texts_optional", None, [], []),
    ("date", "2026-01-31", "2026-02-28", "2026-02-28"),
    ("anything", 1, "[1, null]", [1, None]),
]


@pytest.mark.parametrize(("name", "value", "typed", "wanted"), TAKEN)
def test_taken(name: str, value: Any, typed: Any, wanted: Any) -> None:
    """What is typed arrives as the JSON that pydantic is to look at."""
    submission = edit(bind_value(name, value), value=typed)
    assert submission.problems == ()
    assert submission.config == {"value": wanted}


def test_cleared_texts_that_cannot_be_empty() -> None:
    """An emptied date, choice, number or JSON text counts as not filled in."""
    for name in ("date", "literal", "whole_bounded", "dict_of_any", "int_or_text"):
        typed = None if name == "int_or_text" else ""
        assert edit(bind_value(name, BY_NAME[name].values[0]), value=typed).config == {}


def test_not_an_object() -> None:
    """A posted form that is no object is refused as a whole."""
    for generated in (True, False):
        assert "in braces" in post(bind_value("text", "a", generated=generated), [1]).problems[0].message


def test_plain_json_is_shown_again_as_a_form() -> None:
    """What was typed as plain JSON, without JavaScript, comes back in the shape of the form."""
    for name, typed, shown in (
        ("literal", "b", '"b"'),
        ("headers", {"b": "2"}, [{"key": "b", "value": "2"}]),
        ("fixed_tuple", ["b", "2", False], {"item_0": "b", "item_1": "2", "item_2": False}),
        ("dict_of_any", {"a": 1}, '{\n  "a": 1\n}'),
        ("model_optional", None, "null"),
    ):
        binding = bind_value(name, BY_NAME[name].values[0])
        assert json.loads(binding.redisplay(json.dumps({"value": typed})))["value"] == shown


def test_fields_left_out() -> None:
    """Of the whole configuration some fields may be left out, and stay as they are; of a part of it none."""
    schema = create_model("Config", name=(str, "n"), token=(SecretStr, ...), smtp=(Smtp, Smtp()))
    stored = {"name": "stored", "token": MARKER, "smtp": {"host": "h", "port": 1, "password": None}}
    assert post(bind(schema, stored), {"name": "new"}).config == {**stored, "name": "new"}
    assert post(bind(schema), {"token": "t"}).config == {"token": "t"}
    assert post(bind(schema, stored), {"smtp": {"host": "x"}}).config is None
    assert post(bind(schema, stored), {}).config is None


def test_fields_left_out_are_shown_again_as_they_are() -> None:
    """A refused form shows what it left out, or did not send at all, as it is stored: its next post clears nothing."""
    schema = create_model("Config", name=(str, "n"), port=(int, 1), token=(SecretStr | None, None))
    binding = bind(schema, {"name": "stored", "port": 5, "token": MARKER})
    sent = get_form(binding)
    assert json.loads(binding.redisplay('{"port": "x"}')) == {**sent, "port": "x"}
    for odd in ("{}", "[]", "7", '"x"', "null"):
        assert json.loads(binding.redisplay(odd)) == sent


def test_a_member_of_a_union_typed_without_javascript() -> None:
    """Without the hidden marker of the member that is meant, its constants tell; a wrong constant is refused."""
    card = {"kind": "card", "number": "1", "token": MARKER}
    binding = bind_value("discriminated", card)
    form = get_form(binding)["value"]
    bank = {"kind": "bank", "iban": "DE", "limit": "5"}
    assert edit(binding, value=bank).config == {"value": {**bank, "limit": 5}}
    assert json.loads(binding.redisplay(json.dumps({"value": bank})))["value"]["kind"] == '"bank"'
    wrong = edit(binding, value={**form, "kind": "bank"})
    assert [problem.path for problem in wrong.problems] == [("value", "kind")]
    unknown = edit(binding, value={"kind": "coin"})
    assert unknown.config is None
    shape = bind_value("undiscriminated", {"radius": 1.5})
    assert edit(shape, value={"side": 2.5}).config == {"value": {"side": 2.5}}


def test_a_form_with_thousands_of_problems() -> None:
    """A hundred are told at a time."""
    field = ConfigFormField(bind(create_model("Config", value=(dict[str, str], ...))))
    assert len(field.note_problems([FieldProblem(("value", str(i)), "wrong") for i in range(2000)]).messages) == 100
