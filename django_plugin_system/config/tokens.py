"""One secret as one token: AES-256-GCM, bound to its place, and to what it belongs to.

``dps1.<key id>.<data>``; the data are base64url without padding of ``bonds NUL nonce (12 bytes) ciphertext tag (16
bytes)``. The plaintext starts with one byte that tells a JSON value (``j``) from raw bytes (``b``).

The associated data hold the whole place, as compact JSON: ``["dps1", key id, table, row id, item id, scope, config
version, [path...], [bond...]]``. The path goes by field names and keys; a position in a list is a number there. So a
token opens where it was made and nowhere else, and in the form of configuration that it was made for.

A *bond* is what a secret belongs to beside its place: an endpoint that the schema names (``BoundTo``), or what tells
the members of a union apart. It says how many levels up from the secret the object is, and which key in it; without a
key (``null``) it means which keys the object has. The bonds stand in the token, as compact JSON (nothing where there
are none), so that a key rotation needs no schema. The associated data repeat each with the value that is stored there,
``[levels, key, [value]]``. Whoever changes that value, or the bonds in the token, has a token that does not open.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from django_plugin_system import exceptions
from django_plugin_system.config.json_tree import get_containers, make_loc
from django_plugin_system.exceptions import MalformedToken, Path

if TYPE_CHECKING:
    from django_plugin_system.config.keyring import KeyRing

VERSION = "dps1"
MARKER = "$secret"
_TOKEN = re.compile(r"\Adps1\.([0-9a-f]{8})\.([A-Za-z0-9_-]{40,})\Z", re.ASCII)
_NONCE_BYTES = 12
_LEAST_BYTES = 29
"""Nonce and tag, with one byte between them."""
_JSON, _BYTES = b"j", b"b"

Bond = tuple[int, "str | None"]
Bonds = tuple[Bond, ...]


class Place(NamedTuple):
    """Where the tokens of one configuration belong: the table, the row, its item, whose it is, the config version."""

    table: str
    row_id: str
    item_id: str
    scope: str
    version: int


class Sealed(NamedTuple):
    """What was in a token: bytes or a JSON value; and all that it was bound to but the key."""

    value: Any
    bonds: Bonds
    context: list[Any]


def is_marker(value: object) -> bool:
    """Say whether ``value`` claims to be a stored secret (it may still be malformed)."""
    return isinstance(value, dict) and MARKER in value


def read_token(marker: dict[str, Any], path: Path) -> str:
    """Return the token inside ``marker``.

    :raises ConfigShapeError: if the marker has other keys.
    :raises MalformedToken: if what it holds is no token.
    """
    if len(marker) != 1:
        raise exceptions.ConfigShapeError(path, f'"{MARKER}" marks a stored secret and stands alone in its object.')
    token = marker[MARKER]
    if not isinstance(token, str) or not _TOKEN.match(token):
        raise MalformedToken(path)
    return token


def get_token_key_id(token: str) -> str:
    """Return the id of the key that ``token`` was encrypted with."""
    return token.split(".", 2)[1]


def seal(value: Any, place: Place, path: Path, keyring: KeyRing, tree: Any = None, bonds: Bonds = ()) -> dict[str, str]:
    """Return ``value`` (bytes, or anything JSON) as a secret stored at ``path`` of ``tree``, with the first key."""
    payload = _BYTES + value if isinstance(value, bytes) else _JSON + _dump(value)
    key_id, nonce = keyring.primary_id, os.urandom(_NONCE_BYTES)
    associated = _associate(key_id, get_context(place, tree, path, bonds))
    header = _dump(bonds) if bonds else b""
    data = header + b"\x00" + nonce + keyring.encrypt(nonce, payload, associated)
    return {MARKER: f"{VERSION}.{key_id}.{base64.urlsafe_b64encode(data).rstrip(b'=').decode()}"}


def open_token(marker: dict[str, Any], place: Place, path: Path, keyring: KeyRing, tree: Any = None) -> Sealed:
    """Return what is behind ``marker``, which stands at ``path`` of ``tree``.

    :raises ConfigShapeError, MalformedToken, UnknownKey, TamperedToken: as the failure table in docs/security says.
    """
    token = read_token(marker, path)
    _, key_id, text = token.split(".", 2)
    if key_id not in keyring.key_ids:
        raise exceptions.UnknownKey(path, key_id, keyring.key_ids)
    header, _end, sealed = _decode(text, path).partition(b"\x00")
    bonds = _read_bonds(header, path)
    if len(sealed) < _LEAST_BYTES:
        raise MalformedToken(path)
    context = get_context(place, tree, path, bonds)
    payload = keyring.decrypt(key_id, sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _associate(key_id, context))
    if payload is None:
        names = [name for _up, name in bonds if name is not None]
        raise exceptions.EndpointChanged(path, key_id, names) if names else exceptions.TamperedToken(path, key_id)
    value = payload[1:] if payload[:1] == _BYTES else json.loads(payload[1:])
    return Sealed(value, bonds, context)


def _decode(text: str, path: Path) -> bytes:
    with suppress(ValueError):
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if base64.urlsafe_b64encode(data).rstrip(b"=").decode() == text:
            return data
    raise MalformedToken(path)


def _read_bonds(header: bytes, path: Path) -> Bonds:
    with suppress(ValueError, TypeError, RecursionError):
        bonds = tuple((up, name) for up, name in json.loads(header or b"[]"))
        if all(type(up) is int and up > 0 and (name is None or isinstance(name, str)) for up, name in bonds):
            return bonds
    raise MalformedToken(path)


# What a token is bound to


def get_context(place: Place, tree: Any, path: Path, bonds: Bonds) -> list[Any]:
    """Return what a secret at ``path`` of ``tree`` is bound to, as JSON."""
    return [*place, make_loc(path, tree), read_bonds(tree, path, bonds)]


def read_bonds(tree: Any, path: Path, bonds: Iterable[Bond]) -> list[Any]:
    """Return ``bonds``, each with what stands in ``tree`` where it points to, seen from ``path``."""
    outer = get_containers(tree, path)
    return [[up, key, _read(outer[-up] if up <= len(outer) else None, key)] for up, key in bonds]


def _read(outer: Any, key: str | None) -> list[Any]:
    if not isinstance(outer, dict):
        return []
    if key is None:
        return sorted(outer)
    return [outer[key]] if key in outer else []


def _associate(key_id: str, context: list[Any]) -> bytes:
    return _dump([VERSION, key_id, *context], sort_keys=True)


def _dump(value: Any, *, sort_keys: bool = False) -> bytes:
    return json.dumps(value, sort_keys=sort_keys, separators=(",", ":")).encode()
