"""Every error of the package: one tree, each error also a fitting builtin or Django exception.

No message in this tree holds a secret: whoever raises passes names, paths and key ids, never values.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import NotSupportedError
from typing_extensions import Self

if sys.version_info >= (3, 11):  # pragma: no cover - which branch runs depends on the interpreter
    from builtins import ExceptionGroup
else:  # pragma: no cover - the backport is installed on Python 3.10 only
    from exceptiongroup import ExceptionGroup


Path = tuple[str, ...]
"""Where a value stands in a configuration: the JSON keys from the root, list positions as digits."""


def make_printable(text: str) -> str:
    """Return ``text`` with an escape in the place of each character that a terminal may obey, or that ends a line."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def show_path(path: Path) -> str:
    """Return ``path`` as people write it: ``smtp.hosts.0``, or ``(root)`` for the whole."""
    return make_printable(".".join(path)) or "(root)"


class PluginSystemError(Exception):
    """The root of every error this package raises. They all pickle, for task queues."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make a copy without ``__init__``, which takes other arguments."""
        return (type(self).__new__, (type(self), *self.args), {**self.__dict__, "args": self.args})


class InvalidSetting(PluginSystemError, ImproperlyConfigured):
    """The ``PLUGIN_SYSTEM`` setting, or one of its keys, cannot be used as it is."""

    def __init__(self, setting: str, reason: str) -> None:
        """Name the ``setting`` and say in ``reason`` what to write instead."""
        super().__init__(f"{setting}: {reason}")
        self.setting = setting


class InvalidSnapshot(PluginSystemError, ValueError):
    """A snapshot of configuration schemas cannot be understood, so nothing is compared or written."""

    def __init__(self, path: str, reason: str) -> None:
        """Name the file, and say in ``reason`` what is wrong with it."""
        super().__init__(
            f"{path} is no snapshot that this release understands: {reason}. Restore it from version control; if there "
            "is no good copy, remove it and run pluginschema --write on the code that is deployed."
        )


class SnapshotNotWritten(PluginSystemError, OSError):
    """A snapshot cannot be written; the files that were there are as they were."""

    def __init__(self, path: str, reason: str) -> None:
        """Name the file and the operating system's ``reason``."""
        super().__init__(
            f"{path} cannot be written: {reason}. Make its directory writable, or set "
            "PLUGIN_SYSTEM['SCHEMA_DIRECTORY'] to one that is."
        )


class RegistrationError(PluginSystemError):
    """A plugin type or item was registered in a way that cannot work; the registry is unchanged."""

    def __init__(self, message: str, *, registered: object = None) -> None:
        """Keep in ``registered`` the class or mapping that was refused."""
        super().__init__(message)
        self.registered = registered


class InvalidInterface(RegistrationError, TypeError):
    """The interface of a plugin type is no abstract base class with an abstract method."""


class InvalidPluginClass(RegistrationError, TypeError):
    """A plugin class does not implement its interface, or cannot be built."""


class InvalidConfigSchema(RegistrationError, TypeError):
    """A ``config_schema`` is no pydantic model, or holds a secret in a shape that cannot be stored safely."""


class InvalidRegistration(RegistrationError, ValueError):
    """A registration lacks a key, has one too many, or a value that does not fit its column."""


class RegistrationConflict(RegistrationError, ValueError):
    """One name was registered for two different classes."""


class _Named(KeyError):
    """A KeyError whose text is its message; the builtin would show the message's ``repr``."""

    def __str__(self) -> str:
        return str(self.args[0])


class PluginTypeNotFound(PluginSystemError, _Named):
    """Nobody registered the plugin type that was asked for."""

    def __init__(self, wanted: str, close: Sequence[str] = ()) -> None:
        """Name what was ``wanted`` and the ``close`` matches, best first."""
        hint = f" Did you mean {' or '.join(close)}?" if close else " Register it in a plugins.py of an installed app."
        super().__init__(f"No plugin type {make_printable(wanted)} is registered.{hint}")


