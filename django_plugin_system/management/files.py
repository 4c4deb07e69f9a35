"""``manage.py plugins files move``: move files from one place to another while the site runs."""

from __future__ import annotations

import hashlib
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.apps import apps
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import InvalidStorageError, Storage, storages
from django.core.management.base import CommandError
from django.db.models import FileField, Q

from django_plugin_system.contrib.storage import PluginStorage, make_prefix
from django_plugin_system.exceptions import PluginSystemError
from django_plugin_system.management import instances

if TYPE_CHECKING:
    from django_plugin_system.management.output import PluginCommand
    from django_plugin_system.models import PluginInstance


@dataclass
class Move:
    """Moves the files of one storage that models name, from the place ``source`` to the instance ``target``.

    A place is the id of an instance, or None for names from before that tell none. Each file is copied, and the copy
    read again and compared, before a row is told the new name. With ``delete``, a file that no row names any more is
    deleted after that.
    """

    storage: PluginStorage
    source: UUID | None
    target: UUID
    delete: bool = False
    moved: int = 0
    problems: list[str] = field(default_factory=list)

    def count(self) -> int:
        """Return how many rows name a file that is to be moved."""
        return sum(rows.count() for rows, _name in self._iter_rows())

    def run(self) -> Iterator[str]:
        """Move all files, and yield the old name of each. What cannot be moved stays, and is listed in ``problems``."""
        for rows, name in self._iter_rows():
            for pk, old in rows.values_list("pk", name).iterator():
                try:
                    self._move(rows.model, name, pk, old)
                except Exception as error:  # noqa: BLE001 - foreign code; one file must not stop the others
                    self.problems.append(f"{old}: {type(error).__name__}: {error}")
                yield old

    def _iter_rows(self) -> Iterator[tuple[Any, str]]:
        """Yield the rows of each model that name a file in the source, with the name of the field."""
        for model in apps.get_models():
            for one in model._meta.get_fields():
                if isinstance(one, FileField) and one.model is model and one.storage == self.storage:
                    starts = f"{one.name}__startswith"
                    here = Q(**{starts: "~"}) | Q(**{one.name: ""}) | Q(**{f"{one.name}__isnull": True})
                    there = ~here if self.source is None else Q(**{starts: make_prefix(self.source)})
                    yield model._base_manager.filter(there), one.name

    def _move(self, model: Any, name: str, pk: Any, old: str) -> None:
        prefix, longest = make_prefix(self.target), model._meta.get_field(name).max_length
        storage, path = self.storage.find(old)
        target, copy = self.storage.find(prefix + path)
        before = digest(storage, path)
        if not target.exists(path) or digest(target, path) != before:
            with storage.open(path) as content:
                copy = target.save(path, content, longest and longest - len(prefix))
            if digest(target, copy) != before:
                raise OSError(f"the copy {copy} differs")
        row = model._base_manager.filter(pk=pk, **{name: old})
        self.moved += row.update(**{name: prefix + copy})
        if self.delete and not any(rows.filter(**{one: old}).exists() for rows, one in self._iter_rows()):
            storage.delete(path)


def digest(storage: Storage, path: str) -> bytes:
    """Return what tells the contents of a file from any others."""
    found = hashlib.sha256()
    with storage.open(path) as content:
        for chunk in content.chunks():
            found.update(chunk)
    return found.digest()


def add_arguments(parser: ArgumentParser) -> None:
    """Declare ``move`` and its options."""
    actions = parser.add_subparsers(dest="what", metavar="ACTION", required=True)
    text = "Copy the files that models name, compare each copy, and tell the rows the new names. May be repeated."
    move = actions.add_parser("move", help=text, description=text)
    move.add_argument("storage", help="The alias of a PluginStorage in STORAGES.")
    source = move.add_mutually_exclusive_group(required=True)
    source.add_argument("--from", dest="source", metavar="NAME", help="The instance that holds the files.")
    source.add_argument("--unnamed", action="store_true", help="Those of the default, whose names tell no instance.")
    move.add_argument("--to", dest="target", metavar="NAME", required=True, help="The instance that gets them.")
    move.add_argument("--delete", action="store_true", help="Delete each file after its copy was compared.")
    move.add_argument("--dry-run", action="store_true", help="Only say how many there are.")


def run(command: PluginCommand, alias: str, options: dict[str, Any]) -> None:
    """Move files, and say how far that is.

    :raises CommandError: if it is not clear what is meant (2), or a file could not be moved (1).
    """
    storage = _find_storage(options["storage"])
    target = _find_place(storage, options["target"], alias)
    source = None if options["unnamed"] else _find_place(storage, options["source"], alias)
    move = Move(storage, source.pk if source else None, target.pk, delete=options["delete"])
    total = move.count()
    if options["dry_run"]:
        command.tell(f"Files to move: {total:,}.")
        return
    for done, _name in enumerate(move.run(), start=1):
        command.show_progress(done, total, "files")
    command.list_problems(move.problems)
    command.tell(f"Files moved to {target}: {move.moved:,}.")
    command.end_with(len(move.problems), "Files that stay where they are")


def _find_storage(alias: str) -> PluginStorage:
    try:
        storage = storages[alias]
    except InvalidStorageError:
        storage = None
    if isinstance(storage, PluginStorage):
        return storage
    known = ", ".join(name for name in storages.backends if isinstance(storages[name], PluginStorage))
    message = f"STORAGES has no PluginStorage {alias}; there are: {known or 'none'}."
    raise CommandError(message, returncode=instances.WRONG_CALL)


def _find_place(storage: PluginStorage, name: str, alias: str) -> PluginInstance:
    row = instances.find_instance(name, alias, None)
    try:
        storage.find(f"{make_prefix(row.pk)}file")
    except (PluginSystemError, SuspiciousFileOperation) as error:
        raise CommandError(f"{row} cannot be used by this storage: {error}", returncode=instances.WRONG_CALL) from None
    return row
