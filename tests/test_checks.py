"""The system checks: one message for each thing that is wrong, none when all is well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import CheckMessage, Tags
from django.core.checks import registry as check_registry
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from django_plugin_system import checks
from django_plugin_system.config.keyring import make_key
from django_plugin_system.models import PluginInstance
from django_plugin_system.register import plugin_item
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.registration.plugins import AbstractSms, ConfigSms, Sms, declare_item, declare_type
from tests.support.plugins import VALID, ProviderSms
from tests.support.plugins import declare_item as declare_sms_item
from tests.support.plugins import declare_type as declare_sms_type
from tests.support.rows import add_instance, write_raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_django import Settings

    from django_plugin_system.registry import Registry


def get_ids(messages: Iterable[CheckMessage]) -> list[str]:
    """Return the numbers of messages."""
    return [str(message.id).rpartition(".")[2] for message in messages]


def test_the_checks_are_registered() -> None:
    """Every check of the module runs with ``manage.py check``; that of the key with ``--deploy`` only."""
    found: Any = check_registry.registry
    plain = {check.__name__: check.tags for check in found.get_checks()}
    deploy = {check.__name__: check.tags for check in found.get_checks(include_deployment_checks=True)}
    assert {"check_settings", "check_waiting_items", "check_form_renderer", "check_needed_keys"} <= set(plain)
    assert "check_own_key" in set(deploy) - set(plain)
    assert Tags.database in plain["check_needed_keys"]


def test_settings_in_order_are_silent(settings: Settings) -> None:
    """Without the setting, and with good keys, there is nothing to say."""
    settings.PLUGIN_SYSTEM = {}
    assert not [*checks.check_settings()]
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [make_key(), make_key()], "MAX_STALENESS": 2}
    assert not [*checks.check_settings()]


def test_each_wrong_setting_is_an_error(settings: Settings) -> None:
    """An unknown key and a wrong value are one E001 each, by name."""
    settings.PLUGIN_SYSTEM = {"MAX_STALNESS": 5, "AUTODISCOVER": "no"}
    messages = [*checks.check_settings()]
    assert get_ids(messages) == ["E001", "E001"]
    assert ["MAX_STALNESS" in messages[0].msg, "AUTODISCOVER" in messages[1].msg] == [True, True]


@pytest.mark.parametrize("keys", [["short"], ["A" * 43 + "="] * 2, [""]])
def test_a_bad_key_is_an_error(settings: Settings, keys: list[str]) -> None:
    """A key that is short, empty or listed twice is E002, with the command that prints a good one."""
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": keys}
    (message,) = checks.check_settings()
    assert get_ids([message]) == ["E002"]
    assert "pluginkey" in str(message.hint)
    assert "short" not in message.msg.replace("too short", "")
    assert not [*checks.check_needed_keys(databases=["default"])]  # it is E002's to say


def test_an_item_whose_type_never_came_is_a_warning() -> None:
    """W001 names the item and the type it waits for, by name or by interface."""
    declare_item(Sms)
    plugin_item(AbstractSms, name="decorated", module="tests")(Sms)
    first, second = checks.check_waiting_items()
    assert get_ids([first, second]) == ["W001", "W001"]
    assert "plain (tests) waits for plugin type sms (tests)" in first.msg
    assert "decorated (tests) waits for plugin type with the interface AbstractSms" in second.msg
    declare_type()
    assert not [*checks.check_waiting_items()]


def without(settings: Settings, name: str) -> None:
    """Take an app out of INSTALLED_APPS."""
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != name]


def test_generated_forms_need_their_app(settings: Settings) -> None:
    """W002 gives the line to add, if there is an admin and something to configure in it."""
    declare_type()
    declare_item(Sms)
    without(settings, "django_jsonform")
    assert not [*checks.check_form_renderer()]
    declare_item(ConfigSms, "configurable")
    (message,) = checks.check_form_renderer()
    assert get_ids([message]) == ["W002"]
    assert '"django_jsonform"' in str(message.hint)
    without(settings, "django.contrib.admin")
    assert not [*checks.check_form_renderer()]


def test_generated_forms_with_their_app_are_fine() -> None:
    """With the app there is nothing to say."""
    declare_type()
    declare_item(ConfigSms)
    assert not [*checks.check_form_renderer()]


def test_a_derived_key_is_a_warning_when_deployed(settings: Settings) -> None:
    """W003 tells to set a key of one's own; settings that cannot be read are E001's to tell."""
    settings.PLUGIN_SYSTEM = {}
    assert get_ids(checks.check_own_key()) == ["W003"]
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [make_key()]}
    assert not [*checks.check_own_key()]
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": "wrong"}
    assert not [*checks.check_own_key()]


@pytest.mark.parametrize("check", [checks.check_settings, checks.check_waiting_items, checks.check_form_renderer])
def test_an_empty_project_is_silent(check: Callable[..., Iterable[CheckMessage]]) -> None:
    """A project that registered nothing hears nothing."""
    assert not [*check()]


class Nowhere:
    """A router that keeps this package out of every database."""

    def allow_migrate(self, *_args: object, **_hints: object) -> bool:
        """Refuse."""
        return False


def test_a_database_without_the_tables_is_not_looked_at(settings: Settings) -> None:
    """Where the router keeps the tables out, no row can need a key."""
    settings.DATABASE_ROUTERS = [Nowhere()]
    assert not [*checks.check_needed_keys(databases=["default"])]
    assert not [*checks.check_needed_keys()]


def use_nothing(declared: Any) -> PluginInstance:
    """Store an instance that cannot be used."""
    del declared
    declare_sms_type()
    declare_sms_item(ProviderSms, "provider")
    sync_registered_plugins_to_db()
    row = add_instance(config=VALID)
    write_raw(row.pk, config={"account": "AC1"})
    return row


@pytest.mark.django_db
def test_a_type_of_which_nothing_can_be_used_fails(declared: Registry) -> None:
    """E004 names the type and why; not if one instance serves, or what is enabled is nothing, or cools down."""
    row = use_nothing(declared)
    (message,) = checks.check_service(databases=["default"])
    assert get_ids([message]) == ["E004"]
    assert message.msg == 'No instance of plugin type sms (apps.sms) in database "default" can be used.'
    assert "main (provider): config invalid: token: " in str(message.hint)
    with pytest.raises(SystemCheckError, match="E004"):
        call_command("check", databases=["default"])
    assert not [*checks.check_service()]
    other = add_instance("other", config=VALID)
    assert not [*checks.check_service(databases=["default"])]
    rows: Any = PluginInstance.objects
    rows.filter(pk=other.pk).update(unavailable_until="2999-01-01T00:00:00Z")
    assert not [*checks.check_service(databases=["default"])]
    PluginInstance.objects.filter(pk=other.pk).update(status="disable")
    assert len([*checks.check_service(databases=["default"])]) == 1
    PluginInstance.objects.filter(pk=row.pk).update(status="disable")
    assert not [*checks.check_service(databases=["default"])]


@pytest.mark.django_db
def test_what_a_migration_may_mend_is_no_error_yet(declared: Registry) -> None:
    """While there is something to migrate, of any app, E004 is silent: so the command migrate runs."""
    use_nothing(declared)
    MigrationRecorder(connection).record_unapplied("django_plugin_system", "0002_instances")
    assert not [*checks.check_service(databases=["default"])]
