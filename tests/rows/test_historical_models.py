"""The models that data migrations work with: they know nothing of ``set_config``, but the column guards itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader

from django_plugin_system.exceptions import ConfigWriteRefused
from tests.support.plugins import VALID
from tests.support.rows import add_instance, read_raw, reload

if TYPE_CHECKING:
    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.django_db


@pytest.fixture
def historical() -> Any:
    """Return the rows of PluginInstance as a data migration gets them."""
    state = MigrationLoader(connection).project_state(("django_plugin_system", "0002_instances"))
    return state.apps.get_model("django_plugin_system", "PluginInstance").objects


def test_plain_config_is_refused(historical: Any, provider: PluginItem) -> None:
    """A data migration cannot store a config that was neither validated nor encrypted."""
    with pytest.raises(ConfigWriteRefused), transaction.atomic():
        historical.create(item_id=provider.pk, name="plain", config=VALID)
    assert not historical.filter(name="plain").exists()


def test_changed_config_is_refused(historical: Any, provider: PluginItem) -> None:
    """A stored config that a data migration changes in place counts as unchecked, however deep the change."""
    row = add_instance(item=provider)
    before = read_raw(row.pk)
    old = historical.get(pk=row.pk)
    old.config["token"] = "typed in a migration"
    with pytest.raises(ConfigWriteRefused), transaction.atomic():
        old.save()
    assert read_raw(row.pk) == before


def test_other_columns_may_change(historical: Any, provider: PluginItem) -> None:
    """A data migration may change what is no config, and leaves the config byte by byte."""
    row = add_instance(item=provider)
    before = read_raw(row.pk)
    old = historical.get(pk=row.pk)
    old.description = "from a migration"
    old.save()
    assert (reload(row).description, read_raw(row.pk)) == ("from a migration", before)


def test_row_without_config(historical: Any, provider: PluginItem) -> None:
    """A data migration may add a row whose config is empty: there is nothing to check in it."""
    added = historical.create(item_id=provider.pk, name="empty")
    assert read_raw(added.pk) == "{}"
