"""Change one field of a stored configuration, as the command line does it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.views.decorators.debug import sensitive_variables

from django_plugin_system.config.json_tree import iter_json, parse_json
from django_plugin_system.config.references import read_reference
from django_plugin_system.exceptions import FieldProblem, InvalidConfig
from django_plugin_system.models import PluginInstance
from django_plugin_system.rows.config import open_current
from django_plugin_system.rows.traceback_safety import Concealed, leaving_frames_behind, reveal
from django_plugin_system.schema.secrets import find_secrets
from django_plugin_system.schema.tree import get_tree

if TYPE_CHECKING:
    from typing import TextIO

    from django_plugin_system.exceptions import Path

_NOTHING: Any = object()


@sensitive_variables()
def read_value(stream: TextIO) -> str:
    """Return all that a stream gives, without the line end that most tools put at its end."""
    text = stream.read()
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def is_secret(row: PluginInstance, path: Path) -> bool:
    """Say whether the field at ``path`` of the configuration of ``row`` is, or may hold, a secret."""
    schema = row.item.config_schema
    if schema is None:
        return True
    try:
        data = _put(open_current(row).stored, row, path, "?")
    except InvalidConfig:
        return True
    return any(place[: len(path)] == path for place, _value in find_secrets(get_tree(schema), data))


@leaving_frames_behind
def set_field(row: PluginInstance, alias: str, path: Path, text: Concealed | None) -> None:
    """Put ``text`` where ``path`` leads in the configuration of ``row``; None takes away what is there.

    What is no text is given as JSON, if no text fits: a number, a list, ``null``; and a reference.

    :raises ConfigError: if the result is not valid; nothing was written.
    """
    given, spelled = text or Concealed(_NOTHING), Concealed(_read_json(reveal(text)))
    if read_reference(spelled.config) is not None:
        given = spelled
    with PluginInstance.objects.using(alias).locked(row.pk) as held:
        stored = open_current(held).stored
        try:
            held.set_config(_put(stored, held, path, given.config))
        except InvalidConfig:
            if spelled.config is _NOTHING:
                raise
            held.set_config(_put(stored, held, path, spelled.config))


@sensitive_variables()
def _read_json(text: str | None) -> Any:
    with suppress(ValueError):
        found = parse_json(text or "")
        if not isinstance(found, str):
            return found
    return _NOTHING


@sensitive_variables()
def _put(data: Any, row: PluginInstance, path: Path, value: Any) -> Any:
    """Return a copy of ``data`` with ``value`` at ``path``; objects on the way are made where there are none.

    :raises InvalidConfig: if the path leads into something else.
    """
    if not path:
        return value
    key, *rest = path
    problem = FieldProblem(path, "there is no such place in what is stored")
    if isinstance(data, list):
        if not key.isdecimal() or int(key) > len(data):
            raise InvalidConfig(str(row), [problem])
        items: dict[Any, Any] = dict(iter_json(data))
    elif isinstance(data, dict):
        items = dict(data)
    else:
        raise InvalidConfig(str(row), [problem])
    found = _put(items.get(key, {}), row, tuple(rest), value)
    items = (
        {**items, key: found} if found is not _NOTHING else {name: one for name, one in items.items() if name != key}
    )
    return list(items.values()) if isinstance(data, list) else items
