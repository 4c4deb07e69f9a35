"""``manage.py pluginimport``: write the instances of a document, all of them or none."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from django_plugin_system.contrib.transfer.apply import import_document
from django_plugin_system.contrib.transfer.formats import READERS
from django_plugin_system.exceptions import InvalidDocument
from django_plugin_system.management.documents import STANDARD, ImportCommand, guess_format, make_note, read_text


class Command(ImportCommand):
    """Import a file or standard input, or show what that would do."""

    counted = (("Created", "create"), ("Updated", "update"), ("Left as they are", "skip"), ("Unchanged", "unchanged"))
    help = (
        "Write the plugin instances of a document, as pluginexport makes it. All of it is checked before anything is "
        "written, and nothing is ever deleted. Ends with an error, and writes nothing, if anything is wrong with it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("file", help=f"The document; {STANDARD} reads standard input.")
        parser.add_argument("--dry-run", action="store_true", help="Write nothing, only say what would change.")
        parser.add_argument(
            "--existing",
            choices=("fail", "skip", "update"),
            default="fail",
            help="What to do with an instance that is there and differs: fail writes nothing at all, skip leaves that "
            "one as it is, update changes it. (default: %(default)s)",
        )
        parser.add_argument("--format", choices=tuple(READERS), help="By default what the file's name says, else json.")
        super().add_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Import, and say what was done.

        :raises CommandError: if there is anything wrong; nothing was written.
        """
        name, using, existing, dry_run = (options[key] for key in ("file", "database", "existing", "dry_run"))
        kind = options["format"] or guess_format(name)
        note = make_note(options["user"], "pluginimport")
        try:
            with self.listing_refusals():
                plan = import_document(read_text(name), kind, using, existing=existing, dry_run=dry_run, note=note)
        except InvalidDocument as error:
            raise CommandError(f"The document cannot be read: {error}.") from None
        if plan.plain_secrets and not plan.problems:
            self.warn(
                f"Secrets in plain text in the document: {len(plan.plain_secrets):,}. They are stored encrypted; "
                "see to it that nobody else reads the document.",
                self.style.WARNING,
            )
        self.show_plan(plan, options, would="an import" if dry_run else "")
