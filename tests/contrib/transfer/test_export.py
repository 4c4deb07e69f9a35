"""``pluginexport``: what leaves the database, in which order, and what never does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from pydantic import BaseModel, SecretStr

from tests.contrib.transfer.helpers import KEPT, declare, export, make_entry, run
from tests.support.plugins import SECRET, VALID, ConsoleSms, ProviderSmsV2, declare_item, declare_type
from tests.support.rows import add_instance, get_item, read_raw, write_raw

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

    from django_plugin_system.models import PluginItem
    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db
DEFAULTS: dict[str, Any] = {"status": "active", "priority": None, "description": "", "config_version": 1}
CONFIG = {"account": "AC1", "retries": 3, "spare": [KEPT], "token": KEPT}


def test_an_instance_is_written_by_names_without_its_secrets(provider: PluginItem) -> None:
    """The document knows an instance by names, gives its columns and its config, and stands in for each secret."""
    config = {**VALID, "spare": [SECRET]}
    add_instance("main", provider, status="reserve", priority=4, description="Zwei\nZeilen", config=config)
    values: dict[str, Any] = {"status": "reserve", "priority": 4, "description": "Zwei\nZeilen", "config_version": 1}
    ran = run("pluginexport")
    assert json.loads(ran.out) == {
        "format": "django-plugin-system",
        "version": 1,
        "instances": [make_entry(**values, config=CONFIG)],
    }
    assert ran.err == "Instances exported: 1.\n"
    assert SECRET not in ran.everything


def test_the_text_is_the_same_at_every_export(all_kinds: dict[str, PluginItem]) -> None:
    """Entries are sorted by names, and fields are in the order of their class, so that a diff shows what changed."""
    for name in ("b", "B", "a", "-"):
        add_instance(name, all_kinds["provider"])
    names = [(entry["item"], entry["name"]) for entry in export()]
    assert names == sorted(names)
    assert list(export()[-1]["config"]) == ["account", "token", "retries", "spare"]
    assert run("pluginexport").out == run("pluginexport").out


def test_some_can_be_picked(all_kinds: dict[str, PluginItem]) -> None:
    """Types, items and instances are picked by name, each option more than once; all options have to fit."""
    for name in ("one", "two", "three"):
        add_instance(name, all_kinds["provider"])
    assert [entry["name"] for entry in export("--name", "one", "--name", "two", "--type", "sms")] == ["one", "two"]
    assert {entry["item"] for entry in export("--item", "console", "--item", "lenient")} == {"console", "lenient"}
    ran = run("pluginexport", "--item", "console", "--name", "one")
    assert ran.error == "No instance has these names."
    assert not ran.out


def test_an_empty_database_gives_an_empty_document(provider: PluginItem) -> None:
    """No instance is no error, as long as nothing was asked for by name."""
    del provider
    assert export() == []


def test_secrets_become_references_on_request(provider: PluginItem, settings: Settings) -> None:
    """Each secret is an environment variable of its own, and the names to set are listed."""
    settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["SMS_*"]}
    add_instance("main", provider, config={**VALID, "spare": [SECRET]})
    ran = run("pluginexport", "--secrets", "env")
    config = json.loads(ran.out)["instances"][0]["config"]
    assert config["token"] == {"$env": "SMS_PROVIDER_MAIN_TOKEN"}
    assert config["spare"] == [{"$env": "SMS_PROVIDER_MAIN_SPARE_0"}]
    assert ran.err.splitlines()[2:] == ["- SMS_PROVIDER_MAIN_SPARE_0", "- SMS_PROVIDER_MAIN_TOKEN"]


def test_names_that_the_settings_do_not_list_are_pointed_out(provider: PluginItem) -> None:
    """Without a setting for references, the export says which one an import will need; quiet, it says nothing."""
    add_instance("main", provider)
    assert "PLUGIN_SYSTEM['ENV_REFERENCES']" in run("pluginexport", "--secrets", "env").err
    assert not run("pluginexport", "--secrets", "env", "-v", "0").err


def test_references_leave_as_they_are(
    provider: PluginItem, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored as a reference is exported as one, never what it stands for, whether it can be followed or not."""
    settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["SMS_TOKEN", "SMS_ACCOUNT"]}
    monkeypatch.setenv("SMS_TOKEN", SECRET)
    monkeypatch.setenv("SMS_ACCOUNT", "AC-from-outside")
    config = {"account": {"$env": "SMS_ACCOUNT"}, "token": {"$env": "SMS_TOKEN"}, "spare": [SECRET]}
    add_instance("main", provider, config=config)
    wanted = [{**config, "spare": [KEPT], "retries": 3}]
    assert [entry["config"] for entry in export()] == wanted
    monkeypatch.delenv("SMS_TOKEN")
    assert [entry["config"] for entry in export()] == wanted


