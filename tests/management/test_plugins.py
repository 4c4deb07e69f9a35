"""``manage.py plugins``: what an operator does without a browser."""

from __future__ import annotations

import datetime as dt
import getpass
import io
import sys
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_plugin_system.management import instances
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.register import plugin_item
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.management.helpers import CheckedSms, Terminal, declare_checked, run
from tests.support.health import set_health
from tests.support.plugins import SECRET, VALID, AbstractSms, ConsoleSms, ProviderSms, declare_item
from tests.support.rows import add_instance, get_item, read_raw, reload, write_raw

if TYPE_CHECKING:
    from pytest_django import Settings

    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db
OTHER = "another-planted-Secret"


@pytest.fixture
def gateway() -> PluginItem:
    """Return an item whose connection can be tested."""
    return declare_checked()


@pytest.fixture
def main(gateway: PluginItem) -> PluginInstance:
    """Return an instance of it."""
    return add_instance("main", gateway)


def give(monkeypatch: pytest.MonkeyPatch, text: str, *, terminal: bool = False) -> None:
    """Have ``text`` on standard input."""
    stream: Any = Terminal(text) if terminal else io.StringIO(text)
    monkeypatch.setattr(sys, "stdin", stream)


def load(row: PluginInstance) -> Any:
    """Return the configuration that is stored by now."""
    return reload(row).load_config()


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> list[str]:
    """Have a person type ``text`` that is not shown; return what is asked."""
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return text

    monkeypatch.setattr(getpass, "getpass", ask)
    return asked


class TestList:
    """A row for each instance."""

    def test_it_says_who_can_be_used(self, main: PluginInstance, gateway: PluginItem) -> None:
        """Each has a line, by type and name, with the reason why it cannot be used, if so."""
        add_instance("other", gateway, status="disable", priority=7)
        assert [line.split() for line in run("plugins", "list").lines] == [
            ["TYPE", "NAME", "SCOPE", "ITEM", "STATUS", "PRIORITY", "STATE"],
            ["sms", "main", "gateway", "active", "0", "usable"],
            ["sms", "other", "gateway", "disable", "7", "disabled"],
        ]
        assert [one["name"] for one in run("plugins", "list", "--json", "--unusable").data] == ["other"]
        assert [one["name"] for one in run("plugins", "list", "--json", "--name", "main").data] == ["main"]
        data = run("plugins", "list", "--json", "--type", "apps.sms/sms").data
        assert [one["name"] for one in data] == ["main", "other"]
        assert data[0]["id"] == str(main.pk)

    def test_none(self, gateway: PluginItem) -> None:
        """An empty list is no error."""
        del gateway
        assert run("plugins", "list").out == "There are none.\n"
        assert run("plugins", "list", "--json").data == []

    def test_a_terminal_gets_what_fits_in_colours(self, gateway: PluginItem, monkeypatch: pytest.MonkeyPatch) -> None:
        """No line is wider than the terminal; the state has a colour there, and there only."""
        add_instance("a" * 90, gateway, status="disable")
        monkeypatch.setenv("COLUMNS", "60")
        shown = run("plugins", "list", out=Terminal(), force_color=True).out
        assert "\x1b[" in shown
        plain = run("plugins", "list", out=Terminal(), no_color=True).lines
        assert max(map(len, plain)) <= 60
        assert "…" in plain[1]
        assert "a" * 90 in run("plugins", "list", force_color=True).out
        assert "\x1b" not in run("plugins", "list", force_color=True).out

    def test_it_is_read_page_by_page(self, gateway: PluginItem, monkeypatch: pytest.MonkeyPatch) -> None:
        """However many there are, a page of rows at a time is in memory."""
        monkeypatch.setattr(instances, "PAGE", 2)
        PluginInstance.objects.bulk_create(
            [PluginInstance(item=gateway, name=f"n{number}", config=VALID) for number in range(5)]
        )
        with CaptureQueriesContext(connection) as queries:
            assert [one["name"] for one in run("plugins", "list", "--json").data] == [f"n{n}" for n in range(5)]
        assert len(queries) == 4

    def test_nothing_obeys_what_is_stored(self, declared: Registry, gateway: PluginItem) -> None:
        """Control characters in the names of items are shown as escapes, everywhere."""
        del declared, gateway
        plugin_item(AbstractSms, name="bad\x1b[2J", module="m")(ConsoleSms)
        sync_registered_plugins_to_db()
        for args in (("list",), ("show", "default"), ("explain", "sms"), ("disable", "default"), ("list", "--json")):
            shown = run("plugins", *args).everything
            assert "\x1b" not in shown
            assert "bad\\" in shown


