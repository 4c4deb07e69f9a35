"""``manage.py pluginschema``: keep a snapshot of each configuration's schema, and tell when code differs from it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import no_translations

from django_plugin_system.contrib.drift.gate import GateReport, check_schemas, write_schemas
from django_plugin_system.management.output import PluginCommand

NO_PLACE = "set PLUGIN_SYSTEM['SCHEMA_DIRECTORY'] to keep its snapshot there"


class Command(PluginCommand):
    """Check, or write, and say what each change asks for."""

    help = (
        "Compare the configuration schemas of plugin items with the snapshots beside their code. A change that stored "
        "configurations do not survive needs a new config_version and a step in migrate_config."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options; one of them has to be given."""
        group = parser.add_mutually_exclusive_group(required=True)
        group.add_argument(
            "--check", action="store_true", help="Write nothing; end with an error if a schema and its snapshot differ."
        )
        group.add_argument(
            "--write",
            action="store_true",
            help="Write the snapshots anew; write nothing, and end with an error, if a change needs a new version.",
        )

    @no_translations
    def handle(self, *_args: Any, **options: Any) -> None:
        """Run, and say what was found and done.

        :raises CommandError: as the options say, and if a file cannot be read or written.
        """
        report = write_schemas() if options["write"] else check_schemas()
        self._show(report, writing=options["write"])
        if options["write"]:
            self._end_writing(report)
        else:
            self._end_check(report)

    def _show(self, report: GateReport, *, writing: bool) -> None:
        for verdict in report.different:
            self.tell(f"{verdict.item}: {verdict.outcome.value}")
            for change in verdict.changes:
                self.tell(f"  - {change}")
            if verdict.is_refused or not writing:
                self.tell(f"  {verdict.advice}")
        for reason in report.left_out:
            self.tell(f"Left out: {reason}; {NO_PLACE}.")
        for reason in report.unplaced:
            self.tell(f"No place for a snapshot: {reason}; {NO_PLACE}.")

    def _end_check(self, report: GateReport) -> None:
        failed = len(report.different) + len(report.unplaced)
        self.end_with(failed, "Items that differ from their snapshot, or have none")
        self.tell(f"Every schema is as its snapshot says: {len(report.verdicts)}.", self.style.SUCCESS)

    def _end_writing(self, report: GateReport) -> None:
        self.end_with(len(report.refused), "Nothing was written. Items to be changed first")
        for path in report.written:
            self.tell(f"{'Wrote' if path.exists() else 'Removed'} {path}")
        self.end_with(len(report.unplaced), "Items that have no place for a snapshot")
        self.tell(f"Items with a snapshot: {sum(map(len, report.contents.values()))}.", self.style.SUCCESS)
