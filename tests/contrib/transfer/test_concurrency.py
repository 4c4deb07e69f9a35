"""Somebody else writes while an import runs: nobody's change is overwritten unseen."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from django_plugin_system.exceptions import StaleConfig
from django_plugin_system.models import PluginInstance, PluginItem
from tests.contrib.transfer.helpers import get, make_entry, run, write
from tests.support.plugins import VALID
from tests.support.rows import add_instance, reload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.django_db(transaction=True)
GRACE = 0.5
"""Seconds in which the other writer would be done, were it not made to wait."""


@contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[None]:
    """Let another thread act just after the rows of instances were read; it ends with the block."""
    started: list[threading.Thread] = []

    def do() -> None:
        try:
            act()
        finally:
            connection.close()

    def watch(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        result = execute(sql, *args)
        if not started and sql.startswith('SELECT "django_plugin_system_plugininstance"'):
            started.append(threading.Thread(target=do))
            started[0].start()
            started[0].join(GRACE)
        return result

    with connection.execute_wrapper(watch):
        yield
    started[0].join()


def test_another_writer_waits_for_the_import(provider: PluginItem, folder: Path) -> None:
    """Between the look at a row and its update nobody else writes: a change that comes meanwhile is made after it."""
    row = add_instance("main", provider, priority=1)
    name = write(folder, make_entry(priority=2, config={**VALID, "account": "AC2"}))
    with meanwhile(lambda: PluginInstance.objects.filter(pk=row.pk).update(priority=3)):
        ran = run("pluginimport", name, "--existing", "update")
    assert "    priority: 1 -> 2" in ran.out.splitlines()
    assert (get().priority, get().config["account"]) == (3, "AC2")


def test_a_form_that_was_open_notices_the_import(provider: PluginItem, folder: Path) -> None:
    """Whoever read a row before an import changed its config, and saves another config after it, is told."""
    row = add_instance("main", provider)
    opened = reload(row)
    run("pluginimport", write(folder, make_entry(config={**VALID, "account": "AC2"})), "--existing", "update")
    opened.set_config({**VALID, "account": "AC3"})
    with pytest.raises(StaleConfig):
        opened.save()
    assert get().config["account"] == "AC2"


def test_an_import_sees_what_was_written_just_before(provider: PluginItem, folder: Path) -> None:
    """A dry run that is out of date does no harm: the import looks again, and refuses what differs by then."""
    row = add_instance("main", provider)
    name = write(folder, make_entry(config=VALID, priority=None))
    assert run("pluginimport", name, "--dry-run").out.endswith("Unchanged: 1.\n")
    PluginInstance.objects.filter(pk=row.pk).update(priority=9)
    assert "differs in priority" in run("pluginimport", name).problems[0]
    assert get().priority == 9
