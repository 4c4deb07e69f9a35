"""``manage.py pluginimport``: write the instances of a document, all of them or none."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from django_plugin_system.contrib.transfer.apply import import_document
from django_plugin_system.contrib.transfer.formats import READERS
from django_plugin_system.exceptions import ImportRefused, InvalidDocument
from django_plugin_system.management import history, output

if TYPE_CHECKING:
    from django_plugin_system.contrib.transfer.planning import Plan


class Command(output.PluginCommand):
    """Import a file or standard input, or show what that would do."""

    help = (
        "Write the plugin instances of a document, as pluginexport makes it. All of it is checked before anything is "
        "written, and nothing is ever deleted. Ends with an error, and writes nothing, if anything is wrong with it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("file", help=f"The document; {output.STANDARD} reads standard input.")
        parser.add_argument("--dry-run", action="store_true", help="Write nothing, only say what would change.")
        parser.add_argument(
            "--existing",
            choices=("fail", "skip", "update"),
            default="fail",
            help="What to do with an instance that is there and differs: fail writes nothing at all, skip leaves that "
            "one as it is, update changes it. (default: %(default)s)",
        )
        parser.add_argument("--format", choices=tuple(READERS), help="By default what the file's name says, else json.")
        history.add_user_option(parser)
        output.add_database_option(parser, "write to")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Import, and say what was done.

        :raises CommandError: if there is anything wrong; nothing was written.
        """
        name = options["file"]
        kind = options["format"] or output.guess_format(name)
        using, existing, dry_run = options["database"], options["existing"], options["dry_run"]
        try:
            note = history.make_note(options["user"], "pluginimport")
            plan = import_document(output.read_text(name), kind, using, existing=existing, dry_run=dry_run, note=note)
        except InvalidDocument as error:
            raise CommandError(f"The document cannot be read: {error}.") from None
        except ImportRefused as error:
            self.list_problems(error.problems)
            raise CommandError(f"Nothing was imported; problems: {len(error.problems):,}, see above.") from None
        self._tell(plan, options)

    def _tell(self, plan: Plan, options: dict[str, Any]) -> None:
        what = "an import" if options["dry_run"] else ""
        output.show_plan(self, plan, output.IMPORTED, what, verbose=options["verbosity"] > 0)
        if plan.plain_secrets and not plan.problems:
            self.warn(
                f"Secrets in plain text in the document: {len(plan.plain_secrets):,}. They are stored encrypted; "
                "see to it that nobody else reads the document.",
                self.style.WARNING,
            )
        self.list_problems(plan.problems)
        if plan.problems:
            raise CommandError(f"An import would be refused; problems: {len(plan.problems):,}, see above.")