class AmbiguousPluginType(PluginSystemError, LookupError):
    """An interface class serves more than one plugin type, so it names none of them."""

    def __init__(self, interface: type, names: Sequence[str]) -> None:
        """List the ``names`` of the types that share ``interface``."""
        super().__init__(f"{interface.__qualname__} is the interface of {', '.join(names)}: ask by name and manager.")
        self.interface = interface
        self.names = tuple(names)


class InvalidPluginChoice(PluginSystemError, TypeError):
    """A type's own ``get_plugin`` returned something that is no item or instance of the type."""

    def __init__(self, type_name: str, choice: object) -> None:
        """Name the type, and what was returned."""
        kind = type(choice).__qualname__
        shown = (
            f"{kind} {choice}" if kind in {"PluginItem", "PluginInstance"} else getattr(choice, "__qualname__", kind)
        )
        super().__init__(
            f"get_plugin of plugin type {type_name} returned {shown}: return an item or an instance of this very type, "
            "or None."
        )
        self.choice = choice


class PluginItemNotFound(PluginSystemError, _Named):
    """No class is registered for a plugin item."""

    def __init__(self, wanted: str) -> None:
        """Name the item that was ``wanted``."""
        super().__init__(f"No class is registered for plugin item {make_printable(wanted)}. Is its app installed?")


class PluginInstanceNotFound(PluginSystemError, LookupError):
    """No plugin instance of the type has the id that was asked for."""

    def __init__(self, type_name: str, instance_id: object) -> None:
        """Name the type and the ``instance_id``."""
        super().__init__(f"Plugin type {type_name} has no instance with id {make_printable(str(instance_id)[:100])}.")


_LISTED = 20
_NONE_AT_ALL = "there is none. Add one in the admin; manage.py pluginsync adds those that need no configuration."


class NoPluginAvailable(PluginSystemError, LookupError):
    """No instance can be used now; ``candidates`` holds each with its reason, or some of them if there are many."""

    def __init__(self, wanted: str, candidates: Sequence[Any] = (), *, more: bool = False) -> None:
        """Say for each of ``candidates`` (objects whose ``str()`` names the row and the reason) why it was skipped."""
        lines = [f"\n- {candidate}" for candidate in candidates[:_LISTED]]
        if len(candidates) > _LISTED:
            lines.append(f"\n- and {len(candidates) - _LISTED} more")
        elif more:
            lines.append("\n- and more")
        detail = "".join(lines) or f" {_NONE_AT_ALL}"
        super().__init__(f"No usable instance of {wanted}:{detail}")
        self.candidates = tuple(candidates)


class PluginBuildError(PluginSystemError, RuntimeError):
    """The constructor of a plugin class raised; the message names the class and the error, without its text."""

    def __init__(self, plugin_class: type, error_name: str, what: str = "its constructor") -> None:
        """Name the class, the exception type, and what raised it: the constructor, or a shared client."""
        super().__init__(f"{plugin_class.__qualname__} could not be built: {what} raised {error_name}.")
        self.plugin_class = plugin_class
        self.error_name = error_name


class FieldProblem(NamedTuple):
    """What is wrong with one value of a configuration."""

    path: Path
    message: str

    def __str__(self) -> str:
        return f"{show_path(self.path)}: {make_printable(self.message)}"


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
        self.errors = tuple(errors)
        super().__init__(f"The config of {subject} refers to what is not there: {'; '.join(map(str, self.errors))}")


class PluginNotRegistered(ConfigError, LookupError):
    """The class behind a row is not registered, so its configuration can be neither read nor changed."""

    def __init__(self, subject: str) -> None:
        """Name the row or item."""
        super().__init__(
            f"No class is registered for {subject}: its config can be neither read nor changed. Is its app installed?"
        )


class NewerConfigVersion(ConfigError):
    """A row was stored by newer code than this; it is read-only here."""

    def __init__(self, subject: str, stored: int, known: int) -> None:
        """Name the row, the version it was ``stored`` with and the version that this code has ``known``."""
        super().__init__(
            f"{subject} was stored with config version {stored}, this code knows {known}: deploy the newer code."
        )
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


