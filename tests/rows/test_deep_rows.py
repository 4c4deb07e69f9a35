"""Rows that somebody nested without end, past the ORM: reported, skipped, survived by lists and rotation, mended."""

from __future__ import annotations

from contextlib import suppress
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.urls import reverse

from django_plugin_system import explain_selection, get_plugin
from django_plugin_system.exceptions import ConfigShapeError
from django_plugin_system.models import PluginStatus
from django_plugin_system.rotation import rotate_secrets, verify_secrets
from tests.support.plugins import SECRET, VALID, AbstractSms
from tests.support.rows import TABLE, add_instance, assert_sealed, read_raw, reload, to_db_id

if TYPE_CHECKING:
    from django.test import Client

    from django_plugin_system.models import PluginInstance, PluginItem

pytestmark = pytest.mark.django_db


@pytest.fixture(params=[150, 600])
def row(provider: PluginItem, request: pytest.FixtureRequest) -> PluginInstance:
    """Return a row with so many objects inside one another."""
    del provider
    made = add_instance()
    text = '{"a": ' * request.param + "1" + "}" * request.param
    with connections["default"].cursor() as cursor:
        cursor.execute(f"UPDATE {TABLE} SET config = %s WHERE id = %s", [text, to_db_id(made.pk, "default")])  # noqa: S608
    return reload(made)


def test_it_is_an_error_of_ours(row: PluginInstance) -> None:
    """Reading it says what is wrong, and where."""
    assert row.reason_unusable() == "secret unreadable: a: is nested more than 100 levels deep"
    for read in (row.load_config, row.open_secrets):
        with pytest.raises(ConfigShapeError):
            read()


def test_it_can_be_saved_beside_and_mended(row: PluginInstance) -> None:
    """Other columns can be changed; a new configuration takes its place."""
    before = read_raw(row.pk)
    row.priority = 4
    row.save()
    assert read_raw(row.pk) == before
    row.set_config(VALID)
    row.save()
    assert_sealed(row)


def test_rotation_reports_it_and_goes_on(row: PluginInstance) -> None:
    """One such row is a problem of its own, not of all."""
    other = add_instance("other")
    for run in (rotate_secrets, verify_secrets):
        report = run()
        assert (report.rows, report.failed) == (2, 1)
        assert str(row.pk) in report.problems[0]
    assert_sealed(other, SECRET)


def test_lists_and_pages_open(row: PluginInstance, admin_client: Client) -> None:
    """An operator finds the row, and its page says what is wrong."""
    assert admin_client.get(reverse("admin:django_plugin_system_plugininstance_changelist")).status_code == 200
    page = admin_client.get(reverse("admin:django_plugin_system_plugininstance_change", args=[row.pk]))
    assert "nested more than 100 levels deep" in page.content.decode()


UNREADABLE = {"nested": "[" * 1500 + "]" * 1500, "number": "1" * 5000, "text": '"text"', "list": "[1]", "null": "null"}


@pytest.fixture(params=list(UNREADABLE.values()), ids=list(UNREADABLE))
def unreadable(provider: PluginItem, request: pytest.FixtureRequest) -> PluginInstance:
    """Return a row whose config is JSON that Python refuses, or no object."""
    del provider
    made = add_instance()
    with connections["default"].cursor() as cursor:
        cursor.execute(f"UPDATE {TABLE} SET config = %s WHERE id = %s", [request.param, to_db_id(made.pk, "default")])  # noqa: S608
    return reload(made)


def test_an_unreadable_row_is_skipped(unreadable: PluginInstance) -> None:
    """It has a problem, and the selection takes the next row."""
    add_instance("other", priority=99)
    reasons = (
        "config invalid",
        "secret unreadable: 0: is nested more than 100 levels deep",
    )  # Python 3.13 reads deeper
    assert str(unreadable.reason_unusable()).startswith(reasons)
    assert get_plugin(AbstractSms).plugin_instance.name == "other"  # type: ignore[attr-defined]
    assert [candidate.usable for candidate in explain_selection(AbstractSms).candidates] == [False, True]


def test_an_unreadable_row_can_be_saved_beside_and_mended(unreadable: PluginInstance) -> None:
    """Its other columns can be saved, by whatever way; a new configuration takes the place of what is there."""
    before = read_raw(unreadable.pk)
    unreadable.status = PluginStatus.RESERVED
    unreadable.save()
    unreadable.save(update_fields=["status"])
    assert (read_raw(unreadable.pk), reload(unreadable).status) == (before, "reserve")
    unreadable.set_config(VALID)
    unreadable.save()
    assert_sealed(unreadable)


def test_an_unreadable_row_can_be_disabled_in_the_admin(unreadable: PluginInstance, admin_client: Client) -> None:
    """The list shows it and takes a new status for it; its page opens."""
    url = reverse("admin:django_plugin_system_plugininstance_changelist")
    assert admin_client.get(url).status_code == 200
    page = reverse("admin:django_plugin_system_plugininstance_change", args=[unreadable.pk])
    assert admin_client.get(page).status_code == 200
    before = read_raw(unreadable.pk)
    data = {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 1, "form-0-id": str(unreadable.pk)}
    answer = admin_client.post(url, {**data, "form-0-status": "disable", "form-0-priority": "", "_save": "Save"})
    assert answer.status_code == 302
    assert (read_raw(unreadable.pk), reload(unreadable).status) == (before, "disable")


def test_pages_and_commands_survive_an_unreadable_row(unreadable: PluginInstance, admin_client: Client) -> None:
    """What else an operator does about a row works, or says what is wrong."""
    model = "django_plugin_system_plugininstance"
    urls = [reverse(f"admin:{model}_{view}", args=[unreadable.pk]) for view in ("delete", "history")]
    urls += [reverse(f"admin:{model}_add") + f"?item={unreadable.item_id}&copy={unreadable.pk}"]
    urls += [reverse("admin:django_plugin_system_plugintype_change", args=[unreadable.item.plugin_type_id])]
    assert [admin_client.get(url).status_code for url in urls] == [200] * len(urls)
    before = read_raw(unreadable.pk)
    for command in (["pluginexport"], ["dumpdata", "django_plugin_system"]):
        with suppress(CommandError):  # Python 3.13 can read what its json module cannot write
            call_command(*command, stdout=StringIO())
    call_command("check")
    call_command("pluginsync", mode="update", verbosity=0)
    assert rotate_secrets().rows == verify_secrets().rows == 1
    assert read_raw(unreadable.pk) == before
    assert admin_client.post(urls[0], {"post": "yes"}).status_code == 302
