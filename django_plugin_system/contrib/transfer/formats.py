"""Text to data and back: JSON, YAML if PyYAML is installed, and TOML; what JSON can say, and nothing else."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from django_plugin_system.config.json_tree import LossyJsonError, explain_unread, map_json, parse_json
from django_plugin_system.exceptions import InvalidDocument

try:
    import yaml
except ImportError:  # a project may do without
    yaml = None  # type: ignore[assignment]


if sys.version_info >= (3, 11):  # pragma: no cover - which branch runs depends on the interpreter
    import tomllib
else:  # pragma: no cover - tomli is optional
    try:
        import tomli as tomllib
    except ImportError:
        tomllib = None

_OBEYED = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that JSON leaves as they are, and terminals may obey; and halves of a pair, which no file takes."""


# JSON


def read_json(text: str) -> Any:
    """Return the data that ``text`` holds, without what JSON parsers let pass in silence.

    :raises InvalidDocument: if it is no JSON; the message quotes nothing of it but names of keys.
    """
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno}, column {error.colno}: this is not JSON: {error.msg}"
    except LossyJsonError as error:
        reason = str(error) if error.key is None else f"the key {json.dumps(error.key)} stands twice in one object"
    except ValueError as error:
        reason = str(error)
    raise InvalidDocument(reason)


def iter_json(head: Mapping[str, Any], name: str, items: Iterable[Any]) -> Iterator[str]:
    """Yield ``{**head, name: [*items]}`` as JSON text, one value a line."""
    yield f"{_to_json(head)[:-2]},\n  {json.dumps(name)}: ["
    count = 0
    for count, item in enumerate(items, 1):
        text = _to_json(item).replace("\n", "\n    ")  # inside of a value, a line end is an escape
        yield f"{',' if count > 1 else ''}\n    {text}"
    yield "\n  ]\n}\n" if count else "]\n}\n"


def _to_json(data: Any) -> str:
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    return _OBEYED.sub(lambda found: json.dumps(found[0])[1:-1], text)


# YAML: words such as ``no`` or ``12:30`` are text, as in YAML 1.2. Tags, aliases and keys given twice are refused


MISSING = "YAML needs PyYAML, which is not installed. Run pip install PyYAML, or use JSON"
_TAG = "tag:yaml.org,2002:"
_WORDS = [
    (_TAG + "null", re.compile(r"(?:null|~|)\Z")),
    (_TAG + "bool", re.compile(r"(?:true|false)\Z")),
    (_TAG + "int", re.compile(r"-?(?:0|[1-9][0-9]*)\Z", re.ASCII)),
    (_TAG + "float", re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?\Z", re.ASCII)),
]
"""What an unquoted word looks like that is more than text; the first that fits counts."""
_ODD_LINE_ENDS = re.compile(r"[\r\x85\u2028\u2029]")


def read_yaml(text: str) -> Any:
    """Return the data that ``text`` holds.

    :raises InvalidDocument: if it is no YAML, uses more of it than JSON has, or PyYAML is missing; the message quotes
        nothing of it but names of keys.
    """
    _require()
    try:
        return yaml.load(text, Loader=_make_loader())
    except yaml.composer.ComposerError as error:  # aliases, which are its other errors, do not get so far
        reason = f"{_show(error.problem_mark)}: a second document starts here; put all instances into one"
    except yaml.MarkedYAMLError as error:
        reason = f"{_show(error.problem_mark or error.context_mark)}: this is not YAML"
    except yaml.YAMLError:
        reason = "it holds characters that YAML does not allow"
    except InvalidDocument:
        raise
    except (RecursionError, ValueError) as error:
        reason = explain_unread(error)
    raise InvalidDocument(reason)


def _require() -> None:
    if yaml is None:
        raise InvalidDocument(MISSING)


def _show(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"


def _refuse(found: Any, reason: str) -> InvalidDocument:
    return InvalidDocument(f"{_show(found.start_mark)}: {reason}")


@lru_cache(maxsize=1)
def _make_loader() -> Any:
    """Return a safe loader that knows no more types than JSON."""
    words = {None: _WORDS}
    loader: Any = type("Loader", (yaml.SafeLoader,), {"compose_node": _compose, "yaml_implicit_resolvers": words})
    loader.add_constructor(f"{_TAG}map", _make_object)
    return loader


def _compose(loader: Any, parent: Any, index: Any) -> Any:
    """Return the next node of the text, unless it has an anchor, is an alias, or has a tag."""
    event = loader.peek_event()
    if event.anchor is not None:
        raise _refuse(event, "anchors (&) and aliases (*) are not allowed; quote a text that starts so")
    if event.tag is not None:
        raise _refuse(event, "tags (!) are not allowed; quote a text that starts so")
    return yaml.SafeLoader.compose_node(loader, parent, index)


def _make_object(loader: Any, node: Any) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _refuse(key, "a key must be plain text")
        if key.value in made:
            raise _refuse(key, f"the key {json.dumps(key.value)} stands twice")
        made[key.value] = loader.construct_object(value, deep=True)
    return made


def iter_yaml(head: Mapping[str, Any], name: str, items: Iterable[Any]) -> Iterator[str]:
    """Yield ``{**head, name: [*items]}`` as YAML text.

    :raises InvalidDocument: if PyYAML is missing.
    """
    _require()
    yield _dump(head)
    count = 0
    for count, item in enumerate(items, 1):
        yield f"{name}:\n{_dump([item])}" if count == 1 else _dump([item])
    if not count:
        yield _dump({name: []})


def _dump(data: Any) -> str:
    text: str = yaml.dump(data, Dumper=_make_dumper(), allow_unicode=True, sort_keys=False, width=2**16)
    return text


@lru_cache(maxsize=1)
def _make_dumper() -> Any:
    """Return a dumper that quotes what readers of YAML 1.1, as it does anyway, or of 1.2 would take for no text."""
    words = {**yaml.SafeDumper.yaml_implicit_resolvers, None: _WORDS}
    attributes = {"ignore_aliases": lambda _self, _data: True, "yaml_implicit_resolvers": words}
    dumper: Any = type("Dumper", (yaml.SafeDumper,), attributes)
    dumper.add_representer(str, _represent_text)
    return dumper


def _represent_text(dumper: Any, text: str) -> Any:
    """Put a text with odd line ends between double quotes, where they are escaped and so not folded into spaces."""
    style = '"' if _ODD_LINE_ENDS.search(text) else None
    return dumper.represent_scalar(f"{_TAG}str", text, style=style)


# TOML

NO_TOML = "TOML needs Python 3.11, or tomli, which is not installed. Run pip install tomli, or use JSON"


def read_toml(text: str) -> Any:
    """Return the data that ``text`` holds; a date or a time is its text, as in JSON.

    :raises InvalidDocument: if it is no TOML, or Python is older than 3.11 and tomli is missing; the message quotes
        nothing of it.
    """
    if tomllib is None:
        raise InvalidDocument(NO_TOML)
    try:
        return _to_plain(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"line \d+, column \d+", str(error))
        reason = f"{place[0] if place else 'at its end'}: this is not TOML, or gives a key twice"
    except InvalidDocument:
        raise
    except (RecursionError, ValueError) as error:
        reason = explain_unread(error)
    raise InvalidDocument(reason)


def _to_plain(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        return map_json(value, lambda _key, item: _to_plain(item))
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidDocument(f"{value} is no number that can be stored")
    return value.isoformat() if isinstance(value, (dt.date, dt.time)) else value


READERS = {"json": read_json, "yaml": read_yaml, "toml": read_toml}
WRITERS = {"json": iter_json, "yaml": iter_yaml}
