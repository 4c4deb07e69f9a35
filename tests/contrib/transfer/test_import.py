"""``pluginimport``: what is made, what is changed, what is left alone, and what is said about it."""

from __future__ import annotations

import io
import json
import logging
import sys
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command

from django_plugin_system.models import PluginInstance, PluginItem, PluginType
from django_plugin_system.signals import plugin_instance_changed
from tests.contrib.transfer.helpers import KEPT, export, get, make_entry, run, run_import, write
from tests.support.plugins import SECRET, VALID
from tests.support.rows import add_instance, assert_sealed, get_item, read_raw

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

pytestmark = pytest.mark.django_db
SUBJECT = "sms (apps.sms) / provider (apps.items) / main"
OTHER = "another-planted-Secret"


def counts(created: int = 0, updated: int = 0, left: int = 0, unchanged: int = 0) -> str:
    """Return the line that tells how many entries there were of each kind."""
    return f"Created: {created}. Updated: {updated}. Left as they are: {left}. Unchanged: {unchanged}."


class TestCreate:
    """Entries for which there is no instance yet."""

    def test_all_that_is_given_is_stored(self, provider: PluginItem, folder: Path) -> None:
        """Columns and config are taken over; a secret in plain text is encrypted, and pointed out."""
        values: dict[str, Any] = {
            "status": "disable",
            "priority": -3,
            "description": "Ü",
            "config_version": 1,
            "config": VALID,
        }
        ran = run_import(folder, make_entry(**values))
        row = get()
        assert (row.item, row.status, row.priority, row.description) == (provider, "disable", -3, "Ü")
        assert_sealed(row)
        assert ran.out.splitlines() == [
            f"+ {SUBJECT}: create",
            '    status: "disable"',
            "    priority: -3",
            '    description: "Ü"',
            '    config.account: "AC1"',
            "    config.retries: 3",
            "    config.spare: []",
            "    config.token: set",
            counts(created=1),
        ]
        assert ran.err.startswith("Secrets in plain text in the document: 1.")
        assert SECRET not in ran.everything

    def test_what_is_not_given_has_its_default(self, all_kinds: dict[str, PluginItem], folder: Path) -> None:
        """An entry needs no more than names, if its class needs no more."""
        run_import(folder, {"type": "sms", "item": "lenient", "name": "more"})
        row = get("more")
        assert row.item == all_kinds["lenient"]
        assert (row.status, row.priority, row.description, row.config) == ("active", None, "", {"retries": 3})

    def test_manager_and_module_may_be_left_out(self, provider: PluginItem, folder: Path) -> None:
        """They are needed only where the names alone fit several items."""
        entry = {"type": "sms", "item": "provider", "name": "main", "config": VALID}
        assert run_import(folder, entry).out.endswith(counts(created=1) + "\n")
        other = PluginType.objects.create(name="sms", manager="apps.other", description="")
        PluginItem.objects.create(name="provider", module="apps.items", plugin_type=other)
        ran = run_import(folder, entry)
        assert ran.problems == [
            (
                "sms / provider / main: several items have these names; give manager and module: "
                "sms (apps.other) / provider (apps.items), sms (apps.sms) / provider (apps.items)"
            )
        ]
        assert get().item == provider

    def test_a_reference_is_stored_as_one(
        self, provider: PluginItem, folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A reference to the environment is stored instead of its value, if the settings list the variable."""
        del provider
        entry = make_entry(config={**VALID, "token": {"$env": "SMS_TOKEN"}})
        refused = run_import(folder, entry)
        assert "PLUGIN_SYSTEM['ENV_REFERENCES']" in refused.problems[0]
        settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["SMS_*"]}
        assert "SMS_TOKEN is not set" in run_import(folder, entry).problems[0]
        monkeypatch.setenv("SMS_TOKEN", SECRET)
        ran = run_import(folder, entry)
        assert '    config.token: {"$env": "SMS_TOKEN"}' in ran.out.splitlines()
        assert "plain text" not in ran.err
        assert SECRET not in read_raw(get().pk) + ran.everything
        assert get().load_plugin().send("x") == f"x by AC1 with {SECRET}"


class TestExisting:
    """Entries for instances that are there."""

    @pytest.fixture(autouse=True)
    def row(self, provider: PluginItem) -> PluginInstance:
        """Return an instance with a secret."""
        return add_instance("main", provider, priority=5)

    def test_the_same_again_changes_nothing(self, row: PluginInstance, folder: Path) -> None:
        """What was exported can be imported where it came from: nothing is written, in any mode."""
        for mode in ("fail", "skip", "update"):
            assert run_import(folder, *export(), args=("--existing", mode)).out == counts(unchanged=1) + "\n"
        assert get().updated_at == row.updated_at

    def test_a_default_spelled_out_or_not_is_no_change(self, row: PluginInstance, folder: Path) -> None:
        """A value that the entry leaves to its default, and a value of another type that means the same, are equal."""
        ran = run_import(folder, make_entry(config={"accountName": "AC1", "token": KEPT, "retries": "3"}))
        assert ran.out == counts(unchanged=1) + "\n"
        assert get().updated_at == row.updated_at

    def test_a_difference_is_refused_unless_asked_for(self, row: PluginInstance, folder: Path) -> None:
        """Nothing that is there is overwritten by default, and nothing else of the document is written either."""
        new = make_entry("other", config=VALID)
        ran = run_import(folder, new, make_entry(status="disable", config={**VALID, "token": OTHER}))
        assert ran.problems == [
            (
                f"{SUBJECT}: is there already and differs in status, config.token: "
                "choose --existing update or --existing skip"
            )
        ]
        assert ran.error == "Nothing was written. Problems: 1; see above."
        assert not ran.out
        assert get().updated_at == row.updated_at
        assert PluginInstance.objects.count() == 1
        assert {SECRET, OTHER}.isdisjoint(ran.everything.split())

    def test_skip_leaves_it_and_goes_on(self, row: PluginInstance, folder: Path) -> None:
        """With --existing skip, an instance that differs stays, and new ones are made."""
        entries = (make_entry("other", config=VALID), make_entry(priority=1))
        ran = run_import(folder, *entries, args=("--existing", "skip"))
        assert ran.out.splitlines()[-3:] == [f"= {SUBJECT}: skip", "    priority: 5 -> 1", counts(created=1, left=1)]
        assert get().priority == 5
        assert get().updated_at == row.updated_at

    def test_update_changes_what_is_given(self, folder: Path) -> None:
        """With --existing update, columns and config change; a secret that was left out stays, byte by byte."""
        token = get().config["token"]
        config = {"account": "AC2", "token": KEPT, "spare": [OTHER]}
        ran = run_import(folder, make_entry(priority=None, config=config), args=("--existing", "update"))
        assert ran.out.splitlines() == [
            f"~ {SUBJECT}: update",
            "    priority: 5 -> null",
            '    config.account: "AC1" -> "AC2"',
            "    config.spare: [] -> nothing",
            "    config.spare.0: set",
            "    config.token: kept",
            counts(updated=1),
        ]
        row = get()
        assert (row.priority, row.status, row.config["account"]) == (None, "active", "AC2")
        assert row.config["token"] == token
        assert row.open_secrets() == {("token",): SECRET, ("spare", "0"): OTHER}

    def test_what_is_not_given_stays(self, folder: Path) -> None:
        """An entry without config, status or description leaves them as they are."""
        text = read_raw(get().pk)
        run_import(folder, make_entry(description="new"), args=("--existing", "update"))
        row = get()
        assert (row.description, row.priority) == ("new", 5)
        assert read_raw(row.pk) == text

    def test_a_new_secret_is_changed(self, folder: Path) -> None:
        """The diff says that a secret changes, not from what or to what."""
        entry = make_entry(config={**VALID, "token": OTHER})
        ran = run_import(folder, entry, args=("--existing", "update"))
        assert "    config.token: changed" in ran.out.splitlines()
        assert get().open_secrets() == {("token",): OTHER}

    def test_a_secret_becomes_a_reference_and_back(
        self, folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The diff shows the reference, and that there was a secret."""
        settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["SMS_*"]}
        monkeypatch.setenv("SMS_TOKEN", OTHER)
        args = ("--existing", "update")
        ran = run_import(folder, make_entry(config={**VALID, "token": {"$env": "SMS_TOKEN"}}), args=args)
        assert '    config.token: a secret -> {"$env": "SMS_TOKEN"}' in ran.out.splitlines()
        assert get().config["token"] == {"$env": "SMS_TOKEN"}
        assert "    config.token: set" in run_import(folder, make_entry(config=VALID), args=args).out.splitlines()
        assert_sealed(get())

    def test_an_unreadable_row_can_be_left_and_repaired(
        self, row: PluginInstance, folder: Path, settings: Settings
    ) -> None:
        """Its config stays as it is while the document says the same; a new secret makes it readable again."""
        text = read_raw(row.pk)
        settings.SECRET_KEY = "another"
        (entry,) = json.loads(run("pluginexport").out)["instances"]
        args = ("--existing", "update")
        assert run_import(folder, {**entry, "priority": 9}, args=args).out.endswith(counts(updated=1) + "\n")
        assert (get().priority, read_raw(row.pk)) == (9, text)
        ran = run_import(folder, {**entry, "config": {**entry["config"], "account": "AC2"}}, args=args)
        assert "config.token: encrypted with key" in ran.problems[0]
        ran = run_import(folder, {**entry, "config": {**entry["config"], "token": OTHER}}, args=args)
        assert "    config.token: changed" in ran.out.splitlines()
        assert get().open_secrets() == {("token",): OTHER}

    def test_the_whole_config_can_be_left_out(self, folder: Path) -> None:
        """``{"$redacted": true}`` in the place of all fields keeps all fields."""
        assert run_import(folder, make_entry(config=KEPT)).out == counts(unchanged=1) + "\n"
        ran = run_import(folder, make_entry("new", config=KEPT))
        assert "config: was left out, and there is nothing stored to keep" in ran.problems[0]


