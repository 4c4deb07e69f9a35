"""Files in instances that operators configure.

``"django_plugin_system.contrib.storage"`` in ``INSTALLED_APPS``, and ::

    STORAGES = {
        "invoices": {
            "BACKEND": "django_plugin_system.contrib.storage.PluginStorage",
            "OPTIONS": {"name": "invoices"},
        },
        ...
    }
"""

from __future__ import annotations

import base64
import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import Storage, storages
from django.core.files.utils import validate_file_name
from django.utils.deconstruct import deconstructible

import django_plugin_system

if TYPE_CHECKING:
    from django_plugin_system.models import PluginInstance

__all__ = ["AbstractStorage", "PluginStorage"]

NOBODY = UUID(int=0)
"""Stands for what a test has put in the place of an instance."""
_HOLDER = re.compile(r"~([A-Za-z0-9_-]{22})/")


class AbstractStorage(ABC):
    """Keeps files. A class that is more than a test's fake is a ``ConfigurablePlugin``, too."""

    @property
    @abstractmethod
    def storage(self) -> Storage:
        """A storage of Django's kind. It refuses paths that lead out of it; ``shared_client`` may make it."""


def _get_row(plugin: AbstractStorage) -> PluginInstance | None:
    """Return the instance that a plugin was built from; a test's fake has none."""
    row: PluginInstance | None = getattr(plugin, "plugin_instance", None)
    return row


def make_prefix(pk: UUID) -> str:
    """Return how the names of all files begin that the instance with this id holds."""
    return f"~{base64.urlsafe_b64encode(pk.bytes).decode().rstrip('=')}/"


def split_name(name: str) -> tuple[UUID | None, str]:
    """Return the id of the instance that holds the file ``name``, or None, and the file's path there.

    :raises SuspiciousFileOperation: if the path leads out of the place where it begins.
    """
    name = str(name).replace("\\", "/")
    if (found := _HOLDER.match(name)) is None:
        return None, name
    holder, path = UUID(bytes=base64.urlsafe_b64decode(f"{found[1]}==")), name[found.end() :]
    if make_prefix(holder) != found[0]:
        raise SuspiciousFileOperation(f"No instance has files whose names begin with {found[0]}.")
    return holder, path


def _forward(method: str) -> Any:
    """Return a method that has the storage which holds a file do ``method``."""

    def call(self: PluginStorage, name: str | None, *args: Any, **options: Any) -> Any:
        storage, path = self.find(name or "")
        return getattr(storage, method)(path, *args, **options)

    return call


@deconstructible(path="django_plugin_system.contrib.storage.PluginStorage")
class PluginStorage(Storage):
    """Keeps new files in one instance of the type ``storage``, and finds each file where it is.

    With the name ``invoices``, its instances are those named ``invoices`` and ``invoices--eu``, ``invoices--us``, ...
    With a ``scope``, they are those of that scope first, then everybody's; without one, everybody's.

    The name of a stored file begins with its instance: ``~`` and 22 characters, then ``/`` and the path there. A file
    whose name begins otherwise was stored before; it is in the storage with the alias ``default``, if that is given.
    """

    def __init__(self, name: str, *, scope: str | None = None, default: str | None = None) -> None:
        """Keep what was asked for. Nothing is chosen here, as Django keeps the object for ever."""
        self.name = name
        self.scope = scope
        self.default = default

    def __eq__(self, other: object) -> bool:
        """Say whether files are kept in the same places: a model may have been given another object for it."""
        return isinstance(other, PluginStorage) and vars(self) == vars(other)

    def __hash__(self) -> int:
        """Return what is the same for equal storages."""
        return hash((self.name, self.scope, self.default))

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        """Store a new file in the best instance that can be used now, and return its name. No other one is tried.

        :raises NoPluginAvailable: (a LookupError) if none can be used.
        """
        _holder, path = split_name(content.name or "" if name is None else name)
        validate_file_name(path, allow_relative_path=True)
        # By attribute: settings name this module before models can be imported.
        found = django_plugin_system.get_plugins(AbstractStorage, scope=self.scope)
        if (plugin := next((one for one in found if self._is_own(_get_row(one))), None)) is None:
            plugin = django_plugin_system.get_plugin(AbstractStorage, name=self.name, scope=self.scope)  # says why
        prefix = make_prefix(row.pk if (row := _get_row(plugin)) is not None else NOBODY)
        return prefix + plugin.storage.save(path, content, max_length and max_length - len(prefix))

    def _is_own(self, row: PluginInstance | None) -> bool:
        if row is None:
            return True
        of_this_name = row.name == self.name or row.name.startswith(f"{self.name}--")
        return of_this_name and row.scope in ("", self.scope or "")

    def find(self, name: str, *, is_folder: bool = False) -> tuple[Storage, str]:
        """Return the storage that holds the file ``name``, and its path there.

        :raises SuspiciousFileOperation: if the path leads out of that storage, or the name to an instance that is none
            of this storage's.
        :raises FileNotFoundError: if no instance is named, and there is no default.
        :raises PluginInstanceNotFound: (a LookupError) if the instance is gone.
        """
        holder, path = split_name(name)
        if path or not is_folder:
            validate_file_name(path, allow_relative_path=True)
        if holder is None:
            if self.default is None:
                raise FileNotFoundError(f"{name}: no instance holds it, and no default was configured.")
            return storages[self.default], path
        plugin = django_plugin_system.get_plugin_by_id(AbstractStorage, holder, disabled=True)
        row = _get_row(plugin)
        if not self._is_own(row) or (row is None and holder != NOBODY):
            raise SuspiciousFileOperation(f"{name}: is not held by an instance of the storage {self.name}.")
        return plugin.storage, path

    open = _forward("open")
    path = _forward("path")
    url = _forward("url")
    delete = _forward("delete")
    size = _forward("size")
    get_accessed_time = _forward("get_accessed_time")
    get_created_time = _forward("get_created_time")
    get_modified_time = _forward("get_modified_time")

    def exists(self, name: str) -> bool:
        """Say whether there is such a file. A name that was never stored is that of no file."""
        try:
            storage, path = self.find(name)
        except FileNotFoundError:
            return False
        return storage.exists(path)

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """Return the folders and files in a folder of one instance."""
        storage, path = self.find(path, is_folder=True)
        return storage.listdir(path)

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """Leave it to the instance that stores the file to find a free name."""
        return name
