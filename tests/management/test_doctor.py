"""``manage.py plugins doctor``: everything that is known to hurt at a deploy, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_plugin_system import checks, diagnosis, explain_selection
from django_plugin_system.config.keyring import get_derived_keys, make_key, show_key
from django_plugin_system.exceptions import InvalidRegistration
from django_plugin_system.models import PluginInstance
from django_plugin_system.register import plugin_type
from tests.management.helpers import CheckedSms, Terminal, declare_checked, run
from tests.support.health import set_health
from tests.support.plugins import SECRET, VALID, AbstractSms, ProviderSmsV2, declare_item
from tests.support.rows import add_instance, get_item, write_raw

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

    from django_plugin_system.models import PluginItem
    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db


@pytest.fixture
def gateway(settings: Settings) -> PluginItem:
    """Return an item; the project has a key of its own."""
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [make_key()]}
    return declare_checked()


def examine(*args: str) -> dict[str, str]:
    """Return what the doctor finds, by number."""
    ran = run("plugins", "doctor", "--json", *args)
    assert SECRET not in ran.everything
    return {one["id"].rpartition(".")[2]: f"{one['level']}: {one['message']} {one['hint']}" for one in ran.data}


def test_nothing_hurts(gateway: PluginItem) -> None:
    """Two instances that serve one name, with a key of the project's own: there is nothing to say."""
    declare_item(CheckedSms, "second")
    call_command("pluginsync", verbosity=0)
    for item in (gateway, get_item("second")):
        add_instance("main", item)
    ran = run("plugins", "doctor")
    assert ran.lines[-1] == "Nothing hurts."
    assert (ran.code, examine()) == (0, {})


def test_no_standby(gateway: PluginItem) -> None:
    """Who serves a name alone is named, as information; --fail-on says what makes the command fail."""
    add_instance("main", gateway)
    add_instance("off", gateway, status="disable")
    assert examine() == {
        "I002": 'info: 1 plugin instances in database "default" serve their name alone, without a standby: '
        "main of sms. Add a second one, in reserve for example."
    }
    for level, code in (("error", 0), ("warning", 0), ("info", 1), ("never", 0)):
        assert run("plugins", "doctor", "--fail-on", level).code == code
    ran = run("plugins", "doctor", "--fail-on", "info", verbosity=0)
    assert ran.error == "Findings to see to: 1 of 1."
    assert ran.lines[0].startswith("INFO django_plugin_system.I002: 1 plugin instances")
    assert ran.lines[1:] == ["    Add a second one, in reserve for example."]


def test_a_store_that_does_not_answer(gateway: PluginItem, settings: Settings) -> None:
    """A store of references that is down is named, beside the instances that are skipped for it."""
    add_instance("main", gateway)
    write_raw(PluginInstance.objects.get().pk, config={**VALID, "token": {"$vault": "a"}})
    backend = {"BACKEND": "django_plugin_system.config.backends.ReferenceBackend", "ALLOW": ["a"]}
    settings.PLUGIN_SYSTEM = {**settings.PLUGIN_SYSTEM, "REFERENCES": {"vault": backend}}
    found = examine()
    assert "$vault does not answer (NotImplementedError): nothing is held of it." in found["W013"]
    assert "main (gateway) (reference unresolved: token: " in found["W009"]
    explained = str(explain_selection(AbstractSms))
    assert explained.endswith("\nNote: $vault does not answer (NotImplementedError): nothing is held of it.")


def test_scopes(gateway: PluginItem) -> None:
    """What is everybody's stands by for each scope, and nothing else does; a name is served in whatever scope."""
    for scope in ("acme", "other"):
        add_instance("main", gateway, scope=scope)
    assert "main of sms in scope acme" in examine()["I002"]
    assert "main of sms in scope other" in examine()["I002"]
    assert "E004" not in examine()
    add_instance("main", gateway)
    assert "name alone, without a standby: main of sms." in examine()["I002"]


