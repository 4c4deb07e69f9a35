"""What an import refuses: all of it in one run, by name and path, without a value, and nothing is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from django.db import connection
from pydantic import BaseModel, SecretStr, field_validator

from django_plugin_system.models import PluginInstance, PluginItem, PluginType
from django_plugin_system.schema.tree import BoundTo
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.contrib.transfer.helpers import KEPT, Ran, declare, export, get, make_entry, run, run_import, write
from tests.support.plugins import SECRET, VALID, ConsoleSms, declare_item
from tests.support.rows import add_instance, get_item, read_raw

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db
OTHER = "another-planted-Secret"
UPDATE = ("--existing", "update")


def refuse(folder: Path, *entries: Any, args: tuple[str, ...] = UPDATE) -> list[str]:
    """Import what is refused; check that nothing was written or betrayed, and return the problems."""
    before = sorted(PluginInstance.objects.values_list("pk", "updated_at"))
    ran = run_import(folder, *entries, args=args)
    assert ran.error == f"Nothing was written. Problems: {len(ran.problems)}; see above."
    assert not ran.out
    assert sorted(PluginInstance.objects.values_list("pk", "updated_at")) == before
    assert SECRET not in ran.everything
    assert OTHER not in ran.everything
    dry = run_import(folder, *entries, args=(*args, "--dry-run"))
    assert dry.problems == ran.problems
    assert SECRET not in dry.everything
    assert OTHER not in dry.everything
    return ran.problems


class TestNames:
    """Types, items and modules that are not there."""

    @pytest.mark.parametrize(
        ("wrong", "wanted"),
        [
            ({"type": "smss"}, "provider (apps.items) of a plugin type smss (apps.sms)"),
            ({"manager": "apps.smss"}, "provider (apps.items) of a plugin type sms (apps.smss)"),
            ({"item": "provder"}, "provder (apps.items) of a plugin type sms (apps.sms)"),
            ({"module": "other"}, "provider (other) of a plugin type sms (apps.sms)"),
        ],
    )
    def test_a_wrong_name(self, provider: PluginItem, folder: Path, wrong: dict[str, str], wanted: str) -> None:
        """What is not there is named."""
        del provider
        (problem,) = refuse(folder, {**make_entry(config=VALID), **wrong})
        assert problem.endswith(f" / main: there is no item {wanted}: is its app installed here?")

    def test_an_item_that_was_not_synced(self, provider: PluginItem, folder: Path) -> None:
        """An item that code declares and the database does not know yet needs pluginsync, and that is said."""
        declare_item(ConsoleSms, "console")
        message = "the item is in the code, but not in the database yet: run manage.py pluginsync"
        assert refuse(folder, make_entry(item="console"))[0].endswith(message)
        PluginType.objects.all().delete()
        assert refuse(folder, make_entry(config=VALID))[0].endswith(message)
        del provider

    def test_an_item_without_code(self, provider: PluginItem, folder: Path, declared: Registry) -> None:
        """A config for a class that is gone cannot be checked, so it is refused, unless it is what is there."""
        add_instance("main", provider)
        declared.items.clear()
        (problem,) = refuse(folder, make_entry(config=VALID))
        assert "config: No class is registered for main (provider)" in problem
        entry = json.loads(run("pluginexport").out)["instances"][0]
        assert run_import(folder, entry).out.endswith("Unchanged: 1.\n")

    def test_the_same_instance_twice(self, provider: PluginItem, folder: Path) -> None:
        """One instance has one entry, however it is named."""
        del provider
        entries = (make_entry(config=VALID), {"type": "sms", "item": "provider", "name": "main", "config": VALID})
        assert refuse(folder, *entries) == ["sms / provider / main: stands twice in the document"]


class TestEntries:
    """Entries that are not what they should be."""

    @pytest.mark.parametrize(
        ("wrong", "messages"),
        [
            ({"prioritty": 1}, ["prioritty: Extra inputs are not permitted"]),
            ({"status": "on"}, ["status: Input should be 'active', 'reserve' or 'disable'"]),
            ({"status": ["active"]}, ["status: Input should be 'active', 'reserve' or 'disable'"]),
            ({"priority": True}, ["priority: Input should be a valid integer"]),
            ({"priority": 2**15}, ["priority: Input should be less than 32768"]),
            ({"priority": 1.5}, ["priority: Input should be a valid integer"]),
            ({"description": None}, ["description: Input should be a valid string"]),
            ({"description": "\x00"}, ["description: String should match pattern '^[^\\x00]*$'"]),
            (
                {"description": "\ud800"},
                ["description: Input should be a valid string, unable to parse raw data as a unicode string"],
            ),
            ({"config": [SECRET]}, ["config: Input should be a valid dictionary"]),
            ({"config": None}, ["config: Input should be a valid dictionary"]),
            ({"config_version": 0}, ["config_version: Input should be greater than or equal to 1"]),
            ({"config_version": True}, ["config_version: Input should be a valid integer"]),
            ({"config_version": 2**31}, ["config_version: Input should be less than 2147483648"]),
            ({"type": 5}, ["type: Input should be a valid string"]),
            ({"type": ""}, ["type: String should have at least 1 character"]),
            ({"type": "\x00"}, ["type: String should match pattern '^[^\\x00]*$'"]),
            ({"module": "x" * 101}, ["module: String should have at most 100 characters"]),
            (
                {"manager": None, "status": "x"},
                ["manager: Input should be a valid string", "status: Input should be 'active', 'reserve' or 'disable'"],
            ),
        ],
    )
    def test_a_wrong_value(
        self, provider: PluginItem, folder: Path, wrong: dict[str, Any], messages: list[str]
    ) -> None:
        """Each wrong value and each unknown key of an entry is named, by the position of the entry."""
        del provider
        found = refuse(folder, make_entry("fine", config=VALID), {**make_entry(config=VALID), **wrong})
        assert found == [f"entry 2 (main): {message}" for message in messages]

    @pytest.mark.parametrize("name", ["two words", "ümlaut", "", "a\n", 5, "x" * 101, SECRET + "!"])
    def test_a_wrong_name(self, provider: PluginItem, folder: Path, name: Any) -> None:
        """A name that the admin would not take is not taken here, and not quoted."""
        del provider
        (problem,) = refuse(folder, make_entry(name, config=VALID))
        assert problem.startswith("entry 1: name: ")

    def test_what_is_missing(self, provider: PluginItem, folder: Path) -> None:
        """An entry needs the names of its type, its item and itself."""
        del provider
        reasons = [f"{key}: Field required" for key in ("type", "item", "name")]
        assert refuse(folder, {}, "text") == [
            *(f"entry 1: {reason}" for reason in reasons),
            "entry 2: must be an object with a key for each value",
        ]

    def test_all_problems_in_one_run(self, provider: PluginItem, folder: Path) -> None:
        """Entries that are wrong in themselves do not hide what is wrong with the others."""
        del provider
        entries = (
            make_entry("one", status="x"),
            make_entry("two", item="none"),
            make_entry("three", config={"account": "XX", "token": OTHER, "typo": SECRET}),
            make_entry("four", config={"account": "AC1", "token": [OTHER]}),
            make_entry("fine", config=VALID),
        )
        problems = refuse(folder, *entries)
        assert [problem.partition(": ")[0].split(" ")[-1] for problem in problems] == ["(one)", "two", "three", "four"]
        assert "config.account: String should match pattern" in problems[2]
        assert "config.token: " in problems[3]


class Hosts(BaseModel):
    """A list of which each item has a secret."""

    class Host(BaseModel):
        """One item."""

        url: str
        tokens: list[SecretStr] = []

    hosts: list[Host] = []
    extra: dict[str, Any] = {}


def make_hosts(*hosts: tuple[str, list[Any]]) -> dict[str, Any]:
    """Return a config of ``Hosts``."""
    return {"hosts": [{"url": url, "tokens": tokens} for url, tokens in hosts]}


class TestLeftOut:
    """``{"$redacted": true}`` never is a value, and never gives one secret the place of another."""

    @pytest.fixture(autouse=True)
    def row(self, provider: PluginItem) -> PluginInstance:
        """Return an instance with two hosts that have a secret each."""
        del provider
        return add_instance("main", declare(Hosts), config=make_hosts(("a", [SECRET]), ("b", [OTHER])))

    def give(self, folder: Path, config: dict[str, Any]) -> list[str]:
        """Import a config that is refused."""
        return [problem.partition(" main: ")[2] for problem in refuse(folder, make_entry(item="shape", config=config))]

    def test_there_is_nothing_to_keep(self, folder: Path) -> None:
        """A new row, and a place at which nothing is stored, need a value: the path is named."""
        reason = "was left out, and there is nothing stored to keep: give the value, or a reference to it"
        assert refuse(folder, make_entry("new", config={"account": "AC1", "token": KEPT})) == [
            f"sms (apps.sms) / provider (apps.items) / new: config.token: {reason}"
        ]
        config = make_hosts(("a", [KEPT]), ("b", [KEPT]), ("c", [KEPT]))
        assert self.give(folder, config) == [f"config.hosts.2.tokens.0: {reason}"]

    @pytest.mark.parametrize(
        "hosts",
        [
            [("b", [KEPT]), ("a", [KEPT])],
            [("b", [KEPT])],
            [("a", [KEPT])],
            [("evil", [KEPT]), ("b", [KEPT])],
            [("new", ["x"]), ("a", [KEPT]), ("b", ["x"])],
        ],
        ids=["moved", "first gone", "last gone", "changed", "inserted"],
    )
    def test_a_list_that_changed(self, folder: Path, hosts: list[tuple[str, list[Any]]]) -> None:
        """An item that moved, or is another one by now, does not get the secret that is stored at its place."""
        for problem in self.give(folder, make_hosts(*hosts)):
            assert problem.endswith("so that it may belong to another item: give the value, or a reference to it")

    def test_a_list_that_grew(self, folder: Path) -> None:
        """Items that stay where they were keep their secrets when others are added behind them."""
        config = make_hosts(("a", [KEPT]), ("b", [KEPT]), ("c", ["third"]))
        assert not run_import(folder, make_entry(item="shape", config=config), args=UPDATE).error
        assert list(get().open_secrets().values()) == [SECRET, OTHER, "third"]

    @pytest.mark.parametrize(
        "value", [{"$redacted": 1}, {"$redacted": SECRET}, {"$redacted": True, "a": 1}, {"$redacted": False}]
    )
    def test_a_wrong_form(self, folder: Path, value: Any) -> None:
        """Only the very object that an export writes stands for what was left out."""
        (problem,) = self.give(folder, {**make_hosts(("a", [value]), ("b", [KEPT])), "extra": {}})
        assert problem.startswith("config.hosts.0.tokens.0: a value that was left out is written")

    def test_it_is_no_value_of_user_data_either(self, folder: Path) -> None:
        """Where no secret belongs, nothing but what is stored can be meant."""
        (problem,) = self.give(folder, {**make_hosts(("a", [KEPT]), ("b", [KEPT])), "extra": {"x": [KEPT]}})
        assert problem.startswith("config.extra.x.0: was left out, and there is nothing stored to keep")

    def test_a_token_is_not_imported(self, row: PluginInstance, folder: Path) -> None:
        """What the database stores for a secret opens nowhere else, and an old one must not come back."""
        token = row.config["hosts"][0]["tokens"][0]
        (problem,) = self.give(folder, make_hosts(("a", [token]), ("b", [KEPT])))
        assert "config.hosts.0.tokens.0: the stored secret (key " in problem
        assert "does not belong here or was altered" in problem
        assert self.give(folder, {"extra": {"$secret": 1}})[0].startswith(
            "config.extra: the stored secret is malformed"
        )


class Bound(BaseModel):
    """A secret that belongs to an endpoint."""

    endpoint: str
    token: Annotated[SecretStr, BoundTo("endpoint")]
    note: str = ""


def test_a_bound_secret_does_not_follow_another_endpoint(provider: PluginItem, folder: Path) -> None:
    """Whoever changes the endpoint in a document has to give the secret, too; other fields may change without it."""
    del provider
    add_instance("main", declare(Bound), config={"endpoint": "https://good", "token": SECRET})
    (problem,) = refuse(folder, make_entry(item="shape", config={"endpoint": "https://evil", "token": KEPT}))
    assert "config.token: belongs to endpoint, which was changed: enter this secret again" in problem
    fine = {"endpoint": "https://good", "token": KEPT, "note": "x"}
    assert not run_import(folder, make_entry(item="shape", config=fine), args=UPDATE).error
    assert get().open_secrets() == {("token",): SECRET}
    moved = {"endpoint": "https://new", "token": OTHER}
    assert not run_import(folder, make_entry(item="shape", config=moved), args=UPDATE).error
    assert get().open_secrets() == {("token",): OTHER}


class Chatty(BaseModel):
    """A validator that quotes what it refuses."""

    token: SecretStr
    other: str = ""

    @field_validator("token", "other")
    @classmethod
    def refuse(cls, value: Any) -> Any:
        """Refuse everything."""
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        raise ValueError(f"not {text}!")


def test_no_message_quotes_a_secret(provider: PluginItem, folder: Path) -> None:
    """Not even where the plugin's own validator does."""
    del provider
    declare(Chatty)
    (problem, _other) = refuse(folder, make_entry(item="shape", config={"token": SECRET, "other": f"x{SECRET}"}))
    assert "withheld" in problem