class TestNames:
    """Which instance is meant."""

    def test_a_name_that_several_have(self, main: PluginInstance) -> None:
        """It is refused with all that may be meant; item/name, type/item/name and the id are enough."""
        declare_item(ProviderSms, "b/c")
        sync_registered_plugins_to_db()
        other = add_instance("main", get_item("b/c"))
        ran = run("plugins", "show", "main")
        assert (ran.code, ran.out) == (2, "")
        assert (
            f"say item/name, type/item/name, --scope or the id: sms/b/c/main ({other.pk}), sms/gateway/main"
            in ran.error
        )
        for name, row in (("gateway/main", main), ("sms/b/c/main", other), ("b/c/main", other), (str(other.pk), other)):
            assert run("plugins", "show", name, "--json").data["id"] == str(row.pk)

    def test_a_name_in_several_scopes(self, main: PluginInstance) -> None:
        """The scope tells them apart, an empty one means everybody's; what is asked in a scope is explained in it."""
        own = add_instance("main", main.item, scope="acme")
        assert f"sms/gateway/main of acme ({own.pk})" in run("plugins", "show", "main").error
        for scope, row in (("acme", own), ("", main)):
            assert run("plugins", "show", "main", "--scope", scope, "--json").data["id"] == str(row.pk)
            assert [one["id"] for one in run("plugins", "list", "--scope", scope, "--json").data] == [str(row.pk)]
        chosen = run("plugins", "explain", "sms", "--name", "main", "--scope", "acme", "--json").data["chosen"]
        assert chosen == str(own.pk)
        ran = run("plugins", "disable", "main", "--scope", "acme")
        assert ran.out == "main (gateway) of acme is disabled; main (gateway) serves sms (apps.sms) named main now.\n"

    def test_many_of_one_name(self, main: PluginInstance) -> None:
        """Not all of them are listed."""
        del main
        for number in range(11):
            declare_item(type("Sms", (ProviderSms,), {}), f"i{number}")
        sync_registered_plugins_to_db()
        for item in PluginItem.objects.exclude(name="gateway"):
            add_instance("main", item)
        assert run("plugins", "show", "main").error.endswith(", ....")

    @pytest.mark.parametrize("name", ["none", "item/main", "a\0", "\ud800", "00000000-0000-0000-0000-000000000000"])
    def test_a_name_that_is_not_there(self, main: PluginInstance, name: str) -> None:
        """It is an error of its own kind."""
        del main
        ran = run("plugins", "show", name)
        assert ran.code == 2
        assert ran.error.startswith("There is no instance ")

    def test_a_type_that_is_not_there(self, gateway: PluginItem, declared: Registry) -> None:
        """The types that are there are listed."""
        del gateway
        assert run("plugins", "explain", "smss").error == "There is no plugin type smss; there are: apps.sms/sms."
        declared.types.clear()
        assert run("plugins", "explain", "sms").error == "There is no plugin type sms; there are: none."


class TestShow:
    """All that an operator may see."""

    def test_secrets_are_left_out(self, main: PluginInstance) -> None:
        """State and configuration are there, and since when each secret is stored."""
        ran = run("plugins", "show", "main")
        assert SECRET not in ran.everything
        assert '  token: {"$redacted": true}' in ran.lines
        assert "  account: AC1" in ran.lines
        assert "usable: True" in ran.lines
        shown = run("plugins", "show", "main", "--json").data
        assert shown["config"]["account"] == "AC1"
        assert dt.datetime.fromisoformat(shown["secrets_stored"]["token"]) <= timezone.now()
        assert shown["last_tested_at"] is None
        assert shown["id"] == str(main.pk)


