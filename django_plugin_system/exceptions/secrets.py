"""Errors of opening a stored secret: the failure table of the documentation, line by line."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from django_plugin_system.exceptions.configuring import ConfigError
from django_plugin_system.exceptions.root import Path, show_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self


class SecretError(ConfigError):
    """A stored secret cannot be opened; it stays in its row as it is."""

    def __init__(self, path: Path, reason: str) -> None:
        """Name the place and say what is wrong with it."""
        super().__init__(f"{show_path(path)}: {reason}")
        self.path = path
        self.reason = reason

    def at(self, path: Path) -> Self:
        """Return the same error for another place."""
        moved = copy.copy(self)
        moved.args, moved.path = (f"{show_path(path)}: {self.reason}",), path
        return moved


class ConfigShapeError(SecretError):
    """``$secret`` stands where no stored secret can stand, or together with other keys; or the nesting is too deep."""


class UnknownKey(SecretError, LookupError):
    """A secret was encrypted with a key that is not configured."""

    def __init__(self, path: Path, key_id: str, configured: Sequence[str]) -> None:
        """Name the missing ``key_id`` and the ``configured`` ones."""
        super().__init__(
            path,
            f"encrypted with key {key_id}, which is not configured (there are: {', '.join(configured)}). "
            "Put that key back into PLUGIN_SYSTEM['ENCRYPTION_KEYS'], or the SECRET_KEY that it was derived from into "
            "SECRET_KEY_FALLBACKS.",
        )
        self.key_id = key_id
        self.configured = tuple(configured)


class TamperedToken(SecretError):
    """A stored secret does not authenticate: it was altered, or moved from another row or field."""

    def __init__(self, path: Path, key_id: str) -> None:
        """Name the key that the secret claims to be encrypted with."""
        super().__init__(
            path, f"the stored secret (key {key_id}) does not belong here or was altered. Enter the secret again."
        )
        self.key_id = key_id


class MalformedToken(SecretError):
    """A stored secret is no token of this package's format."""

    def __init__(self, path: Path) -> None:
        """Name the place; the value is not quoted."""
        super().__init__(path, "the stored secret is malformed. Enter the secret again.")


class EndpointChanged(SecretError):
    """A stored secret belongs to other values of the fields it is bound to; they were changed past the models."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        """Name the place and the fields that the secret is bound to."""
        fields = ", ".join(names)
        super().__init__(
            path, f"the stored secret belongs to another value of {fields} than is stored now. Enter the secret again."
        )
        self.names = tuple(names)
