"""``manage.py pluginexport``: write instances as a document, by name and without their secrets."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from django_plugin_system.config.references import is_listed
from django_plugin_system.contrib.transfer.document import iter_document
from django_plugin_system.contrib.transfer.export import Export, export_instances
from django_plugin_system.contrib.transfer.formats import WRITERS
from django_plugin_system.management.documents import guess_format, open_new
from django_plugin_system.management.output import PluginCommand, add_database_option


class Command(PluginCommand):
    """Export to standard output or a file; what is said about it goes to standard error."""

    help = (
        "Write plugin instances as JSON or YAML, known by the names of their type, item and instance. "
        "Secrets are never written. Ends with an error if a configuration could not be read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        for option, what in (("--type", "types"), ("--item", "items"), ("--name", "instances")):
            text = f"Export only {what} of this name. May be repeated."
            parser.add_argument(option, action="append", default=[], metavar="NAME", help=text)
        parser.add_argument(
            "--secrets",
            choices=("redacted", "env", "encrypted"),
            default="redacted",
            help='redacted: {"$redacted": true} stands for each secret; an import keeps what is stored there. '
            'env: {"$env": "NAME"} does, a reference to an environment variable; the names are listed. '
            "encrypted: itself, encrypted for this document; it opens where the key is. "
            "(default: %(default)s)",
        )
        parser.add_argument("--format", choices=tuple(WRITERS), help="By default what the file's name says, else json.")
        parser.add_argument("--output", metavar="FILE", help="Write a new file, for its owner only.")
        parser.add_argument("--force", action="store_true", help="Replace the file if it exists.")
        add_database_option(parser, "read")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Write the document, then say what is to be known about it.

        :raises CommandError: if nothing fits, the file exists, or a configuration could not be read.
        """
        names = {"types": options["type"], "items": options["item"], "names": options["name"]}
        export = export_instances(options["database"], **names, secrets=options["secrets"])
        if not export.total and any(names.values()):
            raise CommandError("No instance has these names.")
        pieces = iter_document(export.entries, options["format"] or guess_format(options["output"]))
        if options["output"]:
            with open_new(Path(options["output"]), force=options["force"]) as file:
                file.writelines(pieces)
        else:
            for piece in pieces:
                self.stdout.write(piece, ending="")
        self._tell(export, options)

    def _tell(self, export: Export, options: dict[str, Any]) -> None:
        if options["verbosity"]:
            self.warn(f"Instances exported: {export.written:,}.", self.style.SUCCESS)
        if options["verbosity"] and export.variables:
            self.warn("Environment variables to set where this is imported, and wherever it is used:")
            for name in sorted(export.variables):
                self.warn(f"- {name}")
            if not all(map(is_listed, export.variables)):
                self.warn("List them, or a prefix of them, in PLUGIN_SYSTEM['ENV_REFERENCES'] there.")
        self.list_problems(export.problems)
        self.end_with(len(export.problems), "Configurations that could not be read, exported as they are stored")
