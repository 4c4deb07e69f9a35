"""What goes to the browser in the place of secrets, and what comes back for it.

A placeholder stands for a stored secret. Its id is an HMAC of the row and of where the secret is stored in it: it says
nothing about the secret, also not whether two are equal, and opens nothing in another field or row. Positions in a list
and free keys of a dict may change on the way, so that items can be reordered and entries renamed; so a form must not be
read against a newer state of the row than it was made from.

What was typed into a form that was refused goes back to the browser encrypted, and returns with it; no server keeps it.
It opens for the same user, on the page of the same row and item, in the same field, for half an hour; a position in a
list is no part of the field, so that entries may be moved meanwhile. To everything else in this package it is no
secret, stored or typed, but a text to refuse.
"""

from __future__ import annotations

import base64
import json
import os
import re
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_plugin_system.config.codec import Kept
from django_plugin_system.config.json_tree import map_json
from django_plugin_system.config.keyring import get_keyring
from django_plugin_system.config.references import read_reference
from django_plugin_system.config.tokens import is_marker
from django_plugin_system.exceptions import FieldProblem, Path
from django_plugin_system.schema.values import MISSING, PLACEHOLDERS

if TYPE_CHECKING:
    from django_plugin_system.forms.controls import Control

_STORED, _TYPED, RETYPE = PLACEHOLDERS
"""How what stands for a stored secret begins, and for one that was typed into a form that was refused.

``RETYPE`` stands for the latter where it cannot be handed back; the server never accepts it.
"""

LIFETIME = 30 * 60
"""Seconds for which it can be handed back; every refusal begins anew."""

MASK_PROBLEM = gettext_lazy("This is a mask, not a secret. Type the secret itself.")

_PLACEHOLDER = re.compile(re.escape(_STORED) + r"[0-9a-f]{16}\]\Z")
_SEALED = re.compile(re.escape(_TYPED) + r"([0-9a-f]{8})\.([0-9]{1,12})\.([A-Za-z0-9_=-]{40,})\]\Z")
_NONCE_BYTES = 12
_MASK = re.compile(r"[\s*\u2022\u25cf\u2219\u00b7\u2024\u2027\uff0a\u30fb]+\Z")


def is_placeholder(text: Any) -> bool:
    """Say whether ``text`` is a placeholder and nothing else."""
    return isinstance(text, str) and _PLACEHOLDER.match(text) is not None


def find_marker_problem(text: Any) -> str | None:
    """Say why ``text`` cannot be taken as it is, wherever it was typed: it holds a marker of ours and is not one."""
    if not isinstance(text, str) or is_placeholder(text):
        return None
    if RETYPE in text:
        return _("The form was refused, so what you typed here was not kept. Type the secret again.")
    if _TYPED in text:
        return _("What was typed before is too old, or not from here. Type the secret again.")
    if _STORED in text:
        return _("Text was added to the stored secret. Empty the field, then type the whole new secret.")
    return None


def is_mask(text: str) -> bool:
    """Say whether ``text`` consists of the dots or stars that other programs show in the place of a secret."""
    return bool(_MASK.match(text))


@dataclass(frozen=True)
class TypedSecrets:
    """Encrypts what was typed on one page: by whom, for which row (of a new one, which page) of which item."""

    user: str
    item: str
    row: str

    def seal(self, typed: Any, at: Path) -> str:
        """Return what stands in the form, at the path ``at``, for what was typed there."""
        keyring, nonce = get_keyring(), os.urandom(_NONCE_BYTES)
        expiry = str(int(time.time()) + LIFETIME)
        sealed = keyring.encrypt(nonce, json.dumps(typed).encode(), self._associate(keyring.primary_id, expiry, at))
        return f"{_TYPED}{keyring.primary_id}.{expiry}.{base64.urlsafe_b64encode(nonce + sealed).decode()}]"

    def open(self, text: str, at: Path) -> Any:
        """Return what was typed, for what stood for it at the path ``at``; any other text as it is."""
        found, keyring = _SEALED.match(text), get_keyring()
        if found is None or found[1] not in keyring.key_ids or int(found[2]) < time.time():
            return text
        try:
            raw = base64.urlsafe_b64decode(found[3])
        except ValueError:
            return text
        associated = self._associate(found[1], found[2], at)
        plain = keyring.decrypt(found[1], raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], associated)
        return text if plain is None else json.loads(plain)

    def _associate(self, key_id: str, expiry: str, at: Path) -> bytes:
        place = ["*" if key.isdigit() else key for key in at]
        scope = "django_plugin_system.forms.typed_secrets"
        return json.dumps([scope, key_id, expiry, self.user, self.item, self.row, place]).encode()


# Stored secrets

ANY_KEY = "\x00any key"
"""Stands in a place for a key that operators choose, so that an entry can be renamed; no stored key holds a NUL."""


