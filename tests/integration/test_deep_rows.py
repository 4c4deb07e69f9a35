"""Rows that somebody nested without end, past the ORM: reported, skipped, survived by lists and rotation, mended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connections
from django.urls import reverse

from django_plugin_system.exceptions import ConfigShapeError
from django_plugin_system.rotation import rotate_secrets, verify_secrets
from tests.integration.plugins import SECRET, VALID
from tests.integration.rows import TABLE, add_instance, assert_sealed, read_raw, reload, to_db_id

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
