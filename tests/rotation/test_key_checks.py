"""What the system checks say about keys, and what they say to do."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from django_plugin_system.checks import check_needed_keys
from django_plugin_system.models import PluginInstance
from tests.rotation.running import NEW, OLD, OLD_ID, OTHER
from tests.support.rows import add_instance

if TYPE_CHECKING:
    from pytest_django import Settings

    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.django_db


def find(*tags: str, **options: Any) -> dict[str, tuple[str, str]]:
    """Return message and hint of each of the package's findings, by id."""
    found = run_checks(tags=[*tags, "plugins"], **options)
    return {
        str(message.id).removeprefix("django_plugin_system."): (str(message.msg), str(message.hint))
        for message in found
        if str(message.id).startswith("django_plugin_system.")
    }


@pytest.mark.usefixtures("rows")
def test_rows_that_need_a_missing_key(settings: Settings) -> None:
    """W004 counts the rows of a key that is not configured; it is E004 that fails, if nothing else serves."""
    assert find("database", databases=["default"]) == {}
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW]}
    message, hint = find("database", databases=["default"])["W004"]
    assert message == f'5 plugin instances in database "default" need key {OLD_ID}, which is not configured.'
    assert hint.startswith("Put that key back into PLUGIN_SYSTEM['ENCRYPTION_KEYS']; manage.py pluginrotate")
    with pytest.raises(SystemCheckError) as failed:
        call_command("check", databases=["default"])
    assert message in str(failed.value)
    assert NEW not in str(failed.value)
    PluginInstance.objects.update(status="disable")
    err = io.StringIO()
    call_command("migrate", verbosity=0, skip_checks=False, stderr=err)
    assert message in err.getvalue()


@pytest.mark.usefixtures("rows")
def test_no_database_is_read_unasked(settings: Settings) -> None:
    """A check without --database does not look at rows."""
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW]}
    assert "django_plugin_system.W004" not in {message.id for message in run_checks()}


def test_the_derived_key_is_recognised(provider: PluginItem, settings: Settings) -> None:
    """W004 tells a project that left SECRET_KEY behind, or changed it, where the missing key comes from."""
    add_instance("main", provider)
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW]}
    assert "pluginkey --derived" in find("database", databases=["default"])["W004"][1]
    settings.PLUGIN_SYSTEM = {}
    settings.SECRET_KEY = "another " * 8
    assert "SECRET_KEY_FALLBACKS" in find("database", databases=["default"])["W004"][1]


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (["c2hvcnQ="], "entry 0 must be 32 random bytes in base64"),
        ([NEW, "x"], "entry 1 must be 32 random bytes in base64"),
        ([NEW, OLD, NEW], "each key once"),
    ],
    ids=["too short", "no base64", "twice"],
)
def test_keys_that_cannot_be_used(settings: Settings, keys: list[str], reason: str) -> None:
    """E002 names the entry, not the key; the database is then left unread."""
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": keys}
    message, hint = find("database", databases=["default"])["E002"]
    assert reason in message
    assert not any(key in message for key in keys if len(key) > 1)
    assert "pluginkey" in hint
    assert not [*check_needed_keys(databases=["default"])]


def test_a_derived_key_in_production(settings: Settings) -> None:
    """W003 comes with check --deploy only, and says how to change the key without losing what is stored."""
    settings.PLUGIN_SYSTEM = {}
    assert "W003" not in find("security")
    assert "pluginkey --derived" in find("security", include_deployment_checks=True)["W003"][1]
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [OTHER]}
    assert "W003" not in find("security", include_deployment_checks=True)
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": 7}
    assert list(find("security", include_deployment_checks=True)) == ["E001"]
