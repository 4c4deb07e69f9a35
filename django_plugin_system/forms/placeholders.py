"""Stored secrets in a form: what goes to the browser in the place of each, and what comes back for it.

A placeholder's id is an HMAC of the row and of where the secret is stored in it. It says nothing about the secret, also
not whether two are equal, and opens nothing in another field or row. Positions in a list and free keys of a dict may
change on the way, so that items can be reordered and entries renamed; so a form must not be read against a newer state
of the row than it was made from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from django_plugin_system.config.codec import Kept
from django_plugin_system.config.json_tree import map_json
from django_plugin_system.config.tokens import is_marker
from django_plugin_system.exceptions import FieldProblem, Path
from django_plugin_system.forms.controls import MISSING, Control, is_reference
from django_plugin_system.forms.markers import PLACEHOLDER, find_marker_problem, is_placeholder

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

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

    secrets: dict[str, StoredSecret] = field(default_factory=dict, repr=False)

    lookalikes: set[tuple[Path, str]] = field(default_factory=set, repr=False)
    """Stored texts that are no secrets and only read like a marker of the form, each with its path."""

    def hide(self, control: Control | None, stored: Any) -> Any:
        """Return stored JSON with each secret replaced by its placeholder.

        A secret is what is stored as one, or stands where ``control`` has one.
        """
        return self._hide(control and control.resolve(stored), stored, (), (), ())

    def _hide(self, control: Control | None, stored: Any, path: Path, place: Path, titles: tuple[str, ...]) -> Any:
        if is_reference(stored):
            return stored
        is_declared = control.is_secret if control else path in self.declared
        if is_marker(stored) or (is_declared and stored is not None):
            opened = self.opened.get(path, MISSING if is_marker(stored) else stored)
            return self._keep(StoredSecret(path, place, titles, stored, opened))
        if is_placeholder(stored) or find_marker_problem(stored):
            self.lookalikes.add((path, stored))
        free_keys = control is not None and control.has_free_keys

        def hide_part(key: str, part: Any) -> Any:
            child = control and control.find(key, part)
            if isinstance(stored, list):
                return self._hide(child, part, (*path, key), place, (*titles, str(int(key) + 1)))
            title = str(child.label.title) if child and not free_keys else ""
            inner = (*place, ANY_KEY if free_keys else key)
            return self._hide(child, part, (*path, key), inner, (*titles, title or key))

        return map_json(stored, hide_part)

    def _keep(self, secret: StoredSecret) -> str:
        message = json.dumps([self.row, secret.path])
        digest = salted_hmac("django_plugin_system.forms.placeholders", message, algorithm="sha256").hexdigest()
        placeholder = PLACEHOLDER.format(digest[:16])
        self.secrets[placeholder] = secret
        return placeholder

    def reveal(self, plain: Any, problems: list[FieldProblem], path: Path = (), place: Path = ()) -> Any:
        """Return posted JSON with each placeholder replaced by what it stands for; note those that are out of place.

        A secret that did not move stands in the result as it is stored, so that it need not be readable. One that did
        is handed on as one that was kept, not typed.
        """
        if isinstance(plain, (dict, list)):
            enter = (lambda key: (*place, key)) if isinstance(plain, dict) else (lambda _key: place)
            return map_json(plain, lambda key, part: self.reveal(part, problems, (*path, key), enter(key)))
        secret = self.secrets.get(plain) if isinstance(plain, str) else None
        problem = _find_problem(secret, path, place) if is_placeholder(plain) else find_marker_problem(plain)
        if problem and (secret or (path, plain) not in self.lookalikes):
            problems.append(FieldProblem(path, problem))
        if problem or secret is None:
            return plain
        if secret.path == path and is_marker(secret.stored):
            return secret.stored
        return Kept(secret.opened, was_encrypted=is_marker(secret.stored))


def _find_problem(secret: StoredSecret | None, path: Path, place: Path) -> str | None:
    if secret is None:
        return _("The secret that was stored here is gone. Type it again.")
    at = tuple(ANY_KEY if kept == ANY_KEY else key for kept, key in zip(secret.place, place, strict=False))
    if len(place) != len(secret.place) or at != secret.place:
        return _("This secret was stored in another field. Type it again.")
    if secret.opened is MISSING and path != secret.path:
        return _("This secret cannot be read, so it cannot be moved. Type it again.")
    return None
