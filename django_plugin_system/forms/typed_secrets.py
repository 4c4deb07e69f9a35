"""What was typed as a secret into a form that was refused: it goes back to the browser encrypted, and returns with it.

No server keeps it. It opens for the same user, on the page of the same row and item, in the same field, for half an
hour; a position in a list is no part of the field, so that entries may be moved meanwhile. To everything else in this
package it is no secret, stored or typed, but a text to refuse.
"""

from __future__ import annotations

import base64
import json
import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django_plugin_system.config.json_tree import iter_json, map_json, parse_json
from django_plugin_system.config.keyring import get_keyring
from django_plugin_system.forms.controls import show_json
from django_plugin_system.forms.placeholders import RETYPE, TYPED, find_marker_problem, is_placeholder

if TYPE_CHECKING:
    from collections.abc import Callable

LIFETIME = 30 * 60
"""Seconds for which it can be handed back; every refusal begins anew."""

_NONCE_BYTES = 12
_WHOLE = re.compile(re.escape(TYPED).replace(r"\{\}", r"([0-9a-f]{8})\.([0-9]{1,12})\.([A-Za-z0-9_=-]{40,})") + r"\Z")
_OPENING = TYPED.partition("{}")[0]

_Place = tuple[str | None, ...]
"""A path in the form with None for positions in lists."""


@dataclass(frozen=True)
class TypedSecrets:
    """Encrypts what was typed on one page: by whom, for which row (of a new one, which page) of which item."""

    user: str
    item: str
    row: str

    def seal(self, shown: Any, form: Any, place: _Place = ()) -> Any:
        """Return ``shown``, which is drawn of a refused ``form``, with what was typed there encrypted."""
        if shown == RETYPE:
            was_typed = form is not None and not is_placeholder(form) and not find_marker_problem(form)
            return self._encrypt(form, place) if was_typed else shown
        if isinstance(shown, str) and isinstance(form, str) and shown != form and RETYPE in shown:
            return _in_json_text(shown, lambda inner: self.seal(inner, parse_json(form), place))
        given = dict(iter_json(form))
        return map_json(shown, lambda key, part: self.seal(part, given.get(key), _enter(place, shown, key)))

    def open(self, form: Any, place: _Place = ()) -> Any:
        """Return a posted ``form`` with what was typed before in the clear; what does not open is left as it is."""
        if isinstance(form, str) and _OPENING in form:
            found = _WHOLE.match(form)
            if found is None:
                return _in_json_text(form, lambda inner: self.open(inner, place))
            return self._decrypt(found[1], found[2], found[3], place, form)
        return map_json(form, lambda key, part: self.open(part, _enter(place, form, key)))

    def _encrypt(self, typed: Any, place: _Place) -> str:
        keyring, nonce = get_keyring(), os.urandom(_NONCE_BYTES)
        expiry = str(int(time.time()) + LIFETIME)
        associated = self._associate(keyring.primary_id, expiry, place)
        sealed = keyring.encrypt(nonce, json.dumps(typed).encode(), associated)
        data = base64.urlsafe_b64encode(nonce + sealed).decode()
        return TYPED.format(f"{keyring.primary_id}.{expiry}.{data}")

    def _decrypt(self, key_id: str, expiry: str, data: str, place: _Place, otherwise: str) -> Any:
        keyring, associated = get_keyring(), self._associate(key_id, expiry, place)
        if key_id not in keyring.key_ids or int(expiry) < time.time():
            return otherwise
        try:
            raw = base64.urlsafe_b64decode(data)
        except ValueError:
            return otherwise
        plain = keyring.decrypt(key_id, raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], associated)
        return otherwise if plain is None else json.loads(plain)

    def _associate(self, key_id: str, expiry: str, place: _Place) -> bytes:
        scope = "django_plugin_system.forms.typed_secrets"
        return json.dumps([scope, key_id, expiry, self.user, self.item, self.row, place]).encode()


def _enter(place: _Place, outer: Any, key: str) -> _Place:
    return (*place, None if isinstance(outer, list) else key)


def _in_json_text(text: str, convert: Callable[[Any], Any]) -> str:
    """Return a text with the JSON in it converted; as it is, if it is none."""
    try:
        plain = parse_json(text)
    except ValueError:
        return text
    return text if isinstance(plain, str) else show_json(convert(plain))
