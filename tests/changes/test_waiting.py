"""Who waits for whom: writers of the same row, and nobody else, at every isolation level."""

from __future__ import annotations

import io
import json
from threading import Barrier, Event, Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from django_plugin_system import failover, refresh_plugins
from django_plugin_system.changes import changing, fold_changes
from django_plugin_system.contrib.transfer.apply import import_document
from django_plugin_system.models import PluginHealth, PluginInstance, PluginItem, PluginType
from django_plugin_system.selection.health import record_failure, record_success
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support import errands
from tests.support.elsewhere import at_level, connecting, every_level, run_elsewhere
from tests.support.plugins import VALID, AbstractSms
from tests.support.rows import add_instance, reload

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rows(transactional_db: None) -> list[PluginInstance]:
    """Store as many instances as there are writers."""
    del transactional_db
    errands.declare()
    sync_registered_plugins_to_db()
    for number in range(4):
        add_instance(f"n{number}")
    return list(PluginInstance.objects.select_related("item__plugin_type").order_by("name"))


def save_again_and_again(row: PluginInstance) -> None:
    """Edit one row in all ways, as fast as it goes."""
    for number in range(10):
        with transaction.atomic():
            row.priority = number
            row.save()
        row.set_config({**VALID, "retries": number})
        row.save()
        PluginInstance.objects.bulk_update([row], ["config", "status"])
        PluginInstance.objects.filter(pk=row.pk).update(description=str(number))


@pytest.mark.parametrize("level", ["read committed", "repeatable read"])  # serializable refuses more, also in Django
def test_savers_of_their_own_rows_never_fail(rows: list[PluginInstance], level: str) -> None:
    """Those who save, each a row of its own, neither fail nor deadlock each other."""
    with at_level(level):
        run_elsewhere(*[lambda row=row: save_again_and_again(row) for row in rows])
    assert {(row.priority, row.config["retries"], row.description) for row in map(reload, rows)} == {(9, 9, "9")}


@pytest.mark.postgres
def test_serializable_savers_do_not_read_each_others_rows(rows: list[PluginInstance]) -> None:
    """At SERIALIZABLE, too, edits of different configurations at the same moment are both committed."""
    both = Barrier(2)

    def save(row: PluginInstance) -> None:
        row.set_config({**VALID, "retries": 8})
        with changing("default"):
            row.save()
            both.wait(20)

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # so that PostgreSQL knows how few there are, and would rather read them all
    with at_level("serializable"):
        run_elsewhere(lambda: save(rows[0]), lambda: save(rows[1]))
    assert [reload(row).config["retries"] for row in rows[:2]] == [8, 8]


@every_level
def test_two_syncs_wait_for_each_other(transactional_db: None, level: str) -> None:
    """Several that sync at once make each row once, and none of them fails."""
    del transactional_db
    errands.declare()
    with at_level(level):
        results = run_elsewhere(*[lambda: sync_registered_plugins_to_db(mode="update")] * 4)
    assert sorted(result.items_created for result in results) == [0, 0, 0, 2]
    assert (PluginType.objects.count(), PluginItem.objects.count()) == (1, 2)


def edit(row: PluginInstance) -> None:
    """Save a new configuration."""
    row.set_config({**VALID, "retries": 7})
    row.save()


def edit_many(row: PluginInstance) -> None:
    """Write a new configuration with those of others."""
    others = list(PluginInstance.objects.order_by("-name"))
    for one in others:
        one.set_config({**VALID, "retries": 7})
    PluginInstance.objects.bulk_update(others, ["config"])
    del row


def update(row: PluginInstance) -> None:
    """Change every row by a query."""
    PluginInstance.objects.update(priority=7)
    del row


def delete(row: PluginInstance) -> None:
    """Delete the row."""
    row.delete()


def import_back(row: PluginInstance) -> None:
    """Import what was exported, with other priorities."""
    out = io.StringIO()
    call_command("pluginexport", stdout=out)
    document = json.loads(out.getvalue())
    for entry in document["instances"]:
        entry |= {"priority": 7, "description": "locked"}
    import_document(json.dumps(document), "json", existing="update")
    del row


def fail(row: PluginInstance) -> None:
    """Put the row into a cooldown."""
    record_failure(row, OSError("down"), 60)


WRITERS = [edit, edit_many, update, delete, import_back, fail]


@pytest.mark.postgres
@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_who_locks_a_row_and_saves_it_is_never_a_victim(
    rows: list[PluginInstance], write: Callable[[PluginInstance], None]
) -> None:
    """select_for_update(), then save(): whoever else writes the row meanwhile waits, and neither is in a deadlock."""
    other = reload(rows[0])
    writer = Thread(target=run_elsewhere, args=[lambda: write(other)])
    with transaction.atomic():
        locked = PluginInstance.objects.select_for_update().get(pk=rows[0].pk)
        writer.start()
        wait_for(lambda: is_blocked() or not writer.is_alive())
        locked.description = "locked"
        locked.save()
    writer.join()
    found = PluginInstance.objects.filter(pk=locked.pk)
    assert found.exists() == (write is not delete)
    assert not found.exclude(description="locked").exists()


def wait_for(has_come: Callable[[], bool]) -> None:
    """Wait until something is the case."""
    end = monotonic() + 20
    while not has_come():
        assert monotonic() < end
        sleep(0.01)


def is_blocked() -> bool:
    """Say whether another connection waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.mark.postgres
def test_nobody_waits_for_a_long_transaction(rows: list[PluginInstance]) -> None:
    """While somebody has written a row and does not commit, all that does not write that row goes on."""
    mine, *others = rows

    def work() -> None:
        edit(others[0])
        PluginInstance.objects.filter(pk=others[1].pk).update(priority=3)
        others[2].delete()
        fail(reload(mine))
        for attempt in failover(AbstractSms):
            with attempt as sms:
                sms.send("hi")
        refresh_plugins()
        fold_changes("default")
        sync_registered_plugins_to_db(mode="update")

    with transaction.atomic():
        edit(mine)
        edit_many(mine)
        with connecting(options="-c lock_timeout=1"):
            run_elsewhere(lambda: PluginInstance.objects.create(item=mine.item, name="new", config=VALID))
        transaction.set_rollback(True)
    with transaction.atomic():
        edit(mine)
        with connecting(options="-c lock_timeout=1"):
            run_elsewhere(work)
    assert PluginHealth.objects.get(pk=mine.pk).last_error == "OSError: down"


@pytest.mark.postgres
def test_an_operator_is_no_victim_of_failovers(rows: list[PluginInstance]) -> None:
    """Saves in the admin succeed, each of them, while failovers put the very instance into cooldowns and out again."""
    client, done = Client(), Event()
    client.force_login(User.objects.create_superuser("operator"))
    page = reverse("admin:django_plugin_system_plugininstance_changelist")

    def fail_and_recover() -> None:
        while not done.is_set():
            row = PluginInstance.objects.select_related("health").get(pk=rows[0].pk)
            record_failure(row, OSError("down"), 0.001)
            record_success(row)

    def operate() -> list[int]:
        data = {"_selected_action": [row.pk for row in rows]}
        try:
            return [
                client.post(page, {**data, "action": action}).status_code
                for _round in range(8)
                for action in ("mark_reserved", "mark_active")
            ]
        finally:
            done.set()

    *_others, statuses = run_elsewhere(fail_and_recover, fail_and_recover, operate)
    assert set(statuses) == {302}
