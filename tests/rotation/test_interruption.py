"""A rotation that dies in the middle loses nothing, and the next one goes on from there."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from django_plugin_system.models import PluginInstance
from tests.rotation.running import (
    NEW,
    NEW_ID,
    OLD,
    OLD_ID,
    find_key_ids,
    find_row_key_ids,
    pluginrotate,
    start_pluginrotate,
)
from tests.support.plugins import SECRET
from tests.support.rows import add_instance

if TYPE_CHECKING:
    from pytest_django import Settings

    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = 300


def test_a_killed_rotation_is_resumed(provider: PluginItem, settings: Settings) -> None:
    """After kill -9 each row has either its old token or its new one; the next run writes only the rest."""
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [OLD]}
    for number in range(ROWS):
        add_instance(f"row-{number}", provider)
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW, OLD]}
    with start_pluginrotate("--batch-size", "1") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "30 of 300 rows (10%)\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL

    rows = list(PluginInstance.objects.all())
    done = [row for row in rows if find_row_key_ids(row.pk) == [NEW_ID]]
    assert 30 <= len(done) < ROWS
    assert find_key_ids() == {NEW_ID, OLD_ID}
    assert all(row.open_secrets() == {("token",): SECRET} for row in rows)
    assert "Key" in pluginrotate("--verify").out

    ran = pluginrotate()
    assert f"- key {NEW_ID} (first): {len(done)}\n- key {OLD_ID} (old): {ROWS - len(done)}\n" in ran.out
    assert f"Rows written with key {NEW_ID}: {ROWS - len(done)}." in ran.out
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW]}
    assert not pluginrotate("--verify").error
    assert all(row.open_secrets() == {("token",): SECRET} for row in PluginInstance.objects.all())
