"""Fixtures: the published 1.1.0, and the shop as it was made with it."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from tests.upgrades.releases import Shop, copied_shop, install, new_shop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_django import DjangoDbBlocker

needs_python_311 = pytest.mark.skipif(sys.version_info < (3, 11), reason="1.1.0 needs Python 3.11")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder that run published releases."""
    for item in items:
        if "published" in getattr(item, "fixturenames", ()):  # a test or a fixture of it starts from 1.1.0
            item.add_marker(pytest.mark.upgrade)
            item.add_marker(needs_python_311)


def make_and_fill(shop: Shop) -> Shop:
    """Make the tables as users of 1.1.0 had to, edit and link rows; return the shop."""
    with shop.running() as old:
        old.do("manage", "makemigrations", "django_plugin_system", "people")
        old.do("manage", "migrate")
        old.do("fill")
    return shop


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with 1.1.0, as it is on PyPI."""
    return install("django-plugin-system==1.1.0", tmp_path_factory.mktemp("pypi"))


@pytest.fixture
def release(published: Path, tmp_path: Path) -> Path:
    """Return a copy of 1.1.0 of the test's own: makemigrations writes into it."""
    return shutil.copytree(published, tmp_path / "published-1.1.0")


@pytest.fixture
def empty_shop(
    release: Path, tmp_path: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Shop]:
    """Return the shop on 1.1.0, without tables yet."""
    del django_db_setup
    with django_db_blocker.unblock(), new_shop(tmp_path, release) as shop:
        yield shop


@pytest.fixture(scope="session")
def filled_shop(
    published: Path,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Shop]:
    """Return the shop on 1.1.0, made and filled once, to be copied."""
    del django_db_setup
    folder = tmp_path_factory.mktemp("shop")
    release = shutil.copytree(published, folder / "published-1.1.0")
    with django_db_blocker.unblock(), new_shop(folder, release, alias="filled") as shop:
        yield make_and_fill(shop)


@pytest.fixture
def shop(filled_shop: Shop, tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Shop]:
    """Return the shop on 1.1.0 as its users have it: tables made, rows edited and linked."""
    release = shutil.copytree(filled_shop.path[0], tmp_path / "published-1.1.0")
    with django_db_blocker.unblock(), copied_shop(filled_shop, tmp_path, release) as shop:
        yield shop