class TestKeys:
    """Missing, weak and unused keys."""

    def test_missing(self, gateway: PluginItem, settings: Settings) -> None:
        """The key that rows need is named once; its rows are not named again one by one."""
        add_instance("main", gateway)
        settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [make_key()]}
        found = examine()
        assert "which is not configured" in found["W004"]
        assert "No instance of plugin type sms (apps.sms)" in found["E004"]
        assert set(found) == {"W004", "E004"}

    def test_unused(self, gateway: PluginItem, settings: Settings) -> None:
        """A key that no secret needs may go."""
        keys = [*settings.PLUGIN_SYSTEM["ENCRYPTION_KEYS"], make_key()]
        settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": keys}
        add_instance("main", gateway)
        assert "No secret in database" in examine()["I003"]
        settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": keys[::-1]}
        assert "I003" not in examine()

    def test_weak(self, gateway: PluginItem, settings: Settings) -> None:
        """Keys derived from SECRET_KEY are a warning, and unusable ones an error."""
        del gateway
        settings.PLUGIN_SYSTEM = {}
        assert examine()["W003"].startswith("warning: Plugin secrets are encrypted with a key derived")
        settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": ["short"]}
        assert set(examine()) == {"E002"}
        settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [show_key(get_derived_keys()[0])]}
        assert examine() == {}


class TestInstances:
    """Configurations that cannot be used, or not as they are."""

    def test_plain_secrets(self, gateway: PluginItem) -> None:
        """The row is named with the place, not the value."""
        row = add_instance("main", gateway)
        write_raw(row.pk, config={**row.config, "token": SECRET})
        assert "hold a secret in plain text: main (gateway) (token)" in examine()["W008"]

    def test_unreadable(self, gateway: PluginItem) -> None:
        """Invalid, altered, newer, without its code, with a reference to nothing: each has a number of its own."""
        rows = {name: add_instance(name, gateway) for name in ("invalid", "altered", "newer", "reference")}
        write_raw(rows["invalid"].pk, config={**rows["invalid"].config, "account": "XX"})
        write_raw(rows["altered"].pk, config=rows["newer"].config)
        write_raw(rows["newer"].pk, config_version=7)
        write_raw(rows["reference"].pk, config={**VALID, "token": {"$env": "NOT_SET"}})
        found = examine()
        assert "newer (gateway) (stored by a newer version (7, this code knows 1))" in found["W010"]
        assert "invalid (gateway) (config invalid: account: " in found["W011"]
        assert "altered (gateway) (secret unreadable: token: " in found["W007"]
        assert "reference (gateway) (reference unresolved: token: " in found["W009"]

    def test_refused_credentials(self, gateway: PluginItem) -> None:
        """Somebody has to see to it; nobody is served until then."""
        row = add_instance("main", gateway)
        set_health([row], refused_revision=row.config_revision, last_error="401")
        assert "need attention: the provider refused their credentials: main (gateway)." in examine()["W012"]
        assert "E004" in examine()

    def test_files_that_nobody_applies(self, gateway: PluginItem, settings: Settings, tmp_path: Path) -> None:
        """Instances of a file that the settings do not list belong to nobody."""
        add_instance("main", gateway, managed_by="plugins.json")
        assert "belong to plugins.json, which the settings do not list." in examine()["I004"]
        settings.PLUGIN_SYSTEM = {**settings.PLUGIN_SYSTEM, "INSTANCES": [tmp_path / "plugins.json"]}
        assert "I004" not in examine()

    def test_code_gone(self, gateway: PluginItem, declared: Registry) -> None:
        """Instances of an item whose code is gone are named."""
        add_instance("main", gateway)
        declared.items.clear()
        assert "have an item whose code is gone: main (gateway)." in examine()["W006"]

    def test_outdated(self, gateway: PluginItem, declared: Registry) -> None:
        """An older version can be used and is information."""
        add_instance("main", gateway)
        declared.items.clear()
        declare_item(ProviderSmsV2, "gateway")
        assert examine()["I001"].startswith("info: 1 plugin instances")
        assert "pluginsync --mode upgrade" in examine()["I001"]

    def test_many(self, gateway: PluginItem, monkeypatch: pytest.MonkeyPatch) -> None:
        """They are read page by page, and the first of each kind are named."""
        monkeypatch.setattr(diagnosis, "PAGE", 4)
        rows = [PluginInstance(item=gateway, name=f"n{number:02}", config=VALID) for number in range(14)]
        PluginInstance.objects.bulk_create(rows)
        with CaptureQueriesContext(connection) as queries:
            found = list(diagnosis.iter_troubles("default"))
        assert len(queries) == 6
        assert "14 plugin instances" in found[0].msg
        assert found[0].msg.endswith("and 4 more.")
        assert run("plugins", "doctor").lines[:4] == [f"{n} of 14 instances ({n / 14:.0%})" for n in (4, 8, 12, 14)]


