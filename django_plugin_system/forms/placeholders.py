"""Stored secrets as placeholders: what the browser gets in their place, and what comes back for it.

A placeholder's id is an HMAC of the row, the place and the secret. Whoever sees it learns nothing, and it opens nothing
in another field or row. Positions in a list and free keys of a dict are no part of the place, so that items may be
reordered and entries renamed.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from django_plugin_system.config.opening import Kept as KeptSecret
from django_plugin_system.config.parts import map_json
from django_plugin_system.config.tokens import MARKER
from django_plugin_system.exceptions import FieldProblem, Path
from django_plugin_system.forms.containers import PairsControl
from django_plugin_system.forms.controls import MISSING, Control, is_reference
from django_plugin_system.forms.scalars import PLACEHOLDER, SecretControl, find_marker_problem, read_placeholder
from django_plugin_system.forms.variants import VariantsControl

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

    stored: Any = field(repr=False)
    opened: Any = field(repr=False)
    """The secret itself, or MISSING if it cannot be read."""


@dataclass
class Placeholders:
    """The stored secrets of one row, by the id of their placeholder.

    ``opened`` holds the secrets that can be read, by path; ``row`` keeps equal secrets of two rows apart.
    """

    row: str = ""
    opened: Mapping[Path, Any] = field(default_factory=dict, repr=False)
    exposed: Container[str] = field(default=(), repr=False)
    """Texts that stand, not encrypted, where the schema declares a secret; hidden where no control says so."""

    kept: dict[str, list[StoredSecret]] = field(default_factory=dict, repr=False)
    lookalikes: list[tuple[Path, str]] = field(default_factory=list, repr=False)
    """Stored texts that are no secrets and only read like a marker of the form, each with its place."""

    def get_placeholders(self) -> set[str]:
        """Return the text of every placeholder that was handed out."""
        return {PLACEHOLDER.format(identifier) for identifier in self.kept}

    def hide(self, control: Control | None, stored: Any, path: Path = (), place: Path = ()) -> Any:
        """Return stored JSON with each secret replaced by its placeholder.

        A secret is what is stored as one, or stands where ``control`` has one.
        """
        if is_reference(stored):
            return stored
        resolved = control.pick_plain(stored) if isinstance(control, VariantsControl) else control
        if _is_marker(stored) or (isinstance(resolved, SecretControl) and stored is not None):
            return self._keep(StoredSecret(path, place, stored, self._open(stored, path)))
        if resolved is None and isinstance(stored, str) and stored in self.exposed:
            return self._keep(StoredSecret(path, place, stored, stored))
        if read_placeholder(stored) or find_marker_problem(stored):
            self.lookalikes.append((place, stored))
        free_keys = isinstance(resolved, PairsControl)

        def hide_part(key: str, part: Any) -> Any:
            child = resolved and resolved.get_child(key, stored)
            return self.hide(child, part, (*path, key), _go_down(stored, place, ANY_KEY if free_keys else key))

        return map_json(stored, hide_part)

    def _open(self, stored: Any, path: Path) -> Any:
        return self.opened.get(path, MISSING if _is_marker(stored) else stored)

    def _keep(self, kept: StoredSecret) -> str:
        secret = kept.stored if kept.opened is MISSING else kept.opened
        identifier = _identify(self.row, kept.place, secret)
        self.kept.setdefault(identifier, []).append(kept)
        return PLACEHOLDER.format(identifier)

    def reveal(self, plain: Any, problems: list[FieldProblem], path: Path = (), place: Path = ()) -> Any:
        """Return posted JSON with each placeholder replaced by what it stands for; note those that are out of place.

        A secret that did not move stands in the result as it is stored, so that it need not be readable. One that did
        is handed on as one that was kept, not typed.
        """
        if isinstance(plain, (dict, list)):
            return map_json(
                plain, lambda key, part: self.reveal(part, problems, (*path, key), _go_down(plain, place, key))
            )
        identifier = read_placeholder(plain)
        found = self.kept.get(identifier, []) if identifier else []
        problem = _find_problem(found, path, place) if identifier else find_marker_problem(plain)
        if problem and not found and any(text == plain and _is_at(at, place) for at, text in self.lookalikes):
            return plain
        if problem:
            problems.append(FieldProblem(path, problem))
            return None
        if not found:
            return plain
        here = next((kept for kept in found if kept.path == path), None)
        if here and _is_marker(here.stored):
            return here.stored
        return KeptSecret(found[0].opened, was_encrypted=_is_marker(found[0].stored))


def _go_down(outer: Any, place: Path, key: str) -> Path:
    """Return the place of a part of ``outer``: a list's parts share the place of the list."""
    return place if isinstance(outer, list) else (*place, key)


def _find_problem(found: list[StoredSecret], path: Path, place: Path) -> str | None:
    if not found:
        return _("The secret that was stored here is gone. Type it again.")
    if not _is_at(found[0].place, place):
        return _("This secret was stored in another field. Type it again.")
    if found[0].opened is MISSING and all(kept.path != path for kept in found):
        return _("This secret cannot be read, so it cannot be moved. Type it again.")
    return None


def _is_at(kept: Path, place: Path) -> bool:
    return len(kept) == len(place) and all(one in (ANY_KEY, other) for one, other in zip(kept, place, strict=True))


def _is_marker(stored: Any) -> bool:
    return isinstance(stored, dict) and MARKER in stored


def _identify(row: str, place: Path, secret: Any) -> str:
    raw = ["bytes", base64.b64encode(secret).decode()] if isinstance(secret, bytes) else ["json", secret]
    message = json.dumps([row, place, raw], sort_keys=True)
    return salted_hmac("django_plugin_system.forms.placeholders", message, algorithm="sha256").hexdigest()[:16]
