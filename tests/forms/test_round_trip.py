"""An unchanged save changes nothing, whatever the shape."""

from __future__ import annotations

import json
from operator import attrgetter
from typing import Any

import pytest
from pydantic import BaseModel, create_model

from django_plugin_system.forms.controls import Reading
from tests.forms.helpers import OPENED, bind, bind_shape, edit, get_form, make_schema, post
from tests.shapes.table import SHAPES, Shape, get_stored, list_values
from tests.support.cases import each, tried_on


class Inner(BaseModel):
    """A model in a list."""

    name: str


EACH = tried_on(each("shape", SHAPES, attrgetter("name")))
EACH_VALUE = tried_on(list_values())
GARBAGE: tuple[Any, ...] = (None, "", 7, True, [], {}, [None], {"key": 1}, [[]], [{}], {"_variant": "9"})


@EACH_VALUE
def test_unchanged_post_changes_nothing(shape: Shape, value: Any) -> None:
    """What was sent and comes back as it was is no change."""
    binding = bind_shape(shape, get_stored(shape, value))
    assert binding.generated
    assert not binding.read(binding.get_text()).changed


@EACH_VALUE
def test_value_survives_an_edit_elsewhere(shape: Shape, value: Any) -> None:
    """A value that nobody touched is stored as it was, although another field changed."""
    binding = bind_shape(shape, get_stored(shape, value))
    reading = Reading(binding.plain)
    plain = binding.control.read(get_form(binding), reading)
    assert json.dumps(plain) == json.dumps(binding.plain)
    assert reading.problems == []


@EACH_VALUE
def test_posted_form_can_be_shown_again(shape: Shape, value: Any) -> None:
    """A form that was not touched is shown again as it was after a refusal."""
    binding = bind_shape(shape, get_stored(shape, value))
    assert json.loads(binding.redisplay(binding.get_text())) == get_form(binding)


@EACH_VALUE
def test_no_stored_secret_is_sent(shape: Shape, value: Any) -> None:
    """Neither the value nor the schema of a form holds a secret or its token."""
    binding = bind_shape(shape, get_stored(shape, value))
    sent = binding.get_text() + json.dumps(binding.get_schema(binding.get_text()))
    assert OPENED not in sent
    assert "dps1." not in sent


@EACH_VALUE
def test_text_mode_round_trip(shape: Shape, value: Any) -> None:
    """The same holds for the whole configuration as one JSON text."""
    binding = bind_shape(shape, get_stored(shape, value), generated=False)
    assert not binding.read(binding.get_text()).changed
    assert OPENED not in binding.get_text()


@EACH
def test_new_form_can_be_read(shape: Shape) -> None:
    """A new form posted as it came is read without a crash, and filled in as a whole."""
    binding = bind(make_schema(shape.annotation, shape.default))
    submission = binding.read(binding.get_text())
    assert submission.changed
    assert submission.config is None or set(submission.config) <= {"value"}


@EACH
def test_garbage_is_read_and_shown_again_without_a_crash(shape: Shape) -> None:
    """Whatever is posted for a field, the server answers, and what it shows again has the shape of the field."""
    binding = bind_shape(shape, get_stored(shape, shape.values[-1]))
    for garbage in GARBAGE:
        post(binding, {"value": garbage})
        shown = binding.redisplay(json.dumps({"value": garbage}))
        assert json.loads(binding.redisplay(shown)) == json.loads(shown), garbage


@EACH
def test_missing_key_is_a_problem_not_a_wipe(shape: Shape) -> None:
    """A form that lost a field is refused."""
    submission = post(bind_shape(shape, get_stored(shape, shape.values[-1])), {})
    assert submission.config is None
    assert [problem.path for problem in submission.problems] == [("value",)]


@pytest.mark.parametrize("text", [None, "", "  ", '"', "{", '""', "[]", "7", "null", "NaN", '{"value": Infinity}'])
def test_crashed_widget_is_a_problem(text: str | None) -> None:
    """What a crashed widget, or none, may post is an error on the field, never an empty configuration."""
    submission = bind(make_schema(str), {"value": "x"}).read(text)
    assert submission.config is None
    assert submission.problems[0].path == ()


@pytest.mark.parametrize("generated", [True, False])
def test_a_key_that_stands_twice_is_a_problem(generated: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """JSON in which one of two values would be lost is refused, in the whole text and in the text of one field."""
    twice = '{"a": 1, "a": 2}'
    binding = bind(make_schema(Any), {"value": "x"}, generated=generated)
    text = json.dumps({"value": twice}) if generated else f'{{"value": {twice}}}'
    submission = binding.read(text)
    assert submission.config is None
    assert "a key stands twice" in submission.problems[0].message


@pytest.mark.parametrize("generated", [True, False])
@pytest.mark.parametrize("levels", [120, 500, 100_000])
def test_deeply_nested_json(levels: int, *, generated: bool) -> None:
    """JSON that is nested without end is refused, in the whole text and in that of one field, and crashes nothing."""
    binding = bind(make_schema(Any), {"value": "x"}, generated=generated)
    deep = "[" * levels + "1" + "]" * levels
    for text in (f'{{"value": {deep}}}', *([json.dumps({"value": deep})] if generated else [])):
        refused = [problem.message for problem in binding.read(text).problems]
        assert any("nested too deeply" in message for message in refused) == (levels > 120)
        assert binding.redisplay(text)


def test_cleared_values() -> None:
    """An emptied field is None, or left out where it must be filled, or empty text where that is a value."""
    assert edit(bind(make_schema(str | None, None), {"value": "x"}), value="").config == {"value": None}
    assert edit(bind(make_schema(str), {"value": "x"}), value="").config == {}
    assert edit(bind(make_schema(str, "d"), {"value": "x"}), value="").config == {"value": ""}
    assert edit(bind(make_schema(int), {"value": 1}), value=" ").config == {}
    assert edit(bind(make_schema(int | None, None), {"value": 1}), value="").config == {"value": None}
    assert edit(bind(make_schema(float), {"value": 1.5}), value=None).config == {}
    assert edit(bind(make_schema(bool), {"value": True}), value=None).config == {"value": False}
    assert edit(bind(make_schema(list[str]), {"value": ["a"]}), value="").config == {"value": []}


def test_empty_text_that_was_stored_stays() -> None:
    """An empty text that was stored is kept where a new one would count as not filled in; in text mode, too."""
    for generated in (True, False):
        schema = create_model("Config", texts=(list[Inner], ...), value=(str, ...), other=(str, ""))
        binding = bind(schema, {"texts": [{"name": ""}], "value": ""}, generated=generated)
        assert edit(binding, other="x").config == {"texts": [{"name": ""}], "value": "", "other": "x"}
    config = edit(binding, texts=[{"name": ""}, {"name": ""}], value="").config
    assert config == {"texts": [{"name": ""}, {}], "value": ""}
