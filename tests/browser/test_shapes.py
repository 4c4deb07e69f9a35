"""Every shape in the browser: open, save unchanged, edit beside it, be refused, be shown again, save."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.forms.helpers import OPENED
from tests.shapes.table import MARKER, SHAPES, Shape, get_stored
from tests.support.cases import tried_on

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def shape_pages(settings: Any, db: None) -> None:
    """Serve the pages of the shapes."""
    del db
    settings.ROOT_URLCONF = "tests.browser.shape_urls"


def open_shape(page: Page, name: str, value: Any) -> None:
    """Open the form of a stored value."""
    open_shapes(page, name, {"value": value})


def open_shapes(page: Page, names: str, stored: dict[str, Any] | None) -> None:
    """Open the form of stored values, or a new one."""
    page.goto(f"/shape/{names}/?stored={quote(json.dumps(stored), safe='') if stored else 'new'}")
    expect(field(page, "other")).to_be_visible()
    expect(page.locator("textarea[name=config]")).to_be_hidden()


def field(page: Page, path: str) -> Any:
    """Return the input at a form path."""
    return page.locator(f'[name="rjf§{path}"]')


def save(page: Page) -> str:
    """Post the form and return the result."""
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_load_state()
    return page.locator("#result").inner_text()


def get_saved(page: Page) -> Any:
    """Post the form, which must be accepted, and return what would be stored as the value."""
    return json.loads(save(page))["value"]


def choose(page: Page, title: str, number: int = 0) -> None:
    """Choose another type in the selector above a union."""
    page.locator("select.rjf-oneof-selector-input").nth(number).select_option(label=title)


# A group takes as many turns as one of its shapes has values.
SHOWN = sorted((shape for shape in SHAPES if shape.in_browser), key=lambda shape: -len(shape.values))
GROUPS = [SHOWN[start : start + 16] for start in range(0, len(SHOWN), 16)]


@pytest.mark.parametrize("shapes", GROUPS, ids=lambda shapes: f"{shapes[0].name}-{shapes[-1].name}")
def test_shapes_survive_the_browser(page: Page, shapes: list[Shape]) -> None:
    """No value is changed by opening and saving, an edit beside it, or a refusal; a new form opens and is posted."""
    names = "+".join(shape.name for shape in shapes)
    for turn in range(max(len(shape.values) for shape in shapes)):
        stored = {shape.name: get_stored(shape, shape.values[turn % len(shape.values)]) for shape in shapes}
        open_shapes(page, names, stored)
        assert save(page) == "unchanged"
        field(page, "other").fill("NOT SMALL")
        assert save(page) == "invalid"
        expect(page.locator(".rjf-error-text")).to_contain_text("not in the expected form")
        field(page, "other").fill("small")
        saved = save(page)
        assert saved.startswith("{"), saved
        shown = {name: json.dumps(value) for name, value in json.loads(saved).items()}
        assert shown == {name: json.dumps(value) for name, value in {**stored, "other": "small"}.items()}
        assert OPENED not in page.content()
    open_shapes(page, names, None)
    save(page)
    expect(field(page, "other")).to_be_visible()


def name_cases(rows: list[tuple[Any, ...]], *names: str) -> list[tuple[str, dict[str, Any]]]:
    """Return a case for each row of a table: all of them are tried in one tab."""
    return [(f"{row[0]}: {row[2]!r}", dict(zip(names, row, strict=True))) for row in rows]


EDITS: dict[str, tuple[Any, str, Any]] = {
    "text": ("a", "b", "b"),
    "text_optional": ("a", "", None),
    "whole": (1, "12345678901234567890", 12345678901234567890),
    "whole_bounded": (1, "80", 80),
    "whole_optional": (7, "", None),
    "number": (1.5, "2.25", 2.25),
    "number_optional": (2.5, "", None),
    "int_or_float": (1, "1.0", 1.0),
    "decimal": ("3.10", "3.100", "3.100"),
    "datetime": ("2026-01-31T10:00:00+02:00", "2026-01-31T11:00:00+02:00", "2026-01-31T11:00:00+02:00"),
    "dict_of_any": ({}, '{"a": [null]}', {"a": [None]}),
    "secret": (MARKER, "line 1\nline 2", "line 1\nline 2"),
    "secret_optional": (MARKER, "", None),
}
"""Shapes with what is stored, what is typed in its place, and what is stored then."""


def test_edit(page: Page) -> None:
    """What is typed is what is stored."""
    open_shapes(page, "+".join(EDITS), {name: stored for name, (stored, _typed, _wanted) in EDITS.items()})
    for name, (_stored, typed, _wanted) in EDITS.items():
        field(page, name).fill(typed)
    saved = json.loads(save(page))
    assert {name: json.dumps(saved[name]) for name in EDITS} == {
        name: json.dumps(wanted) for name, (_stored, _typed, wanted) in EDITS.items()
    }


CHOICES: list[tuple[Any, ...]] = [
    ("yes_no_optional", None, "No", False),
    ("yes_no_optional", True, "Not set", None),
    ("literal_mixed", "1", "True", True),
    ("enum_numbers", 1, "High", 2),
    ("enum_optional", "red", "Not set", None),
]


@tried_on(name_cases(CHOICES, "name", "value", "title", "wanted"))
def test_choose(page: Page, name: str, value: Any, title: str, wanted: Any) -> None:
    """A choice is stored with its type."""
    open_shape(page, name, value)
    field(page, "value").select_option(label=title)
    assert get_saved(page) is wanted or get_saved(page) == wanted


INVALID: list[tuple[Any, ...]] = [
    ("whole", 1, "abc", "value"),
    ("whole_bounded", 1, "70000", "value"),
    ("decimal", "1", "abc", "value"),
    ("dict_of_any", {}, "{", "value"),
    ("secret", MARKER, "*****", "value"),
    ("secret", MARKER, "", "value"),
]


@tried_on(name_cases(INVALID, "name", "value", "typed", "path"))
def test_invalid_is_shown_on_the_field(page: Page, name: str, value: Any, typed: str, path: str) -> None:
    """A value that pydantic or the form refuses is reported at its input."""
    open_shape(page, name, value)
    field(page, path).fill(typed)
    save(page)
    expect(page.locator(".rjf-input-group", has=field(page, path)).locator(".rjf-error-text")).to_be_visible()
    expect(field(page, path)).to_have_attribute("aria-invalid", "true")


def test_optional_model_is_set_and_unset(page: Page) -> None:
    """An optional model starts as not set, and goes there and back."""
    open_shape(page, "model_optional", None)
    choose(page, "Smtp")
    field(page, "value§host").fill("h")
    assert get_saved(page) == {"host": "h", "port": 25, "password": None}
    open_shape(page, "model_optional", {"host": "h", "port": 1, "password": MARKER})
    choose(page, "Not set")
    assert get_saved(page) is None


def test_union_changes_its_member(page: Page) -> None:
    """Another member of a union is chosen and filled in."""
    open_shape(page, "discriminated", {"kind": "card", "number": "1", "token": MARKER})
    choose(page, "Bank")
    field(page, "value§iban").fill("DE")
    assert get_saved(page) == {"kind": "bank", "iban": "DE", "limit": None}
    open_shape(page, "undiscriminated", {"radius": 1.5})
    choose(page, "Square")
    field(page, "value§side").fill("2")
    assert get_saved(page) == {"side": 2}
    open_shape(page, "int_or_text", 1)
    choose(page, "Text")
    field(page, "value").fill("1")
    assert get_saved(page) == "1"


def test_lists_grow_and_shrink(page: Page) -> None:
    """Items are added beyond a hundred, moved and removed."""
    open_shape(page, "texts", ["x"] * 120)
    page.get_by_role("button", name=re.compile("^Add ")).click()
    field(page, "value§120").fill("last")
    assert get_saved(page) == ["x"] * 120 + ["last"]
    open_shape(page, "models", [{"user": "a", "token": MARKER, "active": False}])
    page.get_by_role("button", name=re.compile("^Add ")).click()
    field(page, "value§1§user").fill("b")
    field(page, "value§1§token").fill("t")
    assert get_saved(page)[1] == {"user": "b", "token": "t", "active": True}


def test_dict_gets_an_entry(page: Page) -> None:
    """A dict is edited as pairs; keys with the renderer's own separator too."""
    open_shape(page, "headers", {"a § b": "1"})
    page.get_by_role("button", name=re.compile("^Add ")).click()
    field(page, "value§1§key").fill("7")
    field(page, "value§1§value").fill("seven")
    assert get_saved(page) == {"a § b": "1", "7": "seven"}