class TestDryRun:
    """Nothing is written, everything is said."""

    def test_it_shows_what_an_import_does(self, provider: PluginItem, folder: Path) -> None:
        """The list of changes and the counts are those of an import."""
        add_instance("main", provider)
        entries = (make_entry(priority=1), make_entry("new", config=VALID))
        dry = run_import(folder, *entries, args=("--dry-run", "--existing", "update"))
        assert [row.priority for row in PluginInstance.objects.all()] == [None]
        lines = dry.out.splitlines()
        assert lines[-2] == "Nothing was written; an import would do this:"
        wet = run_import(folder, *entries, args=("--existing", "update"))
        assert wet.out.splitlines() == [*lines[:-2], lines[-1]]
        assert wet.err == dry.err

    def test_it_shows_what_would_be_refused(self, provider: PluginItem, folder: Path) -> None:
        """It shows the differences of an instance that is there, and fails as the import would."""
        add_instance("main", provider)
        ran = run_import(folder, make_entry(priority=1), args=("--dry-run",))
        assert ran.out.splitlines()[:2] == [f"! {SUBJECT}: refuse", "    priority: null -> 1"]
        assert ran.error == "This would be refused. Problems: 1; see above."

    def test_quiet_means_counts_only(self, provider: PluginItem, folder: Path) -> None:
        """With --verbosity 0 the changes are not listed."""
        del provider
        assert run_import(folder, make_entry(config=VALID), args=("-v", "0")).out == counts(created=1) + "\n"