@pytest.mark.django_db(transaction=True)
def test_an_error_in_the_middle_undoes_what_came_before(provider: PluginItem, folder: Path) -> None:
    """All is written in one transaction: where the last statement fails, nothing is left of the others."""
    row = add_instance("one", provider)

    def fail(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        if sql.startswith('INSERT INTO "django_plugin_system_plugininstance"'):
            assert PluginInstance.objects.filter(priority=7).exists()
            raise OSError
        return execute(sql, *args)

    name = write(folder, make_entry("one", priority=7), make_entry("two", config=VALID))
    with connection.execute_wrapper(fail), pytest.raises(OSError):  # noqa: PT011 - raised above
        run("pluginimport", name, *UPDATE)
    assert list(PluginInstance.objects.values_list("pk", "priority")) == [(row.pk, None)]


def test_a_terminal_gets_no_orders(provider: PluginItem, folder: Path) -> None:
    """Control characters of a document are shown as escapes."""
    ran = run_import(folder, make_entry(description="\x1b[2J\u202e\r", config=VALID))
    assert r'"\u001b[2J\u202e\r"' in ran.out
    wrong = run_import(folder, {**make_entry(), "type": "\x1b[2J\x9b"})
    assert r"a plugin type \x1b[2J\x9b (apps.sms)" in wrong.err
    del provider


def test_nothing_else_changes(all_kinds: dict[str, PluginItem], folder: Path) -> None:
    """A refused document leaves every row byte by byte as it was."""
    row = add_instance("main", all_kinds["provider"])
    text = read_raw(row.pk)
    refuse(folder, make_entry(config={**VALID, "token": OTHER}), make_entry("x", item="console", config={"a": 1}))
    assert read_raw(row.pk) == text
    assert get_item().instances.get() == row
    assert isinstance(run("pluginexport"), Ran)
    assert len(export()) == 4
    assert sync_registered_plugins_to_db().items_created == 0