def test_an_older_configuration_leaves_in_its_new_form(provider: PluginItem, declared: Registry) -> None:
    """A row that was stored by an older version of its class is exported as the class knows it today."""
    add_instance("main", provider)
    declared.items.clear()
    declare_item(ProviderSmsV2)
    (entry,) = export()
    assert entry["config_version"] == 2
    assert entry["config"] == {"account": "AC1", "region": "eu", "token": KEPT}


class Loose(BaseModel):
    """A configuration before somebody saw that one of its fields is a secret."""

    token: str
    more: dict[str, Any] = {}


class Strict(BaseModel):
    """The same, later."""

    token: SecretStr
    more: dict[str, Any] = {}
    needed: int = 1


class Pairs(BaseModel):
    """Tuples with a secret."""

    pair: tuple[int, SecretStr]
    pairs: list[tuple[int, SecretStr]]


class Login(BaseModel):
    """What was plain text once."""

    pin: SecretStr


class Reshaped(BaseModel):
    """Secrets that had other names and forms."""

    host: str
    login: Login
    tokens: dict[str, SecretStr] = {}
    source: Login | None = None
    other: dict[str, str] = {}


PAIRS = {"pair": [1, SECRET], "pairs": []}


def deep(levels: int) -> dict[str, Any]:
    """Return objects inside one another."""
    return {"a": deep(levels - 1)} if levels else {}


def test_plain_text_that_became_a_secret_does_not_leave(declared: Registry) -> None:
    """What the class declares a secret by now is left out, even if it is stored in plain text still."""
    declare_type()
    declare(Loose)
    add_instance("main", get_item("shape"), config={"token": SECRET})
    declared.items.clear()
    declare(Strict)
    ran = run("pluginexport")
    assert not ran.error
    assert SECRET not in ran.everything
    assert json.loads(ran.out)["instances"][0]["config"]["token"] == KEPT


def test_what_newer_code_stored_beside_does_not_leave(declared: Registry, folder: Path) -> None:
    """A key that the class does not know may hold a secret, so it stays; an import of the export carries it along."""
    del declared
    declare_type()
    row = add_instance("main", declare(Strict), config={"token": SECRET})
    write_raw(row.pk, config={**row.config, "password": SECRET, "region": "eu"})
    ran = run("pluginexport")
    assert not ran.error
    assert SECRET not in ran.everything
    assert list(json.loads(ran.out)["instances"][0]["config"]) == ["token", "more", "needed"]
    (folder / "document.json").write_text(ran.out)
    assert run("pluginimport", "document.json").out.endswith("Unchanged: 1.\n")
    (folder / "document.json").write_text(ran.out.replace('"needed": 1', '"needed": 2'))
    assert not run("pluginimport", "document.json", "--existing", "update").error
    assert json.loads(read_raw(row.pk)).items() >= {"password": SECRET, "region": "eu", "needed": 2}.items()