def test_standard_input_is_read_for_a_hyphen(
    provider: PluginItem, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """A pipe from another environment needs no file."""
    del provider
    content = (folder / write(folder, make_entry(config=VALID))).read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbf" + content)))
    assert run("pluginimport", "-").out.endswith(counts(created=1) + "\n")


def test_the_log_says_what_was_written(
    provider: PluginItem, folder: Path, caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: object
) -> None:
    """Each instance that was made or changed is logged by name, with what changed, and no value."""
    caplog.set_level(logging.DEBUG, "django_plugin_system")
    add_instance("main", provider)
    add_instance("same", provider)
    entries = (
        make_entry(priority=1, config={**VALID, "token": OTHER}),
        make_entry("new", config=VALID),
        make_entry("same"),
    )
    name = write(folder, *entries)
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        call_command("pluginimport", name, "--existing", "update", stdout=io.StringIO(), stderr=io.StringIO())
    assert [record.getMessage() for record in caplog.records if "pluginimport" in record.getMessage()] == [
        f"pluginimport: update {SUBJECT} (priority, config.token)",
        (
            f"pluginimport: create {SUBJECT[:-4]}new (status, priority, description, "
            "config.account, config.retries, config.spare, config.token)"
        ),
    ]
    assert OTHER not in caplog.text


def test_nothing_is_ever_deleted(all_kinds: dict[str, PluginItem], folder: Path) -> None:
    """Instances that the document does not name stay."""
    add_instance("main", all_kinds["provider"])
    before = set(PluginInstance.objects.values_list("pk", flat=True))
    run_import(folder, make_entry("new", config=VALID), args=("--existing", "update"))
    assert before < set(PluginInstance.objects.values_list("pk", flat=True))
    assert run_import(folder).out == counts() + "\n"
    assert get_item("provider").instances.count() == 2


@pytest.mark.django_db(transaction=True)
def test_listeners_are_told(provider: PluginItem, folder: Path) -> None:
    """Whoever listens to changes of instances learns of all that an import wrote, and of nothing else."""
    rows = [add_instance(name, provider) for name in ("main", "moved", "same")]
    told: set[Any] = set()

    def listen(ids: frozenset[Any], **_others: object) -> None:
        told.update(ids)

    plugin_instance_changed.connect(listen)
    entries = (make_entry(config={**VALID, "account": "AC2"}), make_entry("moved", priority=1), make_entry("same"))
    assert not run_import(folder, *entries, make_entry("new", config=VALID), args=("--existing", "update")).error
    plugin_instance_changed.disconnect(listen)
    assert told == {rows[0].pk, rows[1].pk, get("new").pk}