class TestService:
    """What code asks for."""

    def test_a_name_that_nobody_serves(self, settings: Settings) -> None:
        """A type may say which names its callers use; each has to be served."""
        settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [make_key()]}
        item = declare_checked(names=["transactional", "marketing"])
        row = add_instance("transactional", item)
        found = examine()
        assert found["E005"].startswith("error: Code asks for sms (apps.sms) named marketing, which nobody serves")
        set_health([row], unavailable_until=row.created_at.replace(year=2100))
        assert "marketing" in examine()["E005"]
        with pytest.raises(SystemCheckError, match="E005"):
            call_command("check", databases=["default"])

    def test_names_that_cannot_be(self) -> None:
        """What no instance can be called is refused when the type is registered."""
        wrong: list[Any] = [["two words"], [5], "main", [""]]
        for names in wrong:
            with pytest.raises(InvalidRegistration, match="names of plugin type sms"):
                plugin_type(name="sms", manager="m", names=names)(AbstractSms)

    def test_a_type_without_instances_hurts_nobody(self, gateway: PluginItem) -> None:
        """Only one that has some, and can use none, is an error; ``check --database`` says so, too."""
        del gateway
        assert examine() == {}
        row = add_instance("main", get_item("gateway"))
        write_raw(row.pk, config={})
        assert "E004" in examine()
        with pytest.raises(SystemCheckError, match="E004"):
            call_command("check", databases=["default"])


def test_a_database_without_the_tables(gateway: PluginItem, settings: Settings) -> None:
    """Where the router keeps the tables away, there is nothing to look at."""
    del gateway

    class Nowhere:
        def allow_migrate(self, *_args: object, **_hints: object) -> bool:
            return False

    settings.DATABASE_ROUTERS = [Nowhere()]
    assert not [*checks.check_service(databases=["default"])]


def test_progress_on_a_terminal(gateway: PluginItem) -> None:
    """The last line is drawn again and again, then the findings follow."""
    add_instance("main", gateway)
    assert run("plugins", "doctor", out=Terminal(), no_color=True).out.startswith("\r1 of 1 instances (100%)\nINFO ")


def test_a_check_that_fails_is_shown_whole(settings: Settings) -> None:
    """What Django's own system checks say before a command keeps its lines."""
    settings.PLUGIN_SYSTEM = {"MAX_STALENESS": "no"}
    with pytest.raises(SystemCheckError, match=r"ERRORS:\n"):
        call_command("pluginsync", skip_checks=False)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE django_plugin_system_plugininstance RENAME COLUMN managed_by TO managed",
        "ALTER TABLE django_plugin_system_pluginhealth RENAME TO gone",
    ],
)
def test_tables_that_were_not_migrated(gateway: PluginItem, change: str) -> None:
    """Tables that are missing, or older than the code, are named, and nothing else is said of them."""
    del gateway
    connection.check_constraints()  # PostgreSQL alters no table with checks that are still to come
    with connection.cursor() as cursor:
        cursor.execute(change)
    assert not [*checks.check_service(databases=["default"])]
    found = examine()
    assert set(found) == {"E007"}
    assert found["E007"].endswith("Run manage.py migrate.")


def test_tables_of_2x(gateway: PluginItem) -> None:
    """Nothing else is said of tables that another line of releases made."""
    del gateway
    connection.check_constraints()  # PostgreSQL alters no table with checks that are still to come
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_plugin_system_pluginitem ADD COLUMN configurable boolean")
    assert set(examine()) == {"E003"}
