"""One secret as one token: AES-256-GCM, bound to its row and its place in the configuration.

``dps1.<key id>.<base64url without padding of nonce (12 bytes), ciphertext, tag (16 bytes)>``. The associated data are
compact JSON of ``["dps1", key id, scope, row id, [path...]]``; the plaintext starts with one byte that tells a JSON
value from raw bytes. A capital letter there says that a tie comes first, as JSON that ends with a NUL.
"""

from __future__ import annotations

import base64
import json
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from django_plugin_system.exceptions import ConfigShapeError, MalformedToken, Path, TamperedToken, UnknownKey

if TYPE_CHECKING:
    from django_plugin_system.config.keyring import KeyRing

VERSION = "dps1"
MARKER = "$secret"
_TOKEN = re.compile(r"\Adps1\.([0-9a-f]{8})\.([A-Za-z0-9_-]{39,})\Z", re.ASCII)
_NONCE_BYTES = 12
_JSON, _BYTES = b"j", b"b"


class Tie(NamedTuple):
    """What a bound secret belongs to: ``bonds`` say which values, ``digest`` what they were.

    A bond is how many levels up from the secret the value's object is, and the value's key in it.
    """

    bonds: tuple[tuple[int, str], ...]
    digest: str


class Sealed(NamedTuple):
    """What is inside a token: bytes or a JSON value, and what it is tied to."""

    value: Any
    tie: Tie | None


class Binding(NamedTuple):
    """The row that a token belongs to: the table's ``scope`` and the row's primary key as text."""

    scope: str
    row_id: str


def is_marker(value: object) -> bool:
    """Say whether ``value`` claims to be a stored secret (it may still be malformed)."""
    return isinstance(value, dict) and MARKER in value


def read_token(marker: dict[str, Any], path: Path) -> str:
    """Return the token inside ``marker``.

    :raises ConfigShapeError: if the marker has other keys.
    :raises MalformedToken: if what it holds is no token.
    """
    if len(marker) != 1:
        raise ConfigShapeError(path, f'"{MARKER}" marks a stored secret and stands alone in its object.')
    token = marker[MARKER]
    if not isinstance(token, str) or not _TOKEN.match(token):
        raise MalformedToken(path)
    return token


def get_token_key_id(token: str) -> str:
    """Return the id of the key that ``token`` was encrypted with."""
    return token.split(".", 2)[1]


def seal(value: Any, binding: Binding, path: Path, keyring: KeyRing, tie: Tie | None = None) -> dict[str, str]:
    """Return ``value`` (bytes, or anything JSON) as a stored secret, encrypted with the first key of ``keyring``."""
    kind, content = (_BYTES, value) if isinstance(value, bytes) else (_JSON, _dump(value))
    payload = kind + content if tie is None else kind.upper() + _dump(tie) + b"\x00" + content
    key_id = keyring.primary_id
    nonce = os.urandom(_NONCE_BYTES)
    sealed = nonce + keyring.encrypt(nonce, payload, _associated_data(key_id, binding, path))
    return {MARKER: f"{VERSION}.{key_id}.{base64.urlsafe_b64encode(sealed).rstrip(b'=').decode()}"}


def open_marker(marker: dict[str, Any], binding: Binding, path: Path, keyring: KeyRing) -> Any:
    """Return the secret behind ``marker``: bytes, or a JSON value. What it is tied to is not looked at.

    :raises SecretError: as ``open_token`` does.
    """
    return open_token(marker, binding, path, keyring).value


def open_token(marker: dict[str, Any], binding: Binding, path: Path, keyring: KeyRing) -> Sealed:
    """Return what is behind ``marker``.

    :raises ConfigShapeError, MalformedToken, UnknownKey, TamperedToken: as the failure table in docs/security says.
    """
    token = read_token(marker, path)
    _, key_id, text = token.split(".", 2)
    if key_id not in keyring.key_ids:
        raise UnknownKey(path, key_id, keyring.key_ids)
    sealed = _decode(text, path)
    data = _associated_data(key_id, binding, path)
    payload = keyring.decrypt(key_id, sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], data)
    if payload is None:
        raise TamperedToken(path, key_id)
    return _read_payload(payload)


def _read_payload(payload: bytes) -> Sealed:
    kind, content, tie = payload[:1], payload[1:], None
    if kind.isupper():
        header, _end, content = content.partition(b"\x00")
        bonds, digest = json.loads(header)
        tie = Tie(tuple((up, name) for up, name in bonds), digest)
    return Sealed(content if kind.lower() == _BYTES else json.loads(content), tie)


def _decode(text: str, path: Path) -> bytes:
    try:
        sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        sealed = b""
    if base64.urlsafe_b64encode(sealed).rstrip(b"=").decode() != text:
        raise MalformedToken(path)
    return sealed


def _associated_data(key_id: str, binding: Binding, path: Path) -> bytes:
    return _dump([VERSION, key_id, *binding, list(path)])


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
