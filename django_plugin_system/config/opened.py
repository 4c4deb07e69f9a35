"""A stored configuration, opened once: what saving, proving, dates, forms and exports then share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils.functional import cached_property

from django_plugin_system.config import tokens
from django_plugin_system.config.json_tree import INSIDE, TOO_DEEP, find_deep, look_up, replace_json, walk_json
from django_plugin_system.config.references import Reference, find_references
from django_plugin_system.exceptions import ConfigShapeError, Path, SecretError
from django_plugin_system.schema.values import is_same

if TYPE_CHECKING:
    from django_plugin_system.config.keyring import KeyRing
    from django_plugin_system.config.tokens import Place, Sealed

Secrets = dict[Path, Any]
"""Plain secrets by the path they are stored at: JSON values, or bytes."""


@dataclass
class Opened:
    """A configuration as it is stored, and the same with its secrets in the clear.

    A secret that cannot be opened stands in ``data`` as it is stored, and in ``failures``.
    """

    stored: Any
    place: Place
    data: Any = field(default=None, repr=False)
    tokens: dict[Path, Sealed] = field(default_factory=dict, repr=False)
    failures: dict[Path, SecretError] = field(default_factory=dict)

    @property
    def secrets(self) -> Secrets:
        """The secrets that could be opened, in the clear."""
        return {path: sealed.value for path, sealed in self.tokens.items()}

    @cached_property
    def references(self) -> dict[Path, Reference]:
        """What stands elsewhere, by the path it is stored at."""
        return find_references(self.stored)

    def check(self) -> None:
        """Check that every secret could be opened.

        :raises SecretError: saying why the first of the others could not.
        """
        for failure in self.failures.values():
            raise failure

    def find_token(self, path: Path, marker: dict[str, Any]) -> Sealed | None:
        """Return what is in a token that stands here at ``path``, or at another position of the same list."""
        token = marker[tokens.MARKER] if len(marker) == 1 else None
        sealed = self._by_token.get(token) if isinstance(token, str) else None
        if sealed is None:
            return None
        keys = sealed.context[len(self.place)]
        is_near = all(type(one) is int or one == key for one, key in zip(keys, path, strict=False))
        return sealed if is_near and len(keys) == len(path) else None

    def find_marker(self, path: Path, sealed: Sealed, keyring: KeyRing) -> dict[str, Any] | None:
        """Return the stored secret at ``path``, if it is this very one, bound to the same, with the first key."""
        known = self.tokens.get(path)
        if known is None or not is_same(known.value, sealed.value) or known.context != sealed.context:
            return None
        token = self.get_token(path)
        return {tokens.MARKER: token} if tokens.get_token_key_id(token) == keyring.primary_id else None

    def get_token(self, path: Path) -> str:
        """Return the token that is stored at ``path``, where one is that could be opened."""
        token: str = look_up(self.stored, path)[0][tokens.MARKER]
        return token

    @cached_property
    def _by_token(self) -> dict[str, Sealed]:
        return {self.get_token(path): sealed for path, sealed in self.tokens.items()}


def identify(value: Any) -> Any:
    """Return what is equal for equal secrets only, type and all, and can be the key of a dict."""
    return value if isinstance(value, (bytes, Reference)) else json.dumps(value, sort_keys=True)


def open_config(stored: Any, place: Place, keyring: KeyRing) -> Opened:
    """Open every secret of ``stored``, each where it stands."""
    opened = Opened(stored, place)
    if (deep := find_deep(stored)) is not None:
        opened.failures[()] = ConfigShapeError(deep, TOO_DEEP)
        return opened

    def replace(path: Path, value: Any) -> Any:
        if not tokens.is_marker(value):
            return INSIDE
        try:
            opened.tokens[path] = tokens.open_token(value, place, path, keyring, stored)
        except SecretError as error:
            opened.failures[path] = error.with_traceback(None)  # whose frames have secrets
            return value
        return opened.tokens[path].value

    opened.data = replace_json(stored, replace)
    return opened


def iter_markers(stored: Any) -> list[tuple[Path, dict[str, Any]]]:
    """Return each stored secret, well-formed or not, with its path."""
    values = walk_json(stored, lambda _path, value: not tokens.is_marker(value))
    return [(path, value) for path, value in values if tokens.is_marker(value)]
