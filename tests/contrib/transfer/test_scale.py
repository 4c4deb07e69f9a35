"""Many rows: a fixed number of queries for each batch, and no more than a batch in memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_plugin_system.contrib.transfer import apply, export, planning
from django_plugin_system.models import PluginInstance
from tests.contrib.transfer.helpers import export as export_all
from tests.contrib.transfer.helpers import make_entry, run, run_import
from tests.support.plugins import SECRET, VALID

if TYPE_CHECKING:
    from pathlib import Path

    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.django_db
UPDATE = ("--existing", "update")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few rows be many."""
    monkeypatch.setattr(export, "PAGE", 4)
    for module in (apply, planning):
        monkeypatch.setattr(module, "BATCH", 4)


def count_queries(*command: str) -> int:
    """Return how many queries a command makes."""
    with CaptureQueriesContext(connection) as queries:
        assert not run(*command).error
    return len(queries)


def fill(provider: PluginItem, first: int, last: int) -> None:
    """Add instances."""
    rows = [PluginInstance(item=provider, name=f"n{number:02}", config=VALID) for number in range(first, last)]
    PluginInstance.objects.bulk_create(rows)


def test_an_export_reads_page_by_page(provider: PluginItem) -> None:
    """Each page costs a query, an empty last one included; all rows are there, in order."""
    fill(provider, 0, 3)
    few = count_queries("pluginexport")
    fill(provider, 3, 16)
    assert count_queries("pluginexport") == few + 4
    assert [entry["name"] for entry in export_all()] == [f"n{number:02}" for number in range(16)]


def test_an_export_holds_one_page_at_a_time(provider: PluginItem) -> None:
    """The next page is read when the entries of the one before are written."""
    fill(provider, 0, 9)
    entries = export.export_instances().entries
    with CaptureQueriesContext(connection) as queries:
        assert [(next(entries).name, len(queries)) for _ in range(9)] == [(f"n{n:02}", n // 4 + 1) for n in range(9)]


def test_an_import_costs_a_few_queries_a_batch(provider: PluginItem, folder: Path) -> None:
    """Twice as many new instances are twice as many batches, not rows; the secrets are encrypted."""
    del provider
    names = [f"n{number:02}" for number in range(24)]
    entries = [make_entry(name, config={**VALID, "token": f"{SECRET}-{name}"}) for name in names]
    counts = []
    for size in (4, 8, 12):
        with CaptureQueriesContext(connection) as queries:
            assert not run_import(folder, *entries[:size]).error
        counts.append(len(queries))
        entries = entries[size:]
    assert counts[2] - counts[1] == counts[1] - counts[0] <= 3
    found = {row.name: row.open_secrets()["token",] for row in PluginInstance.objects.all()}
    assert found == {name: f"{SECRET}-{name}" for name in names}


@pytest.mark.parametrize("changes", [{"priority": 1}, {"priority": 1, "config": {**VALID, "account": "AC2"}}], ids=len)
def test_an_update_costs_a_few_queries_a_batch(provider: PluginItem, folder: Path, changes: dict[str, object]) -> None:
    """Each batch is looked up, locked and written with the same number of statements."""
    fill(provider, 0, 24)
    counts = []
    start = 0
    for size in (4, 8, 12):
        entries = [make_entry(f"n{number:02}", **changes) for number in range(start, start + size)]  # type: ignore[arg-type]
        with CaptureQueriesContext(connection) as queries:
            assert not run_import(folder, *entries, args=UPDATE).error
        counts.append(len(queries))
        start += size
    assert counts[2] - counts[1] == counts[1] - counts[0]
    assert counts[1] - counts[0] <= 8
    rows = PluginInstance.objects.all()
    assert {(row.priority, row.open_secrets()["token",], row.created_at < row.updated_at) for row in rows} == {
        (1, SECRET, True)
    }


def test_nothing_is_prepared_inside_the_transaction(provider: PluginItem, folder: Path) -> None:
    """Between the first lock and the commit there are writes, and the look at what is locked: all else comes before."""
    fill(provider, 0, 8)
    entries = [make_entry(f"n{number:02}", config={**VALID, "account": "AC2"}) for number in range(12)]
    with CaptureQueriesContext(connection) as queries:
        assert not run_import(folder, *entries, args=UPDATE).error
    texts = [query["sql"] for query in queries]
    start = next(number for number, text in enumerate(texts) if text.startswith("SAVEPOINT"))
    assert not any("pluginitem" in text for text in texts[start:])
    assert json.loads(run("pluginexport").out)["instances"][0]["config"]["account"] == "AC2"