def test_many_inputs(page: Page) -> None:
    """A form with more inputs than Django accepts fields is posted as one field."""
    open_shape(page, "texts", ["x"] * 1100)
    field(page, "value§0").fill("y")
    assert get_saved(page)[0] == "y"


def test_inner_inputs_are_not_posted(page: Page) -> None:
    """The renderer's own inputs, which hold secrets, stay in the browser."""
    open_shape(page, "secret", MARKER)
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.post_data or ""))
    save(page)
    assert "config=" in "".join(posts)
    assert "rjf" not in "".join(posts)


def test_labels_and_keyboard(page: Page) -> None:
    """Every input has a label; in a secret Enter posts the form and Shift+Enter breaks the line."""
    open_shape(page, "models", [{"user": "a", "token": MARKER, "active": False}])
    expect(page.get_by_label("User")).to_have_value("a")
    expect(page.get_by_label("Token")).to_be_visible()
    open_shape(page, "secret", MARKER)
    page.get_by_label("Value").focus()
    page.keyboard.type("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    assert get_saved(page) == "one\ntwo"
    open_shape(page, "secret", MARKER)
    page.get_by_label("Value").focus()
    page.keyboard.type("one")
    page.keyboard.press("Enter")
    expect(page.locator("#result")).to_contain_text('"one"')


def test_without_javascript(page_without_javascript: Page) -> None:
    """Without JavaScript the form's JSON can be edited as text."""
    page = page_without_javascript
    page.goto("/shape/text/?stored=" + quote(json.dumps({"value": "a"})))
    text = page.locator("textarea[name=config]")
    text.fill(text.input_value().replace('"a"', '"b"'))
    assert get_saved(page) == "b"
    text.fill("")
    assert save(page) == ""
    expect(page.locator(".errorlist")).to_contain_text("JavaScript")