@dataclass(frozen=True)
class StoredSecret:
    """One stored secret."""

    path: Path
    place: Path
    """``path`` without list positions, and with ``ANY_KEY`` for the free keys of a dict."""

    titles: tuple[str, ...]
    """How people know each part of ``path``."""

    stored: Any = field(repr=False)
    opened: Any = field(repr=False)
    """The secret itself, or MISSING if it cannot be read."""


@dataclass
class Placeholders:
    """The stored secrets of one row, by their placeholder.

    ``opened`` holds the secrets that can be read, by path; ``row`` is the id of the row.
    """

    row: str = ""
    opened: Mapping[Path, Any] = field(default_factory=dict, repr=False)
    declared: Container[Path] = ()
    """Where the types declare secrets; what stands there is hidden where no control says whether it is one."""

    instead: Any = None
    """What is shown in the place of every secret, if not a placeholder; MISSING leaves it out."""

    secrets: dict[str, StoredSecret] = field(default_factory=dict, repr=False)

    lookalikes: set[tuple[Path, str]] = field(default_factory=set, repr=False)
    """Stored texts that are no secrets and only read like a marker of the form, each with its path."""

    def hide(
        self, control: Control | None, stored: Any, path: Path = (), place: Path = (), titles: tuple[str, ...] = ()
    ) -> Any:
        """Return stored JSON with each secret replaced by its placeholder.

        A secret is what is stored as one, or stands where ``control`` has one.
        """
        control = control and control.resolve(stored)
        if read_reference(stored):
            return stored
        is_declared = control.is_secret if control else path in self.declared
        if is_marker(stored) or (is_declared and stored is not None):
            opened = self.opened.get(path, MISSING if is_marker(stored) else stored)
            return self._keep(StoredSecret(path, place, titles, stored, opened))
        if is_placeholder(stored) or find_marker_problem(stored):
            self.lookalikes.add((path, stored))
        free_keys = control is not None and control.has_free_keys

        def hide_part(key: str, part: Any) -> Any:
            child = control and control.get_child(key)
            if isinstance(stored, list):
                return self.hide(child, part, (*path, key), place, (*titles, str(int(key) + 1)))
            title = control.get_title(key) if control else key
            return self.hide(child, part, (*path, key), (*place, ANY_KEY if free_keys else key), (*titles, title))

        return map_present(stored, hide_part)

    def _keep(self, secret: StoredSecret) -> Any:
        message = json.dumps([self.row, secret.path])
        digest = salted_hmac("django_plugin_system.forms.placeholders", message, algorithm="sha256").hexdigest()
        placeholder = f"{_STORED}{digest[:16]}]"
        self.secrets[placeholder] = secret
        return placeholder if self.instead is None else self.instead

    def reveal(self, plain: Any, problems: list[FieldProblem], path: Path = (), place: Path = ()) -> Any:
        """Return posted JSON with each placeholder replaced by what it stands for; note those that are out of place.

        A secret that did not move stands in the result as it is stored, so that it need not be readable. One that did
        is handed on as one that was kept, not typed.
        """
        if isinstance(plain, (dict, list)):
            deeper = isinstance(plain, dict)
            return map_json(
                plain, lambda key, part: self.reveal(part, problems, (*path, key), (*place, *[key] * deeper))
            )
        secret = self.secrets.get(plain) if isinstance(plain, str) else None
        problem = _find_problem(secret, path, place) if is_placeholder(plain) else find_marker_problem(plain)
        if problem and (secret or (path, plain) not in self.lookalikes):
            problems.append(FieldProblem(path, problem))
        if problem or secret is None:
            return plain
        if secret.path == path and is_marker(secret.stored):
            return secret.stored
        return Kept(secret.opened, was_encrypted=is_marker(secret.stored))


def map_present(value: Any, convert: Callable[[str, Any], Any]) -> Any:
    """Return a copy of JSON as ``map_json`` does, without the parts that are MISSING."""
    mapped = map_json(value, convert)
    if isinstance(mapped, dict):
        return {key: part for key, part in mapped.items() if part is not MISSING}
    return [part for part in mapped if part is not MISSING] if isinstance(mapped, list) else mapped


def _find_problem(secret: StoredSecret | None, path: Path, place: Path) -> str | None:
    if secret is None:
        return _("The secret that was stored here is gone. Type it again.")
    at = tuple(ANY_KEY if kept == ANY_KEY else key for kept, key in zip(secret.place, place, strict=False))
    if len(place) != len(secret.place) or at != secret.place:
        return _("This secret was stored in another field. Type it again.")
    if secret.opened is MISSING and path != secret.path:
        return _("This secret cannot be read, so it cannot be moved. Type it again.")
    return None
