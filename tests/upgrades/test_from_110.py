"""A project of the published 1.1.0 runs on this version as it is, and nothing of what it holds changes."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from django_plugin_system import migrations
from tests.upgrades.conftest import make_and_fill
from tests.upgrades.releases import ErrandFailed, Shop, install

ALL_WELL = [200, 200, 200, 200, 200, 302]
"""How the admin answers to a look at each page, and to a change in a list."""


def look(shop: Shop) -> tuple[Any, Any]:
    """Return the rows of 1.1.0's tables and the answers of its calls, from a process of its own."""
    with shop.running() as process:
        return process.do("read_rows"), process.do("call_everything")


def check_upgrade(shop: Shop, seen_before: tuple[Any, Any]) -> None:
    """Check that the shop, on this version and migrated, serves as before: calls, sync, admin, both use cases."""
    with shop.running() as new:
        assert "No changes detected" in new.do("manage", "makemigrations", "--check")
        assert "no issues" in new.do("manage", "check")
        new.do("manage", "pluginsync")
        assert (new.do("read_rows"), new.do("call_everything")) == seen_before
        assert new.do("use_admin", "console", 17) == ALL_WELL
        assert new.do("read_rows") == seen_before[0]
        assert new.do("use_admin", "console", 18) == ALL_WELL
        assert new.do("fail_over") == ["letter", "gone"]
        assert new.do("choose") == ["letter", "console: hi"]


def test_nobody_notices(shop: Shop) -> None:
    """After a plain migrate, ids, statuses, priorities and links are the same, and so are all answers."""
    before = look(shop)
    new = shop.on()
    places = [Path(side.do("read_versions")[1]).parents[1] for side in (shop, new)]
    assert places == [shop.folder / "published-1.1.0", Path(migrations.__path__[0]).parents[1]]
    assert "Applying django_plugin_system.0002_instances... OK" in new.do("manage", "migrate")
    check_upgrade(new, before)


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="Django 4.2 needs Python 3.12 or older")
def test_made_by_an_older_django(release: Path, empty_shop: Shop, tmp_path: Path) -> None:
    """A database that 1.1.0 made on Django 4.2 moves to this version and a newer Django at once."""
    old = make_and_fill(empty_shop.on(release, install("Django==4.2.*", tmp_path)))
    django_of_110, _ = old.do("read_versions")
    assert django_of_110.startswith("4.2")
    before = look(old)
    new = old.on()
    new.do("manage", "migrate")
    check_upgrade(new, before)


def test_made_by_an_older_release(release: Path, empty_shop: Shop, tmp_path: Path) -> None:
    """The first releases made the same tables: 1.0.2, the oldest that Django can start, needs no step by 1.1.0."""
    assert empty_shop.path == (release,)
    old = make_and_fill(empty_shop.on(install("django-plugin-system==1.0.2", tmp_path)))
    before = old.do("read_rows")
    with old.on().running() as new:
        new.do("manage", "migrate")
        new.do("manage", "pluginsync")
        assert new.do("read_rows") == before
        assert new.do("use_admin", "console", 17) == ALL_WELL


def test_tables_that_no_migration_made(empty_shop: Shop) -> None:
    """Tables of ``migrate --run-syncdb``: a plain migrate stops and changes nothing; a faked first one goes through."""
    old = empty_shop.on(*empty_shop.path, own_migrations=())
    with old.running() as process:
        process.do("manage", "migrate", "--run-syncdb")
        process.do("fill")
    before = look(old)
    new = old.on()
    with pytest.raises(ErrandFailed, match="already exists"):
        new.do("manage", "migrate", "django_plugin_system")
    assert look(old) == before
    with new.running() as process:
        process.do("manage", "migrate", "--fake", "django_plugin_system", "0001")
        process.do("manage", "migrate")
    check_upgrade(new, before)


@pytest.mark.parametrize("kept", [False, True], ids=["taken out", "kept"])
def test_a_copy_of_the_migrations(empty_shop: Shop, *, kept: bool) -> None:
    """With MIGRATION_MODULES, the entry can go; if it stays, makemigrations adds what is new to the copy."""
    ours = ("people", "django_plugin_system")
    old = make_and_fill(empty_shop.on(*empty_shop.path, own_migrations=ours))
    before = look(old)
    new = old.on() if kept else old.on(own_migrations=("people",))
    with new.running() as process:
        if kept:
            process.do("manage", "makemigrations", "django_plugin_system")
        process.do("manage", "migrate")
    check_upgrade(new, before)


def test_back_to_110(shop: Shop, published: Path) -> None:
    """After a migration back, 1.1.0 finds its tables as they are, and serves the same."""
    new = shop.on()
    with new.running() as process:
        process.do("manage", "migrate")
        process.do("edit", "letter", priority=4)
        process.do("disable_in_admin", "gone")
        seen = process.do("read_rows"), process.do("call_everything")
        process.do("manage", "migrate", "django_plugin_system", "0001")
        assert process.do("read_rows") == seen[0]
    keep_first_migration(shop.folder)
    old = shop.on(published, own_migrations=("people", "django_plugin_system"))
    assert look(old) == seen
    with old.running() as process:
        assert "No migrations to apply" in process.do("manage", "migrate")
        assert "No changes detected" in process.do("manage", "makemigrations", "--check")
        assert process.do("use_admin", "console", 3) == ALL_WELL


def keep_first_migration(folder: Path) -> None:
    """Put our first migration where the shop keeps its own, as 1.1.0 has none."""
    shutil.copy(Path(migrations.__path__[0]) / "0001_initial.py", folder / "django_plugin_system_migrations")


def test_no_way_back_while_instances_would_go(shop: Shop) -> None:
    """With configured instances, a migration back is refused before it changes anything."""
    with shop.on(features="configurable").running() as new:
        new.do("manage", "migrate")
        new.do("add_instance", "gateway", "main", {"token": "t0ken"})
        new.do("edit", "gateway", status="active")
        assert new.do("choose") == ["gateway", "gateway with t0ken: hi"]
        before = new.do("read_rows"), new.do("explain")
        with pytest.raises(ErrandFailed, match=r"InstancesWouldBeLost: .* would delete 1 plugin .*pluginexport"):
            new.do("manage", "migrate", "django_plugin_system", "0001")
        assert (new.do("read_rows"), new.do("explain")) == before
