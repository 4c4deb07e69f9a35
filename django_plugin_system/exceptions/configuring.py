"""Errors of reading and storing a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from django.core.exceptions import ValidationError
from django.db import NotSupportedError

from django_plugin_system.exceptions.root import Path, PluginSystemError, show_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class FieldProblem(NamedTuple):
    """What is wrong with one value of a configuration."""

    path: Path
    message: str

    def __str__(self) -> str:
        return f"{show_path(self.path)}: {self.message}"


class ConfigError(PluginSystemError, ValueError):
    """A configuration cannot be stored or read; nothing was written."""


class InvalidConfig(ConfigError, ValidationError):
    """A configuration does not fit its schema. ``errors`` says what is wrong, path by path, without the values."""

    _opening: ClassVar[str] = "Invalid config for"

    def __init__(self, subject: str, errors: Iterable[FieldProblem]) -> None:
        """Name the ``subject`` (an item or a class) and keep the ``errors``."""
        self.subject = subject
        self.errors = tuple(errors)
        ValidationError.__init__(self, {"config": [str(error) for error in self.errors]}, code="invalid_config")

    def __str__(self) -> str:
        return f"{self._opening} {self.subject}: {'; '.join(map(str, self.errors))}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class StoredConfigInvalid(InvalidConfig):
    """A stored configuration no longer fits the schema of its class; edit the row, or add a config migration."""

    _opening = "The stored config no longer fits"


class UnstorableConfig(InvalidConfig):
    """A valid configuration that would not come back from the database as it is; ``errors`` names where and why."""

    _opening = "This config cannot be stored for"


class UnresolvedReference(ConfigError, LookupError):
    """A stored reference, to an environment variable or a file, gives no value here; ``errors`` says where and why."""

    def __init__(self, subject: str, errors: Iterable[FieldProblem]) -> None:
        """Name the row and keep the ``errors``: they name variables and files, never a value."""
        self.subject = subject
        self.errors = tuple(errors)
        super().__init__(f"The config of {subject} refers to what is not there: {'; '.join(map(str, self.errors))}")


class PluginNotRegistered(ConfigError, LookupError):
    """The class behind a row is not registered, so its configuration can be neither read nor changed."""

    def __init__(self, subject: str) -> None:
        """Name the row or item."""
        super().__init__(
            f"No class is registered for {subject}: its config can be neither read nor changed. Is its app installed?"
        )
        self.subject = subject


class NewerConfigVersion(ConfigError):
    """A row was stored by newer code than this; it is read-only here."""

    def __init__(self, subject: str, stored: int, known: int) -> None:
        """Name the row, the version it was ``stored`` with and the version that this code has ``known``."""
        super().__init__(
            f"{subject} was stored with config version {stored}, this code knows {known}: deploy the newer code."
        )
        self.subject = subject
        self.stored = stored
        self.known = known


class ConfigMigrationFailed(ConfigError):
    """A ``migrate_config`` step raised or gave no mapping; the row is unchanged."""

    def __init__(self, plugin_class: type, from_version: int, error_name: str) -> None:
        """Name the class, the version the step started from, and the type of what it raised."""
        super().__init__(
            f"{plugin_class.__qualname__}.migrate_config failed from version {from_version} ({error_name}): "
            "the row is unchanged."
        )
        self.plugin_class = plugin_class
        self.from_version = from_version
        self.error_name = error_name


class StaleConfig(ConfigError):
    """The row was changed by someone else since it was read; reload it and apply the change again."""

    def __init__(self, subject: str) -> None:
        """Name the row."""
        super().__init__(
            f"{subject} was changed by someone else since you read it. Reload it and apply your change again."
        )
        self.subject = subject


class ConfigWriteRefused(PluginSystemError, NotSupportedError):
    """A query would write configurations unseen; go through ``set_config()`` and ``save()`` instead."""

    def __init__(self, method: str, fields: Sequence[str]) -> None:
        """Name the queryset ``method`` and the ``fields`` it would write."""
        super().__init__(
            f"{method}() cannot write {', '.join(fields)} of plugin instances: it would skip validation and "
            "encryption. Use instance.set_config() and save(), or bulk_update()."
        )
        self.fields = tuple(fields)
