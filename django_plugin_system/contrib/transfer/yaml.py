"""YAML to data and back, if PyYAML is installed: what JSON can say, and nothing that YAML adds.

Words such as ``no`` or ``12:30`` are text, as in YAML 1.2. Tags and aliases are refused, and so is a key given twice.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django_plugin_system.exceptions import InvalidDocument

try:
    import yaml
except ImportError:  # a project may do without
    yaml = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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
    except RecursionError:
        reason = "it is nested too deeply"
    except InvalidDocument:
        raise
    except ValueError:
        reason = "it holds a number of more than 4,300 digits"
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
