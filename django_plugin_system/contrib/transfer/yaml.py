"""YAML to data and back, if PyYAML is installed: what JSON can say, and nothing that YAML adds.

Words such as ``no`` or ``12:30`` are text, as in YAML 1.2. Tags and aliases are refused, and so is a key given twice.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from django_plugin_system.exceptions import InvalidDocument

try:
    import yaml
except ImportError:  # a project may do without
    yaml = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator

MISSING = "YAML needs PyYAML, which is not installed. Run pip install PyYAML, or use JSON"
_PATTERNS = {
    "null": re.compile(r"(?:null|~|)\Z"),
    "bool": re.compile(r"(?:true|false)\Z"),
    "int": re.compile(r"-?(?:0|[1-9][0-9]*)\Z", re.ASCII),
    "float": re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?\Z", re.ASCII),
}
"""What an unquoted word looks like that is more than text; the first that fits counts."""
_ODD_LINE_ENDS = re.compile(r"[\r\x85\u2028\u2029]")


def read_yaml(text: str) -> Any:
    """Return the data that ``text`` holds.

    :raises InvalidDocument: if it is no YAML, uses more of it than JSON has, or PyYAML is missing; the message quotes
        nothing of it but names of keys.
    """
    _require()
    try:
        return _read_only_document(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        reason = f"{_show(error.problem_mark or error.context_mark)}: this is not YAML"
    except yaml.YAMLError:
        reason = "it holds characters that YAML does not allow"
    except RecursionError:
        reason = "it is nested too deeply"
    raise InvalidDocument(reason)


def _require() -> None:
    if yaml is None:
        raise InvalidDocument(MISSING)


def _show(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"


def _refuse(event: Any, reason: str) -> InvalidDocument:
    return InvalidDocument(f"{_show(event.start_mark)}: {reason}")


def _read_only_document(events: Iterator[Any]) -> Any:
    next(events)  # the start of the stream
    if isinstance(next(events), yaml.StreamEndEvent):
        return None
    data = _build(next(events), events)
    next(events)  # the end of the document
    extra = next(events)
    if not isinstance(extra, yaml.StreamEndEvent):
        raise _refuse(extra, "a second document starts here; put all instances into one")
    return data


def _build(event: Any, events: Iterator[Any]) -> Any:
    if event.anchor is not None:
        raise _refuse(event, "anchors (&) and aliases (*) are not allowed; quote a text that starts so")
    if event.tag is not None:
        raise _refuse(event, "tags (!) are not allowed; quote a text that starts so")
    if isinstance(event, yaml.ScalarEvent):
        return _build_scalar(event)
    if isinstance(event, yaml.SequenceStartEvent):
        return [_build(item, events) for item in _until(yaml.SequenceEndEvent, events)]
    return _build_mapping(events)


def _until(end: type, events: Iterator[Any]) -> Iterator[Any]:
    event = next(events)
    while not isinstance(event, end):
        yield event
        event = next(events)


def _build_mapping(events: Iterator[Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for event in _until(yaml.MappingEndEvent, events):
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None or event.anchor is not None:
            raise _refuse(event, "a key must be plain text")
        if event.value in made:
            raise _refuse(event, f"the key {json.dumps(event.value)} stands twice")
        made[event.value] = _build(next(events), events)
    return made


def _build_scalar(event: Any) -> Any:
    kind = next((kind for kind, pattern in _PATTERNS.items() if pattern.match(event.value)), "str")
    if event.style is not None or kind == "str":
        return event.value
    if kind == "null":
        return None
    try:
        return json.loads(event.value) if kind != "float" else float(event.value)
    except ValueError:
        pass
    raise _refuse(event, "a number of more than 4,300 digits")


def write_yaml(data: Any) -> str:
    """Return ``data`` as YAML text.

    :raises InvalidDocument: if PyYAML is missing.
    """
    _require()
    written: str = yaml.dump(data, Dumper=_make_dumper(), allow_unicode=True, sort_keys=False, width=2**16)
    return written


def _make_dumper() -> Any:
    """Return a dumper that quotes what readers of YAML 1.1, as it does anyway, or of 1.2 would take for no text."""
    dumper: Any = type("Dumper", (yaml.SafeDumper,), {"ignore_aliases": lambda _self, _data: True})
    dumper.add_representer(str, _represent_text)
    for kind, pattern in _PATTERNS.items():
        dumper.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", pattern, None)
    return dumper


def _represent_text(dumper: Any, text: str) -> Any:
    """Put a text with odd line ends between double quotes, where they are escaped and so not folded into spaces."""
    style = '"' if _ODD_LINE_ENDS.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)
