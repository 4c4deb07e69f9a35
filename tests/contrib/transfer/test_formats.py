"""JSON and YAML: what is written comes back, and what only looks like a document is refused without being quoted."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from django_plugin_system.contrib.transfer import formats
from django_plugin_system.contrib.transfer.document import MAX_DEPTH, Entry, read_document, write_document
from django_plugin_system.contrib.transfer.formats import iter_json, iter_yaml, read_json, read_toml, read_yaml
from django_plugin_system.exceptions import InvalidDocument
from tests.support import warm

SECRET = "hush-planted-Secret"
texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
looks_like_more = st.from_regex(r"[-+.0-9eE_:x~]{1,8}", fullmatch=True) | st.sampled_from(
    ["null", "Null", "~", "true", "Yes", "no", "on", "off", "y", "=", "<<", "2001-01-01", "12:30:45", "1e5", ".inf"]
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts | looks_like_more,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts | looks_like_more, inner, max_size=4),
    max_leaves=12,
)
ANCHORS = "anchors (&) and aliases (*) are not allowed; quote a text that starts so"
TAGS = "tags (!) are not allowed; quote a text that starts so"
quick = settings(deadline=None, max_examples=100, derandomize=True, database=None)


@quick
@given(st.lists(values, max_size=3))
def test_json_comes_back(data: list[Any]) -> None:
    """What is written piece by piece is one document, and has nothing in it that terminals may obey."""
    text = "".join(iter_json({"version": 1, "b": "x"}, "items", data))
    assert json.loads(text) == {"version": 1, "b": "x", "items": data}
    assert {*text}.isdisjoint(map(chr, (*range(0x7F, 0xA0), 0x2028, 0x202E)))
    assert read_json(text)["items"] == data


@quick
@given(st.lists(values, max_size=3))
@example([{"\x85": ["\u2028 ", "\r\n"]}])
def test_yaml_comes_back(data: list[Any]) -> None:
    """Any JSON is written as YAML and read as it is, with its types: words that YAML knows are quoted."""
    text = "".join(iter_yaml({"version": 1, "b": "x"}, "items", data))
    assert repr(read_yaml(text)) == repr({"version": 1, "b": "x", "items": data})


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (
            "a: no\nb: 12:30\nc: 2001-01-01\nd: 0x10\ne: 1_000\nf: Yes\ng: 010",
            dict(zip("abcdefg", ("no", "12:30", "2001-01-01", "0x10", "1_000", "Yes", "010"), strict=True)),
        ),
        (
            "a: ~\nb: null\nc:\nd: true\ne: 5\nf: 1e3\ng: -1.5",
            {"a": None, "b": None, "c": None, "d": True, "e": 5, "f": 1000.0, "g": -1.5},
        ),
        ("'1': x\n2: y\ntrue: z\n\"a\": 'it''s'", {"1": "x", "2": "y", "true": "z", "a": "it's"}),
        (
            "a: |\n  two\n  lines\nb: >\n  one\n  line\nc: [1, {d: 2}] # a comment",
            {"a": "two\nlines\n", "b": "one line\n", "c": [1, {"d": 2}]},
        ),
        ("", None),
    ],
)
def test_yaml_is_read_as_people_mean_it(text: str, data: Any) -> None:
    """Plain words are text unless they are numbers, true, false or null; keys are always text."""
    assert read_yaml(text) == data


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"a: {SECRET}\na: {SECRET}", 'line 2, column 1: the key "a" stands twice'),
        (f"a: &{SECRET} x", f"line 1, column 4: {ANCHORS}"),
        (f"a: *{SECRET}", f"line 1, column 4: {ANCHORS}"),
        (f"a: !{SECRET} x", f"line 1, column 4: {TAGS}"),
        ("a: !!python/object/apply:os.system [id]", f"line 1, column 4: {TAGS}"),
        ("a: !!str 5", f"line 1, column 4: {TAGS}"),
        (f"? [{SECRET}]\n: x", "line 1, column 3: a key must be plain text"),
        (f"? &{SECRET} a\n: x", f"line 1, column 3: {ANCHORS}"),
        (f"a: '{SECRET}", f"line 1, column {5 + len(SECRET)}: this is not YAML"),
        (f"a: {SECRET}: b", f"line 1, column {4 + len(SECRET)}: this is not YAML"),
        (f"a: \x00{SECRET}", "it holds characters that YAML does not allow"),
        (f"--- {SECRET}\n--- b", "line 2, column 1: a second document starts here; put all instances into one"),
        ("[" * 5000, "it is nested too deeply"),
        ("a: " + "9" * 5000, "it holds a number of more than 4,300 digits"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", f"line 1, column 4: {ANCHORS}"),
    ],
)  # fmt: skip
def test_yaml_that_is_refused(text: str, message: str) -> None:
    """What YAML has beyond JSON is refused with its place, and never quoted: a secret may stand there."""
    with pytest.raises(InvalidDocument) as raised:
        read_yaml(text)
    assert str(raised.value) == message
    assert raised.value.__context__ is None or SECRET not in repr(raised.value.__cause__)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'{{"a": "{SECRET}", "a": "{SECRET}"}}', 'the key "a" stands twice in one object'),
        (f'{{"a": "{SECRET}}}', "line 1, column 7: this is not JSON: Unterminated string starting at"),
        (f"{SECRET}", "line 1, column 1: this is not JSON: Expecting value"),
        ("[NaN]", "NaN is no JSON number"),
        ("[-Infinity]", "-Infinity is no JSON number"),
        ("[" * 100_000, "it is nested too deeply"),
        ("9" * 5000, "it holds a number of more than 4,300 digits"),
        ("", "line 1, column 1: this is not JSON: Expecting value"),
    ],
)
def test_json_that_is_refused(text: str, message: str) -> None:
    """What JSON parsers let pass in silence is refused, and nothing of it is quoted."""
    with pytest.raises(InvalidDocument) as raised:
        read_json(text)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'a = "{SECRET}', "at its end: this is not TOML, or gives a key twice"),
        (f'a = "{SECRET}"\na = 1', "at its end: this is not TOML, or gives a key twice"),
        (f"{SECRET} x", "line 1, column 21: this is not TOML, or gives a key twice"),
        ("a = inf", "inf is no number that can be stored"),
        ("a = " + "9" * 5000, "it holds a number of more than 4,300 digits"),
        ("a = " + "[" * 5000, "it is nested too deeply"),
    ],
)
def test_toml_that_is_refused(text: str, message: str) -> None:
    """What is no TOML, or cannot be stored, is refused with its place, and never quoted."""
    with pytest.raises(InvalidDocument) as raised:
        read_toml(text)
    assert str(raised.value) == message


def test_toml_is_read_as_json_says_it() -> None:
    """Dates and times are their texts."""
    assert read_toml("a = 2026-01-02T03:04:05Z\nb = 03:04:05\nc = [1.5, {d = true}]") == {
        "a": "2026-01-02T03:04:05+00:00",
        "b": "03:04:05",
        "c": [1.5, {"d": True}],
    }


def test_toml_needs_a_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one, which is the case on Python 3.10 only, it is said what to install."""
    monkeypatch.setattr(formats, "tomllib", None)
    with pytest.raises(InvalidDocument, match="pip install tomli"):
        read_toml("a = 1")