class TestSet:
    """One field is changed, the rest stays."""

    def test_a_secret_comes_from_standard_input(self, main: PluginInstance, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is stored encrypted and never shown; other tokens stay byte by byte."""
        row = add_instance("two", main.item, config={**VALID, "spare": [SECRET]})
        give(monkeypatch, f"{OTHER}\n")
        ran = run("plugins", "set", "two", "token", "--stdin")
        assert ran.out == "token of two (gateway) is set.\n"
        assert OTHER not in ran.everything + read_raw(row.pk)
        assert reload(row).open_secrets() == {("token",): OTHER, ("spare", "0"): SECRET}
        assert reload(row).config["spare"] == row.config["spare"]

    @pytest.mark.parametrize(
        ("field", "text", "stored"),
        [
            ("account", "AC22", {"account": "AC22"}),
            ("retries", "5", {"retries": 5}),
            ("spare", '["x", "y"]', {}),
            ("spare.0", "x", {}),
            ("spare.1", '{"$env": "SMS_SPARE"}', {}),
        ],
    )
    def test_any_field(
        self,
        main: PluginInstance,
        monkeypatch: pytest.MonkeyPatch,
        settings: Settings,
        field: str,
        text: str,
        stored: Any,
    ) -> None:
        """Text is text where that fits, else what it says as JSON; a reference is one everywhere."""
        settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["SMS_*"]}
        monkeypatch.setenv("SMS_SPARE", OTHER)
        row = add_instance("two", main.item, config={**VALID, "spare": ["one"]})
        give(monkeypatch, text)
        assert not run("plugins", "set", "two", field, "--stdin").error
        config = reload(row).config
        assert config.items() >= stored.items()
        values = [one.get_secret_value() for one in load(row).spare]
        assert values == {"spare": ["x", "y"], "spare.0": ["x"], "spare.1": ["one", OTHER]}.get(field, ["one"])

    @pytest.mark.parametrize(
        ("field", "text", "problem"),
        [
            ("account", "XX", "account: String should match pattern"),
            ("retries", "many", "retries: Input should be a valid integer"),
            ("retries", "[1]", "retries: Input should be a valid integer"),
            ("retries", '"x"', "retries: Input should be a valid integer"),
            ("typo", "x", "typo"),
            ("typo.deeper", "x", "typo"),
            ("account.x", "x", "x: there is no such place in what is stored"),
            ("spare.7", "x", "7: there is no such place in what is stored"),
            ("spare.x", "x", "x: there is no such place in what is stored"),
            ("token", "**********", "token: is a mask"),
        ],
    )
    def test_what_is_refused(
        self, main: PluginInstance, monkeypatch: pytest.MonkeyPatch, field: str, text: str, problem: str
    ) -> None:
        """What is not valid is refused with the place, and nothing is written."""
        give(monkeypatch, text)
        before = read_raw(main.pk)
        ran = run("plugins", "set", "main", field, "--stdin")
        assert (ran.code, problem in ran.error, read_raw(main.pk)) == (1, True, before)

    def test_a_value_can_be_taken_away(self, main: PluginInstance) -> None:
        """Then the default counts; a value that is needed cannot be."""
        row = add_instance("two", main.item, config={**VALID, "retries": 9, "spare": ["a", "b"]})
        assert run("plugins", "set", "two", "retries", "--unset").out == "retries of two (gateway) is unset.\n"
        assert not run("plugins", "set", "two", "spare.0", "--unset").error
        assert load(row).retries == 3
        assert len(load(row).spare) == 1
        assert "token: Field required" in run("plugins", "set", "two", "token", "--unset").error

    def test_a_person_is_asked(self, main: PluginInstance, monkeypatch: pytest.MonkeyPatch) -> None:
        """On a terminal a secret is asked for without showing it, any other value in the open."""
        asked = answer(monkeypatch, OTHER)
        give(monkeypatch, "AC7\n", terminal=True)
        assert not run("plugins", "set", "main", "token").error
        assert not run("plugins", "set", "main", "account").error
        assert asked == ["token of main (gateway): "]
        assert reload(main).open_secrets() == {("token",): OTHER}
        assert reload(main).config["account"] == "AC7"

    def test_what_may_be_a_secret_is_not_shown_either(
        self, main: PluginInstance, monkeypatch: pytest.MonkeyPatch, declared: Registry
    ) -> None:
        """A place that is not there, and the config of a class that is gone, are asked for as a secret is."""
        asked = answer(monkeypatch, "x")
        give(monkeypatch, "", terminal=True)
        assert run("plugins", "set", "main", "spare.9").error
        declared.items.clear()
        assert "No class is registered" in run("plugins", "set", "main", "account").error
        assert len(asked) == 2
        del main

    def test_nobody_can_be_asked(self, main: PluginInstance, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a terminal, --stdin has to be said."""
        del main
        give(monkeypatch, OTHER)
        assert run("plugins", "set", "main", "token").error == "Nobody can be asked here: give the value by --stdin."

    def test_an_unreadable_secret_can_be_entered_again(
        self, main: PluginInstance, monkeypatch: pytest.MonkeyPatch, settings: Settings
    ) -> None:
        """So a row is repaired whose key is gone."""
        settings.SECRET_KEY = "another"
        give(monkeypatch, OTHER)
        assert not run("plugins", "set", "main", "token", "--stdin").error
        assert reload(main).open_secrets() == {("token",): OTHER}


class TestStatus:
    """Instances are taken out of use and put back."""

    def test_disable_says_who_serves_then(self, main: PluginInstance) -> None:
        """Another instance of the same name, or nobody."""
        assert run("plugins", "disable", "main").out == (
            "main (gateway) is disabled; nobody serves sms (apps.sms) named main now.\n"
        )
        assert reload(main).status == "disable"
        declare_item(ProviderSms, "second")
        sync_registered_plugins_to_db()
        second = add_instance("main", get_item("second"))
        assert run("plugins", "enable", "gateway/main").out == "main (gateway) is enabled.\n"
        assert "; main (second) serves" in run("plugins", "disable", "gateway/main").out
        shown = run("plugins", "disable", "gateway/main", "--json").data
        assert (shown["serves_now"], shown["usable"]) == (str(second.pk), False)

    def test_enable_says_what_is_still_in_the_way(self, main: PluginInstance) -> None:
        """A disabled item, for example."""
        PluginItem.objects.update(status="disable")
        assert run("plugins", "enable", "main", "--reserve").out == (
            "main (gateway) is enabled, but not used: its item is disabled.\n"
        )
        assert reload(main).status == "reserve"

    def test_enable_ends_a_cooldown(self, main: PluginInstance) -> None:
        """An operator knows better: also of an instance that a file manages, whose status does not change by it."""
        set_health([main], unavailable_until=timezone.now() + dt.timedelta(hours=1))
        PluginInstance.objects.update(managed_by="plugins.json")
        assert "cooling down" in run("plugins", "list").out
        assert run("plugins", "enable", "main").out == "main (gateway) is enabled.\n"
        assert reload(main).unavailable_until is None

    def test_disable_where_the_type_is_gone(self, main: PluginInstance, declared: Registry) -> None:
        """Then nobody serves."""
        del main
        declared.types.clear()
        assert "nobody serves" in run("plugins", "disable", "main").out


@pytest.mark.django_db(transaction=True)
class TestTest:
    """Connections are tried."""

    def test_one(self, main: PluginInstance) -> None:
        """What comes of it is shown and kept."""
        assert run("plugins", "test", "main").out == "main (gateway): passed: AC1\n"
        assert reload(main).last_tested_at is not None

    def test_all(self, main: PluginInstance) -> None:
        """Each is tried that is not disabled, with its number; one that fails makes the command fail."""
        add_instance("down", main.item, config={**VALID, "account": "AC-down"})
        add_instance("off", main.item, status="disable")
        declare_item(ConsoleSms, "console")
        sync_registered_plugins_to_db()
        ran = run("plugins", "test", "--all")
        assert [ran.lines[0], ran.lines[2]] == ["[1/3] default (console): no test", "[3/3] main (gateway): passed: AC1"]
        assert ran.lines[1].startswith("[2/3] down (gateway): failed: ConnectionError")
        assert (ran.error, ran.code) == ("Tests that failed: 1 of 3.", 1)
        assert SECRET not in ran.everything
        found = run("plugins", "test", "main", "down", "--json").data
        assert [one["result"] for one in found] == ["passed", "failed"]

    def test_what_is_not_said(self, main: PluginInstance) -> None:
        """Either names or --all."""
        del main
        assert run("plugins", "test").code == 2
        assert run("plugins", "test", "main", "--all").code == 2

    def test_no_place_for_it(self, main: PluginInstance, monkeypatch: pytest.MonkeyPatch) -> None:
        """A test that could not begin says nothing about the instance, so nothing is kept."""
        monkeypatch.setattr("django_plugin_system.selection.trial.MOST_AT_ONCE", 0)
        monkeypatch.setattr("django_plugin_system.selection.trial._places.acquire", lambda **_options: False)
        assert run("plugins", "test", "main").code == 1
        assert reload(main).last_tested_at is None


class TestExplain:
    """Who serves, and why not the others."""

    def test_candidates_in_order(self, main: PluginInstance) -> None:
        """The chosen one is marked; a name that nobody serves ends with an error."""
        add_instance("off", main.item, status="disable")
        shown = [line.split() for line in run("plugins", "explain", "sms").lines]
        assert shown[1:] == [
            ["->", "gateway", "main", "active", "0", "usable"],
            ["gateway", "off", "disable", "0", "disabled"],
        ]
        data = run("plugins", "explain", "sms", "--json").data
        assert (data["chosen"], [one["usable"] for one in data["candidates"]]) == (str(main.pk), [True, False])
        ran = run("plugins", "explain", "sms", "--name", "off")
        assert (ran.error, ran.code) == ("Nobody serves sms (apps.sms) named off now.", 1)

    def test_the_first_ones(self, gateway: PluginItem) -> None:
        """Beyond the limit only the one that serves is shown, wherever it is."""
        for number in range(5):
            row = add_instance(f"n{number}", gateway)
            if number < 4:
                write_raw(row.pk, config={})
        data = run("plugins", "explain", "sms", "--limit", "1", "--json").data
        assert [one["name"] for one in data["candidates"]] == ["n0", "n4"]

    def test_a_type_that_chooses_itself(self, declared: Registry) -> None:
        """Its own choice is explained."""
        del declared
        declare_checked(get_plugin=lambda *_args, **_kwargs: PluginInstance.objects.get(name="two"))
        for name in ("one", "two"):
            add_instance(name, get_item("gateway"))
        data = run("plugins", "explain", "sms", "--json").data
        assert data["chosen"] == str(PluginInstance.objects.get(name="two").pk)


def test_update_config_changes_one_thing(main: PluginInstance) -> None:
    """The contract's way to change a configuration: a model in, a model or a mapping out, validated, under the lock."""
    PluginInstance.objects.update_config(main.pk, lambda config: config.model_copy(update={"retries": 8}))
    assert load(main).retries == 8
    assert reload(main).config["token"] == main.config["token"]
    row = PluginInstance.objects.update_config(main.pk, lambda _config: {**VALID, "account": "AC5"})
    assert row.config["account"] == "AC5"
    with pytest.raises(PluginInstance.DoesNotExist):
        PluginInstance.objects.update_config(get_item("gateway").pk, lambda config: config)
    assert CheckedSms.config_schema
