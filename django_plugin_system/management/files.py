"""``manage.py plugins files move``: what an operator does who has another place for files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import InvalidStorageError, storages
from django.core.management.base import CommandError

from django_plugin_system.contrib.storage.backend import PluginStorage, make_prefix
from django_plugin_system.contrib.storage.moving import Move
from django_plugin_system.exceptions import PluginSystemError
from django_plugin_system.management import lookup

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from django_plugin_system.management.output import PluginCommand
    from django_plugin_system.models import PluginInstance


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
    done = 0

    def tell() -> None:
        nonlocal done
        done += 1
        command.show_progress(done, max(done, total), "files")

    move.run(tell)
    command.list_problems(move.problems)
    command.tell(f"Files moved to {target}: {move.moved:,}.")
    if move.problems:
        raise CommandError(f"Files that stay where they are: {len(move.problems):,}; see above.")


def _find_storage(alias: str) -> PluginStorage:
    try:
        storage = storages[alias]
    except InvalidStorageError:
        storage = None
    if isinstance(storage, PluginStorage):
        return storage
    known = ", ".join(name for name in storages.backends if isinstance(storages[name], PluginStorage))
    message = f"STORAGES has no PluginStorage {alias}; there are: {known or 'none'}."
    raise CommandError(message, returncode=lookup.WRONG_CALL)


def _find_place(storage: PluginStorage, name: str, alias: str) -> PluginInstance:
    row = lookup.find_instance(name, alias, None)
    try:
        storage.find(f"{make_prefix(row.pk)}file")
    except (PluginSystemError, SuspiciousFileOperation) as error:
        message = f"{row} cannot be used by this storage: {error}"
        raise CommandError(message, returncode=lookup.WRONG_CALL) from None
    return row
