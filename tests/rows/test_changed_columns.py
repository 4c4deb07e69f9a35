"""A save of a row that was read earlier writes what its object changed, and nothing else."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from django_plugin_system.exceptions import StaleConfig
from django_plugin_system.models import PluginInstance, PluginItem
from tests.support.plugins import VALID
from tests.support.rows import add_instance, reload, write_raw

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db


@pytest.fixture
def mine(provider: PluginItem) -> PluginInstance:
    """Return a row that somebody has read."""
    return reload(add_instance(item=provider, priority=1))


def edit_elsewhere(row: PluginInstance) -> None:
    """Change every plain column of the row, past the object in hand."""
    PluginInstance.objects.filter(pk=row.pk).update(status="disable", priority=7, description="theirs")


def get_columns(row: PluginInstance) -> tuple[Any, ...]:
    """Return what is stored."""
    return PluginInstance.objects.values_list("status", "priority", "description").get(pk=row.pk)


def keep(row: PluginInstance) -> PluginInstance:
    """Return the object itself."""
    return row


def send_to_another_process(row: PluginInstance) -> PluginInstance:
    """Return what another process unpickles."""
    unpickled: PluginInstance = pickle.loads(pickle.dumps(row))  # noqa: S301 - pickled here
    return unpickled


@pytest.mark.parametrize("take", [keep, copy.copy, copy.deepcopy, send_to_another_process])
def test_an_older_value_is_not_written_over_a_newer_one(
    mine: PluginInstance, take: Callable[[PluginInstance], PluginInstance]
) -> None:
    """Who edits the description keeps the status and the priority that others have set meanwhile."""
    edit_elsewhere(mine)
    row = take(mine)
    row.description = "mine"
    row.save()
    assert get_columns(row) == ("disable", 7, "mine")
    row.priority = 2
    row.save()
    assert get_columns(row) == ("disable", 2, "mine")


def test_so_it_is_with_items(provider: PluginItem) -> None:
    """An item's status and priority are kept in the same way; nothing changed is nothing written."""
    row = PluginItem.objects.get(pk=provider.pk)
    PluginItem.objects.update(status="disable", priority=5)
    row.description = "mine"
    row.save()
    row.save()
    assert PluginItem.objects.values_list("status", "priority", "description").get() == ("disable", 5, "mine")
    with CaptureQueriesContext(connection) as queries:
        row.save()
    assert not [query for query in queries if query["sql"].startswith("UPDATE")]


def test_a_row_that_was_just_made_may_be_edited_on(provider: PluginItem) -> None:
    """An object that inserted a row knows what it wrote, as one that read it."""
    rows = [
        add_instance("created", provider),
        *PluginInstance.objects.bulk_create([PluginInstance(item=provider, name="bulk", config=VALID)]),
    ]
    for row in rows:
        edit_elsewhere(row)
        row.name = f"{row.name}-renamed"
        row.save()
        assert get_columns(row) == ("disable", 7, "theirs")


def test_deferred_columns_stay(mine: PluginInstance) -> None:
    """Of a row that was read in part, the changed columns among those are written."""
    row = PluginInstance.objects.only("status", "description").get(pk=mine.pk)
    edit_elsewhere(mine)
    row.description = "mine"
    row.save()
    assert get_columns(row) == ("disable", 7, "mine")
    assert row.priority == 7
    item = PluginItem.objects.only("name").get(pk=mine.item_id)
    item.save()
    assert item.priority == 0


def test_named_columns_are_written_as_they_are(mine: PluginInstance) -> None:
    """update_fields and force_update write what they say, changed or not."""
    edit_elsewhere(mine)
    mine.save(update_fields=["status"])
    assert get_columns(mine) == ("active", 7, "theirs")
    mine.save(force_update=True)
    assert get_columns(mine) == ("active", 1, "")


def test_an_expression_is_written_each_time(mine: PluginInstance) -> None:
    """F() counts as a change, as the database computes it."""
    mine.priority = F("priority") + 1
    mine.save()
    assert get_columns(mine)[1] == 2


def test_a_rolled_back_write_is_written_again(mine: PluginInstance) -> None:
    """After a rollback, of a transaction or a savepoint in it, the object knows that its changes are not stored."""
    with transaction.atomic():
        mine.description = "mine"
        mine.save()
        with transaction.atomic():
            mine.status = "reserve"
            mine.save()
            mine.refresh_from_db(fields=["priority"])
            transaction.set_rollback(True)
        assert get_columns(mine) == ("active", 1, "mine")
        write_raw(mine.pk, description="theirs")
        mine.save()
        assert get_columns(mine) == ("reserve", 1, "theirs")
        transaction.set_rollback(True)
    assert get_columns(mine) == ("active", 1, "")
    mine.save()
    assert get_columns(mine) == ("reserve", 1, "mine")


def test_a_change_of_the_key_writes_all(mine: PluginInstance) -> None:
    """An object that is given another row's key is no longer the row that it was."""
    other = add_instance("other", mine.item)
    other.delete()
    mine.pk, mine.name = other.pk, "other"
    mine.set_config(VALID)
    mine.save()
    assert get_columns(mine) == ("active", 1, "")
    assert reload(mine).open_secrets() == {("token",): VALID["token"]}


def test_a_config_of_another_version_is_not_written_over(mine: PluginInstance) -> None:
    """An edit is refused where the stored config has another version by now, even if its text is the same."""
    write_raw(mine.pk, config_version=2)
    mine.set_config({**VALID, "retries": 4})
    with pytest.raises(StaleConfig):
        mine.save()
