"""``manage.py pluginapply``: make instances what files in the repository declare."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.conf import get_settings
from django_plugin_system.contrib.transfer.apply import apply_documents
from django_plugin_system.contrib.transfer.document import Entry, Problem, read_document
from django_plugin_system.exceptions import InvalidDocument, show_path
from django_plugin_system.management.documents import ImportCommand, guess_format, iter_lines, make_note, read_text
from django_plugin_system.rows.traceback_safety import Concealed

if TYPE_CHECKING:
    from django_plugin_system.contrib.transfer.planning import Action, Plan


class Command(ImportCommand):
    """Apply the files, or tell how the database differs from them."""

    counted = (
        *(("Created", "create"), ("Updated", "update"), ("Deleted", "delete"), ("Released", "release")),
        *(("Gone, but left", "left"), ("Unchanged", "unchanged")),
    )
    help = (
        "Make the plugin instances that files declare what these say, all or none. Each belongs to its file from then "
        "on, which alone changes it. The files are those of PLUGIN_SYSTEM['INSTANCES'] unless some are named."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("files", nargs="*", metavar="FILE", help="JSON, YAML or TOML, as its name says.")
        parser.add_argument("--check", action="store_true", help="Write nothing; end with 1 if anything differs.")
        gone = parser.add_mutually_exclusive_group()
        gone.add_argument("--prune", action="store_true", help="Delete their instances that none declares any more.")
        gone.add_argument("--release", action="store_true", help="Give these to the admin instead.")
        parser.add_argument("--adopt", action="store_true", help="Take over instances that are there and differ.")
        super().add_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Apply, and say what was done.

        :raises CommandError: if anything is wrong (nothing was written), or, with ``--check``, differs.
        """
        paths = _find_paths(options["files"])
        texts = {path.name: Concealed(read_text(str(path))) for path in paths}
        documents = {name: _read(name, text) for name, text in texts.items()}
        gone: Action = "delete" if options["prune"] else "release" if options["release"] else "left"
        using, how = options["database"], {"adopt": options["adopt"], "gone": gone}
        if options["prune"] and not options["check"]:
            self._announce(apply_documents(documents, using, dry_run=True, **how))
        note = make_note(options["user"], "pluginapply")
        with self.listing_refusals():
            plan = apply_documents(documents, using, dry_run=options["check"], note=note, **how)
        self._warn_of_plain_secrets(plan, texts)
        counts = plan.count()
        if counts["left"] and not options["check"]:
            self.warn(
                f"In no file any more: {counts['left']:,}. Delete them with --prune, or --release them to the admin."
            )
        self.show_plan(plan, options, would="pluginapply" if options["check"] else "")
        differing = counts.total() - counts["unchanged"]
        if options["check"] and differing:
            raise CommandError(f"Instances that differ from the files: {differing:,}.")

    def _announce(self, plan: Plan) -> None:
        """Say what is about to be deleted."""
        for change in plan.pick("delete"):
            self.warn(f"No file declares {change.entry} any more: it is deleted.", self.style.WARNING)

    @sensitive_variables()
    def _warn_of_plain_secrets(self, plan: Plan, texts: dict[str, Concealed]) -> None:
        for name, text in texts.items():
            found = [(entry, path) for entry, owner, path in plan.plain_secrets if owner == name]
            for (entry, path), line in zip(found, iter_lines(text, found), strict=True):
                where = name if line is None else f"{name}, line {line}"
                said = f"{where}: {show_path(path)} of {entry} is a secret in plain text; encrypt it, or refer to it."
                self.warn(said, self.style.WARNING)


def _find_paths(names: list[str]) -> list[Path]:
    paths = [Path(name) for name in names or get_settings().INSTANCES]
    if not paths:
        raise CommandError("Name a file, or list some in PLUGIN_SYSTEM['INSTANCES'].", returncode=2)
    twice = [name for name, count in Counter(path.name for path in paths).items() if count > 1]
    if twice:
        raise CommandError(f"Files are known by their name; several are called {', '.join(twice)}.", returncode=2)
    return paths


def _read(name: str, text: Concealed) -> list[Entry | Problem]:
    if not text.config.strip():
        return []  # an empty file declares nothing
    try:
        return read_document(text.config, guess_format(name), complete=True)
    except InvalidDocument as error:
        raise CommandError(f"{name} cannot be read: {error}.") from None
