"""Errors of what developers declare: settings, plugin types and items."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from django_plugin_system.exceptions.root import PluginSystemError


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
        self.path = path


class SnapshotNotWritten(PluginSystemError, OSError):
    """A snapshot cannot be written; the files that were there are as they were."""

    def __init__(self, path: str, reason: str) -> None:
        """Name the file and the operating system's ``reason``."""
        super().__init__(
            f"{path} cannot be written: {reason}. Make its directory writable, or set "
            "PLUGIN_SYSTEM['SCHEMA_DIRECTORY'] to one that is."
        )
        self.path = path


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
