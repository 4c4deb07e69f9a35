"""The texts that stand for secrets in the browser: for stored ones, and for those of a form that was refused.

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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_plugin_system.config.keyring import get_keyring

if TYPE_CHECKING:
    from django_plugin_system.exceptions import Path

PLACEHOLDER = "[stored secret {}]"
"""What stands for a stored secret on its way to the browser and back; the id is opaque."""

RETYPE = "[type this secret again]"
"""What stands for a secret that was typed into a form that was refused; the server never accepts it."""

TYPED = "[typed, not saved yet: {}]"
"""What stands for such a secret where it can be handed back."""

LIFETIME = 30 * 60
"""Seconds for which it can be handed back; every refusal begins anew."""

MASK_PROBLEM = gettext_lazy("This is a mask, not a secret. Type the secret itself.")

_ID = re.compile(r"\[stored secret ([0-9a-f]{16})\]\Z")
_OPENING = PLACEHOLDER.partition("{}")[0]
_TYPED_OPENING = TYPED.partition("{}")[0]
_TYPED = re.compile(re.escape(TYPED).replace(r"\{\}", r"([0-9a-f]{8})\.([0-9]{1,12})\.([A-Za-z0-9_=-]{40,})") + r"\Z")
_NONCE_BYTES = 12
_MASK = re.compile(r"[\s*\u2022\u25cf\u2219\u00b7\u2024\u2027\uff0a\u30fb]+\Z")


def is_placeholder(text: Any) -> bool:
    """Say whether ``text`` is a placeholder and nothing else."""
    return isinstance(text, str) and _ID.match(text) is not None


def find_marker_problem(text: Any) -> str | None:
    """Say why ``text`` cannot be taken as it is, wherever it was typed: it holds a marker of ours and is not one."""
    if not isinstance(text, str) or is_placeholder(text):
        return None
    if RETYPE in text:
        return _("The form was refused, so what you typed here was not kept. Type the secret again.")
    if _TYPED_OPENING in text:
        return _("What was typed before is too old, or not from here. Type the secret again.")
    if _OPENING in text:
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
        return TYPED.format(f"{keyring.primary_id}.{expiry}.{base64.urlsafe_b64encode(nonce + sealed).decode()}")

    def open(self, text: str, at: Path) -> Any:
        """Return what was typed, for what stood for it at the path ``at``; any other text as it is."""
        found, keyring = _TYPED.match(text), get_keyring()
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