def deep(levels: int) -> Any:
    """Return objects and lists inside one another."""
    return {"a": [deep(levels - 2)]} if levels else 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], 'this is no document of instances: it must be an object with "format": "django-plugin-system"'),
        (
            {"instances": []},
            'this is no document of instances: it must be an object with "format": "django-plugin-system"',
        ),
        ({"version": 2}, '"version" must be 1: this release reads no other'),
        ({"version": True}, '"version" must be 1: this release reads no other'),
        ({"version": 1}, '"instances" must be a list'),
        ({"version": 1, "instances": {}}, '"instances" must be a list'),
        ({"version": 1, "instances": [], "more": SECRET}, 'unknown key "more" beside format, version and instances'),
        ({"version": 1, "instances": deep(MAX_DEPTH)}, "it is nested more than 120 levels deep"),
    ],
)
def test_what_is_no_document(data: Any, message: str) -> None:
    """A file that is something else, or of another version, is refused as a whole."""
    whole = {"format": "django-plugin-system", **data} if data and "version" in data else data
    for kind, write in (("json", json.dumps), ("yaml", yaml.safe_dump)):
        with pytest.raises(InvalidDocument) as raised:
            read_document(write(whole), kind)
        assert str(raised.value) == message


def test_a_document_comes_back() -> None:
    """Entries are the same after they were written and read, in either format."""
    values: dict[str, Any] = {"status": "active", "priority": None, "description": "no"}
    names: dict[str, Any] = {"type": "sms", "manager": "on", "item": "1e5", "module": "null", "name": "007"}
    entry = Entry(**names, **values, config={"$redacted": True, "a": [], "b": {}}, config_version=3)
    for kind in ("json", "yaml"):
        assert read_document(write_document([entry], kind), kind) == [entry]


@pytest.mark.django_db(transaction=True)
def test_yaml_needs_pyyaml() -> None:
    """Without PyYAML, JSON works, and YAML says what to install."""
    code = f"""
import sys
sys.modules["yaml"] = None
import django
django.setup()
from django.core.management import CommandError, call_command
call_command("pluginexport", "--verbosity", "0")
for command in (["pluginimport", {__file__!r}], ["pluginexport"]):
    try:
        call_command(*command, "--format", "yaml")
    except CommandError as error:
        print(error)
"""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [warm.python(), "-c", code]
    ran = subprocess.run(command, capture_output=True, check=True, text=True, env=environment)
    message = "YAML needs PyYAML, which is not installed. Run pip install PyYAML, or use JSON"
    assert ran.stdout.splitlines()[-3:] == ["}", f"The document cannot be read: {message}.", message]
