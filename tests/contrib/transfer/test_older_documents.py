"""Documents that an older version of a class, or of its configuration, was exported to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from pydantic import BaseModel, SecretStr

from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.contrib.transfer.helpers import KEPT, declare, export, get, make_entry, run_import
from tests.support.plugins import SECRET, VALID, ConsoleSms, ProviderSmsV2, declare_item, declare_type
from tests.support.rows import add_instance

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

    from django_plugin_system.models import PluginItem
    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db
UPDATE = ("--existing", "update")
OLD = {"account": "AC1", "token": SECRET}


@pytest.fixture
def newer(provider: PluginItem, declared: Registry) -> PluginItem:
    """Return an item whose class is at version 2; ``main`` was stored by version 1."""
    add_instance("main", provider)
    declared.items.clear()
    declare_item(ProviderSmsV2)
    return provider


def test_an_old_document_is_upgraded(newer: PluginItem, folder: Path) -> None:
    """The steps of ``migrate_config`` bring it to today's version; they get secrets as secrets."""
    del newer
    ran = run_import(folder, make_entry("new", config_version=1, config=OLD))
    assert "Created: 1." in ran.out
    assert (get("new").config_version, get("new").config["region"]) == (2, "eu")
    assert get("new").open_secrets() == {("token",): SECRET}


def test_a_document_without_a_version_is_of_today(newer: PluginItem, folder: Path) -> None:
    """An entry that somebody wrote by hand needs no version."""
    del newer
    assert not run_import(folder, make_entry("new", config={**OLD, "region": "us"})).error
    assert get("new").config["region"] == "us"


def test_an_old_row_and_an_old_document_say_the_same(newer: PluginItem, folder: Path) -> None:
    """What was exported before the code changed is no difference after it, and what was left out is kept."""
    del newer
    assert run_import(folder, make_entry(config_version=1, config={**OLD, "token": KEPT})).out.endswith(
        "Unchanged: 1.\n"
    )
    assert get().config_version == 1
    assert run_import(folder, *export()).out.endswith("Unchanged: 1.\n")
    entry = make_entry(config_version=1, config={"account": "AC2", "token": KEPT})
    assert not run_import(folder, entry, args=UPDATE).error
    assert (get().config_version, get().config["account"]) == (2, "AC2")
    assert get().open_secrets() == {("token",): SECRET}


def test_a_newer_document_is_refused(provider: PluginItem, folder: Path) -> None:
    """What newer code wrote cannot be checked here."""
    del provider
    ran = run_import(folder, make_entry(config_version=2, config=VALID))
    assert ran.problems[0].endswith(
        "main: config: is of config version 2, this code knows 1: deploy the newer code first"
    )


class Split(BaseModel):
    """What used to be one value."""

    user: str
    password: SecretStr
    more: list[SecretStr] = []


class Splitting:
    """The steps that lead to ``Split``."""

    config_version: ClassVar[int] = 3

    @classmethod
    def migrate_config(cls, config: dict[str, Any], from_version: int) -> dict[str, Any]:
        """Take ``user:password`` apart, then put more secrets into a list."""
        if from_version == 1:
            login = config["login"]
            text = login.get_secret_value() if isinstance(login, SecretStr) else login
            user, _colon, password = text.partition(":")
            return {"user": user, "password": password}
        return {**config, "more": [config["password"]]}


def declare_splitting() -> PluginItem:
    """Return the row of an item whose configuration was taken apart."""
    declare_type()
    return declare(Split, config_version=3, migrate_config=Splitting.migrate_config)


def test_a_step_that_takes_a_secret_apart_needs_it(declared: Registry, folder: Path) -> None:
    """What was left out can be moved by a step, but not looked at: that is refused, whatever is stored by now."""
    del declared
    item = declare_splitting()
    add_instance("main", item, config={"user": "u", "password": SECRET})
    for name in ("main", "new"):
        entry = make_entry(name, item="shape", config_version=1, config={"login": KEPT})
        ran = run_import(folder, entry, args=UPDATE)
        assert "config.login: was left out, and an upgrade from version 1 has to look at it: give the value" in ran.err
    assert get().open_secrets() == {("password",): SECRET}


def test_a_secret_that_is_given_can_be_taken_apart(declared: Registry, folder: Path) -> None:
    """A step gets what stands in the document."""
    del declared
    declare_splitting()
    assert not run_import(folder, make_entry(item="shape", config_version=1, config={"login": f"u:{SECRET}"})).error
    assert get().open_secrets() == {("password",): SECRET, ("more", "0"): SECRET}


def test_what_a_step_moves_is_found(declared: Registry, folder: Path) -> None:
    """What was left out is taken from where today's version stores it."""
    del declared
    item = declare_splitting()
    config = {"user": "u", "password": SECRET, "more": [SECRET]}
    add_instance("main", item, config=config)
    entry = make_entry(item="shape", config_version=2, config={"user": "u", "password": KEPT})
    ran = run_import(folder, entry)
    assert ran.out.endswith("Unchanged: 1.\n"), ran.everything


def test_a_step_that_fails_is_named(declared: Registry, folder: Path) -> None:
    """A step that raises is named with its version; what it raised is not shown."""
    del declared
    declare_splitting()
    ran = run_import(folder, make_entry(item="shape", config_version=1, config={"password": SECRET}))
    assert "migrate_config failed from version 1 (KeyError)" in ran.err
    assert SECRET not in ran.everything


def test_references_are_upgraded_like_values(
    newer: PluginItem, folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step moves a reference as it is."""
    del newer
    settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["SMS_*"]}
    monkeypatch.setenv("SMS_TOKEN", SECRET)
    config = {"account": "AC1", "token": {"$env": "SMS_TOKEN"}}
    assert not run_import(folder, make_entry("new", config_version=1, config=config)).error
    assert get("new").config["token"] == {"$env": "SMS_TOKEN"}


class Bare(ConsoleSms):
    """A class that says a version and takes no configuration."""

    config_version: ClassVar[int] = 2


def test_a_class_without_configuration(declared: Registry, folder: Path) -> None:
    """There is nothing to upgrade in an empty config; any other is refused."""
    del declared
    declare_type()
    declare_item(Bare, "bare")
    sync_registered_plugins_to_db()
    assert not run_import(folder, make_entry(item="bare", config_version=1, config={})).error
    ran = run_import(folder, make_entry("other", item="bare", config={"a": 1}))
    assert ran.problems[0].endswith("other: config: Bare takes no configuration")