class TestWhatCannotBeRead:
    """Rows that cannot be read are exported as they are stored, named, and make the command fail."""

    def export(self) -> tuple[dict[str, Any], str]:
        """Return the one entry of an export that fails, and what is said about it."""
        ran = run("pluginexport")
        assert SECRET not in ran.everything
        assert ran.error.startswith("Configurations that could not be read, exported as they are stored: 1; see above.")
        (problem,) = ran.problems
        (entry,) = json.loads(ran.out)["instances"]
        return entry, problem

    def test_the_code_is_gone(self, provider: PluginItem, declared: Registry) -> None:
        """Without its class, a row keeps what is no token."""
        add_instance("main", provider)
        declared.items.clear()
        entry, problem = self.export()
        assert entry == make_entry(**DEFAULTS, config={**CONFIG, "spare": []})
        assert problem == "sms (apps.sms) / provider (apps.items) / main: class not registered: is its app installed?"

    def test_the_key_is_gone(self, provider: PluginItem, settings: Settings) -> None:
        """A secret that cannot be opened is left out like any other; the key is named."""
        add_instance("main", provider)
        settings.SECRET_KEY = "another"
        entry, problem = self.export()
        assert entry["config"]["token"] == KEPT
        assert "secret unreadable: token: encrypted with key" in problem

    def test_newer_code_stored_it(self, provider: PluginItem) -> None:
        """A newer row keeps its version; where today's class has a secret, nothing in the clear leaves."""
        config = {"account": "AC1", "token": SECRET, "spare": [SECRET, None], "other": 1}
        write_raw(add_instance("main", provider).pk, config=config, config_version=7)
        entry, problem = self.export()
        assert entry["config_version"] == 7
        assert entry["config"] == {"account": "AC1", "token": KEPT, "spare": [KEPT, None], "other": 1}
        assert "stored by a newer version (7, this code knows 1)" in problem

    def test_it_no_longer_fits(self, provider: PluginItem) -> None:
        """An invalid config is exported with everything left out that may be a secret, whatever its shape."""
        config = {"account": "XX", "token": {"nested": SECRET}, "spare": {"not": SECRET, "a": "list"}}
        write_raw(add_instance("main", provider).pk, config=config)
        entry, problem = self.export()
        assert entry["config"] == {"account": "XX", "token": KEPT, "spare": {"a": KEPT, "not": KEPT}}
        assert "config invalid: account:" in problem

    def test_a_list_where_fields_belong(self, declared: Registry) -> None:
        """Positions of a tuple are known one by one; what is of another shape than its type may be a secret."""
        del declared
        declare_type()
        item = declare(Pairs)
        write_raw(add_instance("main", item, config=PAIRS).pk, config={"pair": [1, SECRET], "pairs": 5})
        entry, _problem = self.export()
        assert entry["config"] == {"pair": [1, KEPT], "pairs": KEPT}

    def test_a_secret_of_a_former_shape(self, declared: Registry) -> None:
        """What the class does not declare, or otherwise, may be a secret that older code stored in plain text."""
        del declared
        declare_type()
        item = declare(Reshaped)
        former = {"password": SECRET, "login": SECRET, "extra": {"pin": [SECRET, None]}, "tokens": {"a": [SECRET]}}
        kept: dict[str, Any] = {"host": "h", "other": {"a": "b"}, "source": {"$env": "NOT_SET"}}
        row = add_instance("main", item, config={"host": "h", "login": {"pin": SECRET}})
        write_raw(row.pk, config={**former, **kept})
        hidden = {"password": KEPT, "login": KEPT, "extra": {"pin": [KEPT, None]}, "tokens": {"a": KEPT}}
        assert [entry["config"] for entry in export()] == [{**hidden, **kept}]  # a reference to what is not set here
        kept["source"] = None
        write_raw(row.pk, config={**former, **kept})
        entry, _problem = self.export()
        assert entry["config"] == {**hidden, **kept}

    def test_it_takes_no_configuration_any_more(self, provider: PluginItem, declared: Registry) -> None:
        """What a class stored that now takes none is not lost."""
        add_instance("main", provider)
        declared.items.clear()
        declare_item(ConsoleSms)
        entry, problem = self.export()
        assert entry["config"]["account"] == "AC1"
        assert problem.endswith(": its class takes no configuration any more")

    def test_a_key_that_documents_use(self, declared: Registry) -> None:
        """User data that looks like something left out is left out, and not in silence."""
        del declared
        declare_type()
        item = declare(Strict)
        more = {"a": [{"$redacted": "mine"}], "b": 1}
        add_instance("main", item, config={"token": SECRET, "more": more})
        entry, problem = self.export()
        assert entry["config"]["more"] == {"a": [KEPT], "b": 1}
        assert problem.endswith("more.a.0: $redacted is a key of documents, so what stands there is left out")
        ran = run("pluginexport", "--secrets", "env")
        assert json.loads(ran.out)["instances"][0]["config"]["more"]["a"] == [KEPT]

    @pytest.mark.parametrize("config", [[SECRET], deep(150)], ids=["list", "deep"])
    def test_what_only_raw_sql_stores(self, provider: PluginItem, config: Any) -> None:
        """What is no object, or nested without end, does not break the export of the rest."""
        write_raw(add_instance("main", provider).pk, config=config)
        entry, problem = self.export()
        assert entry["config"] == {}
        assert "left out" in problem


def test_an_untouched_default_stays_empty(all_kinds: dict[str, PluginItem]) -> None:
    """The instance that the sync made is exported as it is, without the defaults of its class."""
    del all_kinds
    assert [entry["config"] for entry in export("--item", "lenient")] == [{}]


def test_a_number_that_no_document_can_say_breaks_no_export(provider: PluginItem) -> None:
    """Raw SQL left an infinite one; that place is left out, and every other row is written."""
    for name in ("main", "other"):
        add_instance(name, provider)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE django_plugin_system_plugininstance SET config = REPLACE(config, %s, %s) WHERE name = 'main'",
            ['"retries": 3', '"retries": 1e400'],
        )
    ran = run("pluginexport")
    entries = {entry["name"]: entry["config"] for entry in json.loads(ran.out)["instances"]}
    assert entries["main"]["retries"] == KEPT
    assert entries["other"]["retries"] == 3
