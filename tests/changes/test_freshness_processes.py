"""A change made in one process is seen by the very next selection of every other, a rolled-back one by none."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command
from django.db import connection, models, transaction

from django_plugin_system import refresh_plugins
from django_plugin_system.models import PluginInstance, PluginItem, PluginType
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support import errands
from tests.support.errands import choose
from tests.support.health import set_health
from tests.support.plugins import VALID
from tests.support.rows import add_instance, get_item, write_raw

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.worker import Worker

pytestmark = pytest.mark.django_db(transaction=True)

WORSE = "provider/worse/AC1"


def main_row() -> models.QuerySet[PluginInstance]:
    """Return the row that everybody has selected."""
    return PluginInstance.objects.filter(name="main")


def _save() -> None:
    row = main_row().get()
    row.status = "disable"
    row.save()


def _save_fields() -> None:
    row = main_row().get()
    row.priority = 9
    row.save(update_fields=["priority"])


def _update() -> None:
    main_row().update(status="reserve")


def _bulk_update() -> None:
    row = main_row().get()
    row.status = "disable"
    PluginInstance.objects.bulk_update([row], ["status"])


def _plain_update() -> None:
    models.QuerySet(PluginInstance).filter(name="main").update(status="disable")
    refresh_plugins()


def _base_manager() -> None:
    PluginInstance._base_manager.filter(name="main").update(status="disable")


def _delete_row() -> None:
    main_row().get().delete()


def _delete_rows() -> None:
    main_row().delete()


def _raw_sql() -> None:
    write_raw(main_row().get().pk, status="disable")
    refresh_plugins()


HIDING = [
    _save,
    _save_fields,
    _update,
    _bulk_update,
    _plain_update,
    _base_manager,
    _delete_row,
    _delete_rows,
    _raw_sql,
]


@pytest.mark.parametrize("write", HIDING, ids=lambda write: write.__name__.strip("_"))
def test_every_write_is_seen(other: Worker, write: Callable[[], None]) -> None:
    """Whatever the ORM offers to change or delete a row is seen here and in the other process, by every function."""
    write()
    assert errands.choose_in_all_ways() == other.ask("choose_in_all_ways") == [WORSE, "AC1", "AC1"]


def _create() -> None:
    add_instance("best", priority=0)


def _bulk_create() -> None:
    PluginInstance.objects.bulk_create([PluginInstance(item=get_item(), name="best", config=VALID, priority=0)])


def _by_item() -> None:
    get_item().instances.create(name="best", config=VALID, priority=0)


@pytest.mark.parametrize("write", [_create, _bulk_create, _by_item], ids=lambda write: write.__name__.strip("_"))
def test_every_insert_is_seen(other: Worker, write: Callable[[], None]) -> None:
    """A new row that comes first is used at once, everywhere."""
    write()
    assert choose() == other.ask("choose") == "provider/best/AC1"


def test_a_new_configuration_is_seen(other: Worker) -> None:
    """What an operator types is used by the next call, everywhere."""
    row = main_row().get()
    row.set_config({**VALID, "account": "AC9"})
    row.save()
    assert choose() == other.ask("choose") == "provider/main/AC9"


def test_a_move_to_another_item_is_seen(other: Worker) -> None:
    """A row that was moved is used with the class of its new item, everywhere."""
    row = main_row().get()
    row.item = get_item("other")
    row.save(update_fields=["item"])
    assert choose() == other.ask("choose") == "other/main/AC1"


def test_changes_of_items_and_types_are_seen(other: Worker) -> None:
    """Disabling an item, and deleting a type with all that is in it, count like changes of the rows themselves."""
    add_instance("spare", get_item("other"))
    PluginItem.objects.filter(name="provider").update(status="disable")
    assert choose() == other.ask("choose") == "other/spare/AC1"
    PluginInstance.objects.all().delete()  # so that nothing protects it
    PluginType.objects.get().delete()
    assert choose() is other.ask("choose") is None


def test_a_fixture_is_seen(other: Worker, tmp_path: Path) -> None:
    """Rows that loaddata brings are used by the next call, everywhere."""
    path = tmp_path / "rows.json"
    call_command("dumpdata", "django_plugin_system.plugininstance", output=str(path), verbosity=0)
    main_row().delete()
    assert choose() == other.ask("choose") == WORSE
    call_command("loaddata", str(path), verbosity=0)
    assert choose() == other.ask("choose") == "provider/main/AC1"


def test_a_sync_is_seen(other: Worker) -> None:
    """Priorities that a sync takes from code count at once, everywhere."""
    PluginItem.objects.filter(name="provider").update(priority=99)
    PluginInstance.objects.update(priority=None)
    add_instance("spare", get_item("other"), priority=50)
    assert choose() == other.ask("choose") == "other/spare/AC1"
    sync_registered_plugins_to_db(mode="update")
    assert choose() == other.ask("choose") == "provider/main/AC1"


def test_a_failure_is_seen(other: Worker) -> None:
    """What another process found to be down is skipped here at once, and the other way round."""
    assert other.ask("fail", 60) == ["main", "worse"]
    assert choose() is None
    set_health(unavailable_until=None)
    assert errands.fail(60) == ["main", "worse"]
    assert other.ask("choose") is None


def test_the_change_of_another_process_is_seen(other: Worker) -> None:
    """It works in the other direction, too."""
    other.ask("add", "best", 0)
    assert choose() == other.ask("choose") == "provider/best/AC1"


def test_a_rolled_back_change_is_never_seen(other: Worker) -> None:
    """While a transaction is open only its own process sees the change; after a rollback nobody does."""
    other.ask("begin", "main", "renamed")
    assert other.ask("choose") == "provider/renamed/AC1"
    assert choose() == "provider/main/AC1"
    other.ask("roll_back")
    assert choose() == other.ask("choose") == "provider/main/AC1"
    with transaction.atomic():
        errands.rename("main", "lost")
        assert choose() == "provider/lost/AC1"
        transaction.set_rollback(True)
    assert choose() == other.ask("choose") == "provider/main/AC1"


def test_a_change_counts_from_its_commit_on(other: Worker) -> None:
    """What others may not see yet is not remembered for later, whoever looks in between."""
    other.ask("begin", "main", "renamed")
    assert other.ask("choose") == "provider/renamed/AC1"
    assert choose() == "provider/main/AC1"
    other.ask("commit")
    assert choose() == other.ask("choose") == "provider/renamed/AC1"


def test_bounded_staleness_is_for_other_processes_only(other: Worker) -> None:
    """With MAX_STALENESS a process sees its own changes at once, and may miss those of others for a while."""
    other.ask("allow_staleness", 3600)
    assert other.ask("choose") == "provider/main/AC1"
    errands.rename("main", "renamed")
    assert choose() == "provider/renamed/AC1"
    assert other.ask("choose") == "provider/main/AC1"
    other.ask("rename", "worse", "worst")
    assert other.ask("choose") == "provider/renamed/AC1"
    other.ask("allow_staleness", 0)
    assert other.ask("choose") == "provider/renamed/AC1"


def test_a_change_of_another_thread_is_seen(other: Worker) -> None:
    """Threads share what was selected, and see each other's changes."""

    def change() -> None:
        errands.rename("main", "threaded")
        connection.close()

    thread = Thread(target=change)
    thread.start()
    thread.join()
    assert choose() == other.ask("choose") == "provider/threaded/AC1"
