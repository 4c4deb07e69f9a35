"""plugin_instance_changed: sent once it is committed, whatever path the change took, and to everybody who listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.db import connection, models, transaction
from django.test import TestCase

from django_plugin_system import AllPluginsFailed, PluginUnavailable, failover, refresh_plugins
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.selection.health import record_failure, record_success
from django_plugin_system.signals import plugin_instance_changed
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.health import set_health
from tests.support.plugins import SECRET, VALID, AbstractSms, LenientSms, ProviderSmsV2, declare_item
from tests.support.rows import add_instance, get_item, reload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.django_db(transaction=True)

Heard = list[Any]


@pytest.fixture
def row(transactional_db: None, provider: PluginItem) -> PluginInstance:
    """Store an instance, before anybody listens."""
    del transactional_db
    return add_instance("main", provider)


@pytest.fixture
def heard(row: PluginInstance) -> Iterator[Heard]:
    """Return the ids of each signal."""
    del row
    ids: Heard = []

    def listen(sender: type[models.Model], **about: Any) -> None:
        assert sender is PluginInstance
        assert about.keys() == {"signal", "using", "ids"}
        assert about["using"] == "default"
        assert not connection.in_atomic_block
        ids.append(about["ids"])

    plugin_instance_changed.connect(listen)
    yield ids
    plugin_instance_changed.disconnect(listen)


def _save(row: PluginInstance) -> None:
    row.description = "changed"
    row.save()


def _save_fields(row: PluginInstance) -> None:
    row.priority = 5
    row.save(update_fields=["priority"])


def _configure(row: PluginInstance) -> None:
    row.set_config({**VALID, "account": "AC2"})
    row.save()


def _bulk_update(row: PluginInstance) -> None:
    row.status = "disable"
    PluginInstance.objects.bulk_update([row], ["status"])


def _bulk_update_config(row: PluginInstance) -> None:
    row.config = {**VALID, "account": "AC2"}
    PluginInstance.objects.bulk_update([row], ["config"])


def _get_or_create(row: PluginInstance) -> None:
    wanted: Any = {"item": row.item, "name": "main", "defaults": {"priority": 3}}
    PluginInstance.objects.update_or_create(**wanted)


def _delete(row: PluginInstance) -> None:
    PluginInstance(pk=row.pk, item=row.item).delete()


def _delete_rows(row: PluginInstance) -> None:
    PluginInstance.objects.filter(pk=row.pk).delete()


ONE_ROW = [
    _save,
    _save_fields,
    _configure,
    _bulk_update,
    _bulk_update_config,
    _get_or_create,
    _delete,
    _delete_rows,
]


@pytest.mark.parametrize("write", ONE_ROW, ids=lambda write: write.__name__.strip("_"))
def test_a_changed_row_is_named(row: PluginInstance, heard: Heard, write: Callable[[PluginInstance], None]) -> None:
    """One signal with the id of the row, however it is written or deleted."""
    pk = row.pk
    write(reload(row))
    assert heard == [{pk}]
    assert isinstance(heard[0], frozenset)


def test_new_rows_are_named(row: PluginInstance, heard: Heard) -> None:
    """Rows that are created, one by one, in bulk or by a sync, are named."""
    made = add_instance("new", row.item)
    assert heard.pop() == {made.pk}
    many = [PluginInstance(item=row.item, name=f"n{number}", config=VALID) for number in range(3)]
    PluginInstance.objects.bulk_create(many)
    assert heard.pop() == {one.pk for one in many}
    declare_item(LenientSms, "lenient")
    sync_registered_plugins_to_db()
    assert heard.pop() == {get_item("lenient").instances.get().pk}
    sync_registered_plugins_to_db()
    assert heard == []


def test_a_cascade_names_what_goes_along(row: PluginInstance, heard: Heard) -> None:
    """The untouched instance that goes with its item is named."""
    declare_item(LenientSms, "lenient")
    sync_registered_plugins_to_db()
    pk = get_item("lenient").instances.get().pk
    heard.clear()
    get_item("lenient").delete()
    assert heard == [{pk}]
    assert reload(row) == row


def test_an_upgrade_by_sync_is_a_change(row: PluginInstance, heard: Heard, declared: Any) -> None:
    """A configuration that a sync writes in its new form counts."""
    declared.items.clear()
    declare_item(ProviderSmsV2)
    sync_registered_plugins_to_db(mode="update")
    assert heard == [{row.pk}]


def test_a_fixture_is_a_change(row: PluginInstance, heard: Heard, tmp_path: Path) -> None:
    """Rows that loaddata brings are named."""
    path = tmp_path / "rows.json"
    call_command("dumpdata", "django_plugin_system.plugininstance", output=str(path), verbosity=0)
    call_command("loaddata", str(path), verbosity=0)
    assert heard == [{row.pk}]


def test_a_query_does_not_know_its_rows(row: PluginInstance, heard: Heard) -> None:
    """update() says None, for any of them; so does refresh_plugins(). An update that meets no row says nothing."""
    PluginInstance.objects.filter(name="nobody").update(priority=1)
    assert heard == []
    PluginInstance.objects.filter(pk=row.pk).update(priority=1)
    refresh_plugins()
    assert heard == [None, None]


def test_traces_are_no_change(row: PluginInstance, heard: Heard) -> None:
    """What a failover or a connection test notes in a row has signals of its own, or none."""
    record_failure(row, PluginUnavailable("down"), 60)
    record_success(reload(row))
    with pytest.raises(AllPluginsFailed):
        _fail()
    set_health(unavailable_until=None, last_error="")
    PluginItem.objects.update(priority=3)
    assert heard == []


def _fail() -> None:
    for attempt in failover(AbstractSms):
        with attempt:
            raise OSError


def test_nothing_is_sent_before_the_commit(row: PluginInstance, heard: Heard) -> None:
    """Changes that follow each other in a transaction are one signal after it; what is rolled back is none."""
    with transaction.atomic():
        made = [add_instance(f"n{number}", row.item) for number in range(3)]
        row.save()
        assert heard == []
    assert heard == [{row.pk, *(one.pk for one in made)}]
    heard.clear()
    with transaction.atomic():
        row.save()
        PluginInstance.objects.update(priority=2)
        row.save()
    assert heard == [None]
    heard.clear()
    with transaction.atomic():
        row.save()
        transaction.set_rollback(True)
    assert heard == []


def test_a_savepoint_takes_its_own_along(row: PluginInstance, heard: Heard) -> None:
    """Of a transaction with a savepoint that is rolled back, only the rest is told."""
    with transaction.atomic():
        row.save()
        with transaction.atomic():
            add_instance("lost", row.item)
            transaction.set_rollback(True)
        with transaction.atomic():
            kept = add_instance("kept", row.item)
    assert heard == [{row.pk}, {kept.pk}]


def test_a_receiver_that_fails_disturbs_nobody(
    row: PluginInstance, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the writer nor another receiver hears of the error; the log does, without the secret."""

    def fail(**_about: Any) -> None:
        raise ZeroDivisionError

    plugin_instance_changed.connect(fail, sender=PluginInstance)
    try:
        _configure(row)
    finally:
        plugin_instance_changed.disconnect(fail, sender=PluginInstance)
    assert heard == [{row.pk}]
    assert "ZeroDivisionError" in caplog.text
    assert SECRET not in caplog.text


def test_without_a_listener_nothing_is_noted(row: PluginInstance) -> None:
    """A transaction that nobody waits for has nothing more to do on its commit."""
    with transaction.atomic():
        row.save()
        assert len(connection.run_on_commit) == 1  # the change's own
        with TestCase.captureOnCommitCallbacks() as callbacks:
            row.save()
        assert callbacks == []
