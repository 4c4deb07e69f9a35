"""``manage.py plugins``: what an operator does without a browser: list, show, set, enable, disable, test, explain."""

from __future__ import annotations

import getpass
import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from functools import partial
from typing import Any

from django.core.management.base import CommandError
from django.db import router

from django_plugin_system import checks
from django_plugin_system.changes import changing
from django_plugin_system.contrib.transfer.export import take_snapshot
from django_plugin_system.exceptions import make_printable
from django_plugin_system.management import files, instances
from django_plugin_system.management.instances import is_secret, read_value, set_field
from django_plugin_system.management.output import Cell, PluginCommand, add_database_option
from django_plugin_system.models import PluginInstance, PluginStatus
from django_plugin_system.plugin import has_check
from django_plugin_system.rows.config import get_dates
from django_plugin_system.rows.traceback_safety import Concealed
from django_plugin_system.selection.candidates import make_request
from django_plugin_system.selection.choosing import explain
from django_plugin_system.selection.health import end_cooldown, record_test
from django_plugin_system.selection.trial import run_check

_NAME = "NAME, item/NAME, type/item/NAME or the id."
_LEVELS = {"error": 40, "warning": 30, "info": 20, "never": 100}


class Command(PluginCommand):
    """One subcommand for each thing that operators do; each says what it did, or as JSON what is."""

    help = "Look at plugin instances, test, switch and change them. Ends with 1 if what was asked for is not well."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the subcommands."""
        actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

        def add(name: str, text: str) -> ArgumentParser:
            made: ArgumentParser = actions.add_parser(name, help=text, description=text)
            made.add_argument("--json", action="store_true", help="Write JSON, for machines.")
            add_database_option(made, "use")
            if name != "doctor":
                made.add_argument("--scope", help='Only what is of this scope; "" for what is everybody\'s.')
            return made

        one = add("list", "List instances, and whether each can be used.")
        one.add_argument("--type", metavar="TYPE", help="Only those of this plugin type.")
        one.add_argument("--name", help="Only those of this name.")
        one.add_argument("--unusable", action="store_true", help="Only those that cannot be used now.")
        add("show", "Show an instance: state, configuration without secrets.").add_argument("name", help=_NAME)
        one = add("set", "Change one field of a configuration. The value is asked for, never an argument.")
        one.add_argument("name", help=_NAME)
        one.add_argument("field", help="Its name; a field inside of others by a path: smtp.hosts.0.password")
        how = one.add_mutually_exclusive_group()
        how.add_argument("--stdin", action="store_true", help="Read the value from standard input.")
        how.add_argument("--unset", action="store_true", help="Take the value away: the default counts again.")
        one = add("enable", "Let an instance be used.")
        one.add_argument("name", help=_NAME)
        one.add_argument("--reserve", action="store_true", help="Only when no active one can be.")
        add("disable", "Take an instance out of use, and say who serves its name then.").add_argument(
            "name", help=_NAME
        )
        one = add("test", "Try the connections of instances.")
        one.add_argument("names", nargs="*", metavar="NAME", help=_NAME)
        one.add_argument("--all", action="store_true", help="Test all that are not disabled.")
        one = add("explain", "Say which instance of a type is used, and why not the others.")
        one.add_argument("type", help="TYPE or manager/TYPE")
        one.add_argument("--name", help="What the code asks for.")
        one.add_argument("--limit", type=int, default=100, help="How many candidates to show (default: %(default)s).")
        one = add("doctor", "Find what hurts, and say what to do.")
        one.add_argument(
            "--fail-on", choices=tuple(_LEVELS), default="error", help="End with 1 from this on (default: %(default)s)."
        )

        files.add_arguments(add("files", "Move the files of a storage between its instances."))

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run a subcommand.

        :raises CommandError: if what was asked for is not well (1), or it is not clear what is meant (2).
        """
        alias = options["database"] or router.db_for_write(PluginInstance)
        getattr(self, f"do_{options['action']}")(alias, options)

    # Looking

    def do_list(self, alias: str, options: dict[str, Any]) -> None:
        """Show a row for each instance, read a page at a time."""
        rows = instances.get_rows(alias)
        if options["type"]:
            rows = rows.for_type(*instances.find_type(options["type"]).key)
        if options["name"]:
            rows = rows.named(options["name"])
        if options["scope"] is not None:
            rows = rows.in_scope(options["scope"], shared=not options["scope"])
        found = (instances.describe(row) for page in instances.iter_pages(rows) for row in page)
        if options["unusable"]:
            found = (one for one in found if not one["usable"])
        if options["json"]:
            self.tell_json(list(found))
        else:
            self._show_instances(found, "type", "name", "scope", "item", "status", "priority")

    def _show_instances(self, found: Iterable[dict[str, Any]], *columns: str) -> None:
        def get_cells(one: dict[str, Any]) -> list[Cell]:
            state = (one["reason"], self.style.ERROR) if one["reason"] else ("usable", self.style.SUCCESS)
            return [*(str(one[column]) for column in columns), state]

        self.show_table([column.upper() for column in (*columns, "state")], map(get_cells, found))

    def do_show(self, alias: str, options: dict[str, Any]) -> None:
        """Show all that an operator may see of an instance."""
        row = instances.find_instance(options["name"], alias, options["scope"])
        snapshot = take_snapshot(row)
        dates = {".".join(path): date.isoformat(timespec="seconds") for path, date in get_dates(row).items()}
        times = (("updated_at", row.updated_at), ("last_tested_at", row.last_tested_at))
        shown = {
            **instances.describe(row),
            "description": row.description,
            "config_version": row.config_version,
            "config": snapshot.config,
            "secrets_stored": dates,
            "last_error": row.last_error,
            "last_test_error": row.last_test_error,
            **{name: time and time.isoformat(timespec="seconds") for name, time in times},
        }
        if options["json"]:
            self.tell_json(shown)
            return
        for name, value in shown.items():
            if isinstance(value, dict):
                self.tell(f"{name}:")
                for key, item in value.items():
                    self.tell(f"  {key}: {item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)}")
            else:
                self.tell(f"{name}: {'' if value is None else value}".rstrip())

    def do_explain(self, alias: str, options: dict[str, Any]) -> None:
        """Show the candidates in order, and who serves."""
        key = instances.find_type(options["type"]).key
        selection = explain(make_request(*key, options["name"], alias, scope=options["scope"]))
        chosen, limit = selection.chosen, options["limit"]
        found = [
            {**instances.describe(one.instance), "reason": one.reason, "usable": one.usable}
            for number, one in enumerate(selection.candidates)
            if number < limit or one.instance == chosen
        ]
        if options["json"]:
            self.tell_json({"asked": selection.wanted, "chosen": chosen and str(chosen.pk), "candidates": found})
        else:
            marked = ({**one, "": "->" if chosen and one["id"] == str(chosen.pk) else ""} for one in found)
            self._show_instances(marked, "", "item", "name", "scope", "status", "priority")
        if chosen is None:
            raise CommandError(f"Nobody serves {selection.wanted} now.")

    # Changing

    def do_set(self, alias: str, options: dict[str, Any]) -> None:
        """Change a field under the row's lock; the rest of the configuration stays as it is."""
        row, field = instances.find_own(options["name"], alias, options["scope"]), options["field"]
        path = tuple(field.split("."))
        set_field(row, alias, path, None if options["unset"] else self._ask(row, field, from_stdin=options["stdin"]))
        done = "is unset" if options["unset"] else "is set"
        self._answer(row, options, f"{field} of {row} {done}.")

    def _ask(self, row: PluginInstance, field: str, *, from_stdin: bool) -> Concealed:
        if from_stdin:
            return Concealed(read_value(sys.stdin))
        if not sys.stdin.isatty():
            raise CommandError("Nobody can be asked here: give the value by --stdin.", returncode=instances.WRONG_CALL)
        ask = getpass.getpass if is_secret(row, tuple(field.split("."))) else input
        return Concealed(ask(make_printable(f"{field} of {row}: ")))

    def do_enable(self, alias: str, options: dict[str, Any]) -> None:
        """Let an instance be used, also before its cooldown is over; say why it is not, if so."""
        status = PluginStatus.RESERVED if options["reserve"] else PluginStatus.ACTIVE
        row = instances.find_instance(options["name"], alias, options["scope"])
        if row.status != status:  # how it fares is nothing that a file manages
            row = instances.find_own(options["name"], alias, options["scope"])
        with changing(alias):
            self._set_status(row, status, alias)
            end_cooldown(row)
        row = instances.get_rows(alias).get(pk=row.pk)
        reason = instances.describe(row)["reason"]
        self._answer(row, options, f"{row} is enabled{f', but not used: {reason}' if reason else ''}.")

    def do_disable(self, alias: str, options: dict[str, Any]) -> None:
        """Take an instance out of use, and say who serves its name afterwards."""
        row = instances.find_own(options["name"], alias, options["scope"])
        self._set_status(row, PluginStatus.DISABLED, alias)
        kind = row.item.plugin_type
        chosen = None
        if kind.is_registered:
            chosen = explain(make_request(*kind.key, row.name, alias, scope=row.scope)).chosen
        who = f"{chosen} serves" if chosen else "nobody serves"
        self._answer(row, options, f"{row} is disabled; {who} {kind} named {row.name} now.", chosen)

    def _set_status(self, row: PluginInstance, status: PluginStatus, alias: str) -> None:
        if row.status != status:
            row.status = status
            row.save(update_fields=["status", "updated_at"], using=alias)

    def _answer(
        self, row: PluginInstance, options: dict[str, Any], text: str, chosen: PluginInstance | None = None
    ) -> None:
        if options["json"]:
            self.tell_json({**instances.describe(row), "serves_now": chosen and str(chosen.pk)})
        else:
            self.tell(text, self.style.SUCCESS)

    # Testing

    def do_test(self, alias: str, options: dict[str, Any]) -> None:
        """Try each instance, one after the other, and note what came of it."""
        if bool(options["names"]) == options["all"]:
            raise CommandError("Say which instances to test, or --all.", returncode=instances.WRONG_CALL)
        if options["all"]:
            rows = instances.get_rows(alias).enabled()
            total, pages = rows.count(), instances.iter_pages(rows)
        else:
            named = [instances.find_instance(name, alias, options["scope"]) for name in options["names"]]
            total, pages = len(named), iter([named])
        failed, results = 0, []
        for number, row in enumerate((row for page in pages for row in page), 1):
            outcome = self._test(row)
            failed += outcome["result"] == "failed"
            if options["json"]:
                results.append(outcome)
            else:
                self._tell_outcome(row, outcome, f"[{number:,}/{total:,}] " if total > 1 else "")
        if options["json"]:
            self.tell_json(results)
        if failed:
            raise CommandError(f"Tests that failed: {failed:,} of {total:,}.")

    def _test(self, row: PluginInstance) -> dict[str, Any]:
        found = {"id": str(row.pk), "item": row.item.name, "name": row.name}
        if not has_check(row.item.plugin_class):
            return {**found, "result": "no test", "error": None, "answer": None}
        outcome = run_check(row, row)
        if outcome.ran:
            record_test(row, outcome.error)
        result = "passed" if outcome.passed else "failed"
        return {**found, "result": result, "error": outcome.error or None, "answer": outcome.answer or None}

    def _tell_outcome(self, row: PluginInstance, outcome: dict[str, Any], position: str) -> None:
        style = {"passed": self.style.SUCCESS, "failed": self.style.ERROR}.get(outcome["result"])
        said = outcome["error"] or outcome["answer"]
        self.tell(f"{position}{row}: {outcome['result']}{f': {said}' if said else ''}", style)

    def do_files(self, alias: str, options: dict[str, Any]) -> None:
        """Move files from one instance to another."""
        files.run(self, alias, options)

    # What hurts

    def do_doctor(self, alias: str, options: dict[str, Any]) -> None:
        """Look for everything that is known to hurt, and say what to do."""
        show = None if options["json"] or not options["verbosity"] else partial(self.show_progress, what="instances")
        found = sorted(checks.find_everything(alias, show), key=lambda one: -one.level)
        names = {level: name for name, level in _LEVELS.items()}
        if options["json"]:
            kept = [{"id": f.id, "level": names[f.level], "message": f.msg, "hint": f.hint} for f in found]
            self.tell_json(kept)
        else:
            styles = {40: self.style.ERROR, 30: self.style.WARNING, 20: self.style.NOTICE}
            for one in found:
                self.tell(f"{names[one.level].upper()} {one.id}: {one.msg}", styles[one.level])
                self.tell(f"    {one.hint}")
            if not found:
                self.tell("Nothing hurts.", self.style.SUCCESS)
        worst = sum(one.level >= _LEVELS[options["fail_on"]] for one in found)
        if worst:
            raise CommandError(f"Findings to see to: {worst:,} of {len(found):,}.")
