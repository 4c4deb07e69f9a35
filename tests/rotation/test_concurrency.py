"""Others write while a rotation runs: their edits win, and their rows are rotated all the same."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from django_plugin_system.changes import TABLE as CHANGES
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.rotation import RotationReport, rotate_secrets, verify_secrets
from tests.rotation.running import (
    NEW,
    NEW_ID,
    OLD,
    find_key_ids,
    start_pluginrotate,
)
from tests.support.elsewhere import run_elsewhere
from tests.support.plugins import SECRET
from tests.support.rows import add_instance, reload, write_raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_django import Settings


pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def before_each_write(edit: Callable[[], Any], start: str = f"INSERT INTO {CHANGES}") -> Iterator[None]:
    """Let somebody else run ``edit`` after the rotation has read rows, right before its transaction writes.

    Or before any other statement that starts with ``start``. The first statement of a write notes the change.
    """

    def wrap(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's
        if sql.startswith(start):
            run_elsewhere(edit)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrap):
        yield


@contextmanager
def once(edit: Callable[[], Any]) -> Iterator[None]:
    """Let somebody else run ``edit`` before the first write only."""
    edits = [edit]

    def edit_once() -> None:
        if edits:
            edits.pop()()

    with before_each_write(edit_once):
        yield


def seal_with_old_key(row: PluginInstance, settings: Settings, account: str) -> dict[str, Any]:
    """Return a config as a process stores it that does not know the new key yet."""
    keys, settings.PLUGIN_SYSTEM = settings.PLUGIN_SYSTEM, {"ENCRYPTION_KEYS": [OLD]}
    copy = reload(row)
    copy.set_config({"account": account, "token": f"{SECRET}-{account}"})
    settings.PLUGIN_SYSTEM = keys
    return dict(copy.config)


def test_an_edit_in_the_admin_survives(rows: list[PluginInstance]) -> None:
    """A row that is saved between the look and the write keeps the edit; the others are rotated."""

    def edit() -> None:
        row = reload(rows[2])
        row.set_config({"account": "AC9", "token": "typed meanwhile"})
        row.status = "reserve"
        row.save()

    with once(edit):
        report = rotate_secrets()
    assert (report.rows, report.rewritten, report.failed) == (5, 4, 0)
    row = reload(rows[2])
    assert (row.config["account"], row.status, row.open_secrets()) == (
        "AC9",
        "reserve",
        {("token",): "typed meanwhile"},
    )
    assert find_key_ids() == {NEW_ID}


def test_an_edit_with_the_old_key_is_rotated_too(rows: list[PluginInstance], settings: Settings) -> None:
    """A row that a process with the old settings saves meanwhile is looked at again, and rotated with its edit."""
    config = seal_with_old_key(rows[0], settings, "AC9")
    with once(lambda: write_raw(rows[0].pk, config=config)):
        report = rotate_secrets()
    assert (report.rows, report.rewritten, report.failed) == (5, 5, 0)
    assert reload(rows[0]).open_secrets() == {("token",): f"{SECRET}-AC9"}
    assert find_key_ids() == {NEW_ID}


def test_a_row_that_is_spoilt_meanwhile_is_reported(rows: list[PluginInstance]) -> None:
    """What cannot be read at the second look is reported like at the first, and left alone."""
    spoilt = {**rows[4].config, "token": {"$secret": "x"}}
    with once(lambda: write_raw(rows[4].pk, config=spoilt)):
        report = rotate_secrets()
    assert (report.rewritten, report.failed) == (4, 1)
    assert report.problems[0].startswith(f"{rows[4].name} (provider) {rows[4].pk}: token: ")
    assert reload(rows[4]).config == spoilt


def test_rows_that_go_and_come_meanwhile(rows: list[PluginInstance]) -> None:
    """A deleted row is not missed, and one that was added is none of this batch's business."""

    def replace() -> None:
        PluginInstance.objects.filter(pk=rows[1].pk).delete()
        item = rows[2].item
        middle = [
            PluginInstance(pk=type(row.pk)(int=row.pk.int + 1), item=item, name=f"new-{row.name}") for row in rows
        ]
        for row in middle:
            row.set_config({"account": "AC1", "token": SECRET})
        PluginInstance.objects.bulk_create(middle)

    with once(replace):
        report = rotate_secrets()
    assert (report.rows, report.rewritten, report.failed) == (5 + 1, 4, 0)
    assert PluginInstance.objects.count() == 9
    assert find_key_ids() == {NEW_ID}


def test_rows_that_go_together_with_their_item(rows: list[PluginInstance]) -> None:
    """Rows whose item is deleted right after they were read are no problem: there is nothing to write any more."""

    def delete_all() -> None:
        PluginInstance.objects.all().delete()
        PluginItem.objects.all().delete()

    with before_each_write(delete_all, 'SELECT "django_plugin_system_pluginitem"'):
        report = rotate_secrets()
    assert (report.rows, report.rewritten, report.failed) == (len(rows), 0, 0)


def test_plain_text_that_is_replaced_meanwhile(rows: list[PluginInstance]) -> None:
    """Plain text is encrypted as it stands when the write begins, not as it stood at the look."""
    write_raw(rows[0].pk, config={**rows[0].config, "token": "before"})
    with once(lambda: write_raw(rows[0].pk, config={**rows[0].config, "token": "meanwhile"})):
        report = rotate_secrets()
    assert (report.plain, report.rewritten, report.failed) == (1, 5, 0)
    assert reload(rows[0]).open_secrets()["token",] == "meanwhile"


def test_two_rotations_share_the_work(provider: PluginItem, settings: Settings) -> None:
    """Rotations that run at once do not get in each other's way: each row is written by one of them."""
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [OLD]}
    made = [add_instance(f"row-{number}", provider) for number in range(60)]
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW, OLD]}
    reports: list[RotationReport] = run_elsewhere(*[lambda: rotate_secrets(batch_size=4)] * 2)
    assert sum(report.rewritten for report in reports) == len(made)
    assert [report.failed for report in reports] == [0, 0]
    report = verify_secrets()
    assert (report.secrets, report.failed) == ({NEW_ID: 60}, 0)


def test_edits_during_a_rotation_in_another_process_survive(provider: PluginItem, settings: Settings) -> None:
    """While another process rotates, every edit is kept, even with the old key, which the next run replaces."""
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [OLD, NEW]}
    expected = {add_instance(f"row-{number}", provider).pk: SECRET for number in range(100)}
    with start_pluginrotate("--batch-size", "2") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "10 of 100 rows (10%)\n"
        turns = enumerate(itertools.cycle(expected))
        while process.poll() is None:
            number, pk = next(turns)
            row = PluginInstance.objects.get(pk=pk)
            expected[pk] = f"typed as number {number}"
            row.set_config({"account": "AC2", "token": expected[pk]})
            row.save()
    assert process.returncode == 0
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW, OLD]}
    assert rotate_secrets().failed == 0
    assert find_key_ids() == {NEW_ID}
    stored = {row.pk: row.open_secrets()["token",] for row in PluginInstance.objects.all()}
    assert stored == expected
