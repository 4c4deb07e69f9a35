"""A rolling deployment: 1.1.0 and this version serve from one database, each in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.upgrades.releases import ErrandFailed, Process, Shop

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sides(shop: Shop) -> Iterator[tuple[Process, Process]]:
    """Return the running shop on 1.1.0, started before the migration, and on this version, which has migrated."""
    with shop.running() as old, shop.on().running() as new:
        old.do("edit", "letter", priority=2)
        new.do("manage", "migrate")
        yield old, new


def test_both_serve_the_same(sides: tuple[Process, Process]) -> None:
    """Every call of 1.1.0 gives the same on either side, and each side sees what the other writes at once."""
    old, new = sides
    assert old.do("call_everything") == new.do("call_everything")
    for writer, priority in ((old, -5), (new, -6), (old, -7)):
        writer.do("edit", "gateway", status="active", priority=priority)
        assert old.do("read_rows") == new.do("read_rows")
        assert old.do("call_everything")["get_active_plugins"][0] == "gateway"
        assert new.do("choose") == ["gateway", "gateway: hi"]
        assert writer.do("use_admin", "gateway", 1)[-1] == 302
    assert old.do("disable_in_admin", "gateway") == 302
    assert new.do("choose") == ["letter", "console: hi"]


def test_code_of_110_that_starts_after_the_migration(shop: Shop) -> None:
    """Old code that is deployed again, without a migration back, serves as if nothing had happened."""
    before = shop.do("call_everything")
    with shop.on().running() as new:
        new.do("manage", "migrate")
        new.do("manage", "pluginsync")
        with shop.running() as old:
            assert old.do("call_everything") == before
            old.do("edit_columns", "letter", {"priority": 1})
            assert old.do("read_rows") == new.do("read_rows")
            assert old.do("use_admin", "letter", 2)[-1] == 302


def test_code_of_this_version_that_starts_before_the_migration(shop: Shop) -> None:
    """It answers the calls of 1.1.0; what writes fails loudly, and works once the migration has run."""
    before = shop.do("read_rows"), shop.do("call_everything")
    with shop.on().running() as new:
        assert (new.do("read_rows"), new.do("call_everything")) == before
        with pytest.raises(ErrandFailed, match="django_plugin_system_change"):
            new.do("edit", "letter", priority=1)
        assert new.do("read_rows") == before[0]
        new.do("manage", "migrate")
        new.do("edit", "letter", priority=1)
        assert new.do("read_rows") != before[0]


def test_new_calls_see_what_110_wrote(sides: tuple[Process, Process]) -> None:
    """1.1.0 notes no change: a remembered selection is renewed by age, at the latest, or by refresh_plugins()."""
    old, new = sides
    assert new.do("select") == "console: hi"
    old.do("edit", "gateway", status="active", priority=-5)
    assert new.do("select") == "console: hi"
    assert new.do("explain")[0] == "default (gateway): usable"
    new.do("refresh")
    assert new.do("select") == "gateway: hi"


def test_items_that_110_adds(shop: Shop) -> None:
    """A row that old code adds serves old calls at once, and new ones after the next sync."""
    newer = shop.on(*shop.path, features="pigeon")
    with newer.running() as old, shop.on(features="pigeon").running() as new:
        new.do("manage", "migrate")
        new.do("delete", "pigeon")
        assert old.do("sync", prune=False)["items_created"] == 1
        assert new.do("choose") == ["pigeon", "pigeon: hi"]
        assert not [line for line in new.do("explain") if "pigeon" in line]
        assert new.do("sync")["items_found"] == 5
        assert new.do("select") == "pigeon: hi"


def test_a_sync_of_110_loses_nothing(sides: tuple[Process, Process]) -> None:
    """It keeps what it knows, and the database refuses it to prune an item that has an instance."""
    old, new = sides
    before = new.do("read_rows"), new.do("explain")
    assert old.do("sync", prune=False) == {
        "types_created": 0,
        "types_found": 2,
        "items_created": 0,
        "items_found": 4,
        "pruned_types": 0,
        "pruned_items": 0,
    }
    with pytest.raises(ErrandFailed, match="IntegrityError"):
        old.do("sync")  # otp_manager is no installed app: 1.1.0 would delete that type, and make it again
    with pytest.raises(ErrandFailed, match="IntegrityError"):
        old.do("delete", "otp")
    assert (new.do("read_rows"), new.do("explain")) == before
    old.do("sync", "update", prune=False)
    assert [row[0] for row in new.do("read_rows")["items"]] == [row[0] for row in before[0]["items"]]


def test_a_sync_of_this_version_leaves_110_its_rows(shop: Shop) -> None:
    """Pruning keeps rows that only old code registers, while their app is installed or something hangs on them."""
    old = shop.on(*shop.path, features="pigeon")
    with shop.on().running() as new:
        new.do("manage", "migrate")
        old.do("sync", prune=False)
        before = new.do("read_rows")
        for mode in ("create", "update"):
            assert new.do("sync", mode)["pruned_items"] == 0
        assert [row[0] for row in new.do("read_rows")["items"]] == [row[0] for row in before["items"]]
        assert old.do("choose") == ["pigeon", "pigeon: hi"]