class EndpointChanged(TamperedToken):
    """A stored secret does not authenticate beside the fields that it belongs to; they were changed past the models."""

    def __init__(self, path: Path, key_id: str, names: Sequence[str]) -> None:
        """Name the place and the fields that the secret is bound to."""
        fields = ", ".join(names)
        reason = f"the stored secret belongs to another value of {fields} than is stored now. Enter the secret again."
        SecretError.__init__(self, path, reason)
        self.key_id, self.names = key_id, tuple(names)


class PluginUnavailable(PluginSystemError, RuntimeError):
    """A plugin raises this to say: this provider cannot serve now, try the next one."""

    def __init__(self, message: object = "", retry_after: float | None = None) -> None:
        """Say what happened, and for how many seconds the provider wants to be left alone, if it said so."""
        super().__init__(*([message] if message else ()))
        self.retry_after = retry_after


class ClientUnavailable(PluginUnavailable):
    """A shared client could not be made; the message names it and the error, without its text."""

    def __init__(self, name: str, error_name: str) -> None:
        """Name the client and the exception type."""
        super().__init__(f"The shared client {name} could not be made: {error_name}.")
        self.error_name = error_name


class StateUnavailable(PluginUnavailable):
    """A plugin's state is stale, and whoever is renewing it did not succeed, or not in time."""

    def __init__(self, subject: str, reason: str) -> None:
        """Name whose state it is, and say why there is none."""
        super().__init__(f"There is no fresh value of {subject}: {reason}.")


class PluginCredentialsRefused(PluginSystemError, PermissionError):
    """A plugin raises this to say: the provider refuses these credentials, and will until somebody changes them."""


class PluginRejected(PluginSystemError, RuntimeError):
    """A plugin raises this to say: the request itself is bad, no provider will take it."""


class PluginOutcomeUnknown(PluginSystemError, RuntimeError):
    """A plugin raises this to say: it may have happened (a payment that timed out), do not repeat it."""


class AllPluginsFailed(PluginSystemError, ExceptionGroup[Exception]):
    """Every candidate of a failover was tried and failed; ``exceptions`` holds what each said, in order."""

    def derive(self, excs: Sequence[Any], /) -> Any:
        """Return a group of this class for a part of the errors, as ``split()`` and ``except*`` need it."""
        return AllPluginsFailed(self.message, excs)


class PluginBlocked(PluginSystemError, AssertionError):
    """A test was about to build a real plugin, which ``PLUGIN_SYSTEM["BLOCK_IN_TESTS"]`` forbids."""

    def __init__(self, plugin_class: type) -> None:
        """Name the class."""
        name = plugin_class.__qualname__
        super().__init__(
            f"A test may not build {name}: PLUGIN_SYSTEM['BLOCK_IN_TESTS'] is on. Put a fake in its place with "
            f"override_plugin(), or let it through with allow_plugins({name}): see django_plugin_system.testing."
        )
        self.plugin_class = plugin_class


class ContractBroken(PluginSystemError, AssertionError):
    """A plugin class does not keep the contract of plugins; ``problems`` lists all that ``check_contract`` found."""

    def __init__(self, plugin_class: type, problems: Sequence[str]) -> None:
        """Name the class, and list the ``problems``."""
        lines = "".join(f"\n- {problem}" for problem in problems)
        super().__init__(f"{plugin_class.__qualname__} does not keep the contract of plugins:{lines}")
        self.plugin_class = plugin_class
        self.problems = tuple(problems)


class InvalidDocument(PluginSystemError, ValueError):
    """A document of instances cannot be read or written as a whole; nothing was written.

    The message says what is wrong and where, without quoting values.
    """


class ImportRefused(PluginSystemError, ValueError):
    """Something in a document cannot be imported, so nothing was; ``problems`` names each entry and the reason."""

    def __init__(self, problems: Sequence[object]) -> None:
        """Keep the ``problems``, whose ``str()`` is safe to show."""
        self.problems = tuple(map(str, problems))
        super().__init__("Nothing was imported:" + "".join(f"\n- {problem}" for problem in self.problems))
