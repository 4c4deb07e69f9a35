"""Open the secrets of stored JSON: each where it stands, beside what it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from django_plugin_system.config import tokens
from django_plugin_system.config.bound import is_intact
from django_plugin_system.config.location import locate, make_loc
from django_plugin_system.config.parts import map_json
from django_plugin_system.config.walk import MAX_DEPTH
from django_plugin_system.exceptions import ConfigShapeError, EndpointChanged, Path, SecretError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

    from django_plugin_system.config.keyring import KeyRing
    from django_plugin_system.config.tokens import Binding, Sealed

Secrets = dict[Path, Any]
"""Plain secrets by the path they are stored at: JSON values, or bytes."""


class Opened(NamedTuple):
    """A configuration with its stored secrets in the clear, and those secrets by path."""

    data: Any
    secrets: Secrets


@dataclass(frozen=True)
class Kept:
    """A stored secret that was moved within its row; the form gives it instead of its plain value."""

    value: Any = field(repr=False)
    was_encrypted: bool = True
    """It may have been stored before its field was declared a secret."""


def iter_markers(stored: Any, path: Path = ()) -> list[tuple[Path, dict[str, Any]]]:
    """Return each stored secret, well-formed or not, with its path.

    :raises ConfigShapeError: if the JSON is nested too deeply to have been stored by this package.
    """
    if tokens.is_marker(stored):
        return [(path, stored)]
    if isinstance(stored, dict):
        items: Any = stored.items()
    elif isinstance(stored, list):
        items = enumerate(stored)
    else:
        return []
    _check_depth(path)
    return [found for key, value in items for found in iter_markers(value, (*path, str(key)))]


def _check_depth(path: Path) -> None:
    if len(path) > MAX_DEPTH:
        raise ConfigShapeError(path[:1], f"is nested more than {MAX_DEPTH} levels deep")


def open_beside(stored: Any, path: Path, marker: dict[str, Any], binding: Binding, keyring: KeyRing) -> Any:
    """Return the secret behind ``marker``, which stands at ``path`` of ``stored``.

    :raises SecretError: if it cannot be opened, or does not belong to what stands beside it.
    """
    sealed = tokens.open_token(marker, binding, path, keyring)
    if sealed.tie is not None and not is_intact(sealed.tie, stored, path):
        raise EndpointChanged(path, [name for _up, name in sealed.tie.bonds])
    return sealed.value


def iter_readable(stored: Any, binding: Binding, keyring: KeyRing) -> Iterator[tuple[Path, Any, Sealed]]:
    """Yield each secret of ``stored`` that opens: its path, its marker, what is inside; whatever stands beside it."""
    for path, marker in find_markers(stored):
        with suppress(SecretError):
            yield path, marker, tokens.open_token(marker, binding, path, keyring)


def find_markers(stored: Any) -> list[tuple[Path, dict[str, Any]]]:
    """Return what ``iter_markers`` does, and nothing where the JSON is nested too deeply."""
    try:
        return iter_markers(stored)
    except ConfigShapeError:
        return []


def open_markers(data: Any, binding: Binding, keyring: KeyRing, *, anywhere: bool = False) -> Opened:
    """Return a copy of ``data`` with its stored secrets in the clear.

    ``anywhere`` opens bound secrets beside other values than those they belong to, too: what a person typed is
    compared later, when it is known what is stored of it.

    :raises SecretError: if one of them cannot be opened.
    """
    secrets: Secrets = {}

    def visit(value: Any, path: Path) -> Any:
        _check_depth(path)
        if isinstance(value, dict) and tokens.is_marker(value):
            if anywhere:
                secrets[path] = tokens.open_marker(value, binding, path, keyring)
            else:
                secrets[path] = open_beside(data, path, value, binding, keyring)
            return secrets[path]
        if isinstance(value, Kept):
            if value.was_encrypted:
                secrets[path] = value.value
            return value.value
        return map_json(value, lambda key, item: visit(item, (*path, key)))

    return Opened(visit(dict(data) if isinstance(data, Mapping) else data, ()), secrets)


def open_given(data: Mapping[str, Any], binding: Binding, keyring: KeyRing, schema: type[BaseModel]) -> Opened:
    """Return what an operator or a program gave for ``schema``, with the stored secrets in it in the clear.

    :raises SecretError: if one of them cannot be opened; the path does not lead into a secret, whose keys are secret.
    """
    try:
        return open_markers(data, binding, keyring, anywhere=True)
    except SecretError as error:
        failed = error
    raise failed.at(locate(make_loc(failed.path, data), schema, data))
