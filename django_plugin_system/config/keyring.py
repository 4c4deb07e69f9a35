"""The encryption keys in force: which one encrypts, which ones decrypt, and the short id of each."""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from django_plugin_system.conf import get_settings
from django_plugin_system.exceptions import InvalidSetting

KEY_BYTES = 32
_LONG = 8
"""Bytes of a key from which on a longer value has it in it other than by chance."""
SETTING = "PLUGIN_SYSTEM['ENCRYPTION_KEYS']"


class KeyRing:
    """An ordered set of AES-256 keys. Its ``repr`` shows key ids only, and it does not pickle."""

    __slots__ = ("_ciphers", "primary_id")

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Take raw ``keys`` of 32 bytes; the first one encrypts.

        :raises InvalidSetting: if there is no key, or two keys are (or look) the same.
        """
        ids = [get_key_id(key) for key in keys]
        if not ids or len(set(ids)) != len(ids):
            raise InvalidSetting(SETTING, "must hold at least one key, and each key once")
        self.primary_id = ids[0]
        self._ciphers = {key_id: AESGCM(key) for key_id, key in zip(ids, keys, strict=True)}

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of all keys, the encrypting one first."""
        return tuple(self._ciphers)

    def encrypt(self, nonce: bytes, plain: bytes, associated_data: bytes) -> bytes:
        """Return ``plain`` encrypted with the first key; the other two must be the same for ``decrypt``."""
        return self._ciphers[self.primary_id].encrypt(nonce, plain, associated_data)

    def decrypt(self, key_id: str, nonce: bytes, sealed: bytes, associated_data: bytes) -> bytes | None:
        """Return what was encrypted with the key of this id; None if something about it was altered.

        :raises KeyError: if that key is not configured.
        """
        with suppress(InvalidTag):
            return self._ciphers[key_id].decrypt(nonce, sealed, associated_data)
        return None

    def __repr__(self) -> str:
        return f"<KeyRing {', '.join(self.key_ids)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("Encryption keys do not pickle; call get_keyring() where they are needed.")


def get_key_id(key: bytes) -> str:
    """Return the public name of ``key``: eight hex digits that do not give the key away."""
    return hmac.digest(key, b"dps key id v1", "sha256").hex()[:8]


def make_key() -> str:
    """Return a new random key as ``ENCRYPTION_KEYS`` takes it."""
    return show_key(os.urandom(KEY_BYTES))


def show_key(key: bytes) -> str:
    """Return ``key`` as ``ENCRYPTION_KEYS`` takes it."""
    return base64.urlsafe_b64encode(key).decode()


def parse_key(text: str, position: int = 0) -> bytes:
    """Return the raw key behind ``text``, base64 in the standard or the URL-safe alphabet.

    :raises InvalidSetting: if it is no base64 of 32 bytes; the message gives the ``position``, not the text.
    """
    with suppress(ValueError):
        key = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
        if len(key) == KEY_BYTES and len(set(key)) > 1:  # a placeholder of zeros is no key
            return key
    problem = f"entry {position} must be {KEY_BYTES} random bytes in base64, as manage.py pluginkey prints them"
    raise InvalidSetting(SETTING, problem)


def derive_key(secret: str | bytes) -> bytes:
    """Return the key that stands in for a configured one: HKDF-SHA256 (RFC 5869) of a Django ``SECRET_KEY``."""
    material = secret if isinstance(secret, bytes) else secret.encode()
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=b"django-plugin-system key v1").derive(material)


def uses_derived_keys() -> bool:
    """Say whether the keys come from ``SECRET_KEY`` because none are configured."""
    return not get_settings().ENCRYPTION_KEYS


def _get_configured_keys() -> list[bytes]:
    return [parse_key(text, position) for position, text in enumerate(get_settings().ENCRYPTION_KEYS)]


def get_derived_keys() -> list[bytes]:
    """Return the keys that count while none are configured: those of ``SECRET_KEY`` and of each fallback."""
    secrets = dict.fromkeys([settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS])
    return [derive_key(secret) for secret in secrets]


@lru_cache(maxsize=1)
def get_keyring() -> KeyRing:
    """Return the key ring in force; it is rebuilt when a setting that it depends on changes.

    :raises InvalidSetting: if a key is malformed or given twice.
    """
    return KeyRing(_get_configured_keys() or get_derived_keys())


def holds_key(given: object) -> bool:
    """Say whether a text, or bytes, is or has in it a key of the settings."""
    content = given.encode() if isinstance(given, str) else given
    return isinstance(content, bytes) and any(
        key == content.strip() or (len(key) >= _LONG and key in content) for key in get_key_material()
    )


@lru_cache(maxsize=1)
def get_key_material() -> set[bytes]:
    """Return each ``SECRET_KEY`` and encryption key of the settings, in each way in which it is written.

    :raises InvalidSetting: if an encryption key is malformed.
    """
    keys = [*_get_configured_keys(), *get_derived_keys()]
    texts = {
        text for key in keys for text in (show_key(key), base64.b64encode(key).decode(), key.hex(), key.hex().upper())
    }
    secrets: list[str | bytes] = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    secrets += [text.rstrip("=") for text in texts]
    return {text if isinstance(text, bytes) else text.encode() for text in secrets} - {b""} | {*keys}
