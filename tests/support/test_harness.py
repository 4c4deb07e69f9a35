"""The harness itself: database, processes, browser, and what happens when a piece is missing."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection

from tests.support import chromium, postgres, warm
from tests.support.missing import skip_or_fail

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

COUNT_USERS = """
import django; django.setup()
from django.contrib.auth import get_user_model; print(get_user_model().objects.count())
"""

SERVE_POSTGRES = """
import time
from tests.support.postgres import running_server
with running_server() as host:
    print(host, flush=True)
    time.sleep(60)
"""


def test_a_missing_piece_skips_on_a_developers_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without CI, a missing piece skips the test and says why."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such thing"):
        skip_or_fail("no such thing")


def test_a_missing_piece_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """With CI=true, a missing piece is a failure."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no such thing"):
        skip_or_fail("no such thing")


@pytest.mark.django_db
def test_tests_run_on_the_database_that_was_asked_for() -> None:
    """TEST_DATABASE chooses the database that tests run on."""
    assert connection.vendor == {"sqlite": "sqlite", "postgres": "postgresql"}[settings.DATABASE]


@pytest.mark.django_db(transaction=True)
def test_a_process_started_by_a_test_sees_its_rows() -> None:
    """A subprocess with the test settings reads what the test committed."""
    get_user_model().objects.create_user("one")
    counted = subprocess.run([warm.python(), "-c", COUNT_USERS], capture_output=True, text=True, check=True)
    assert counted.stdout.strip() == "1"


def test_a_server_named_by_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """With TEST_POSTGRES_HOST set, tests run on that server and start none."""
    monkeypatch.setenv(postgres.HOST_VARIABLE, "db.example")
    assert postgres.is_available()
    with postgres.running_server() as host:
        assert host == "db.example"


@pytest.mark.postgres
def test_a_terminated_run_leaves_no_server_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is told to terminate stops its PostgreSQL and removes its files."""
    monkeypatch.delenv(postgres.HOST_VARIABLE, raising=False)
    with subprocess.Popen([sys.executable, "-c", SERVE_POSTGRES], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        folder = Path(run.stdout.readline().strip())
        assert (folder / ".s.PGSQL.5432").exists()
        run.send_signal(signal.SIGTERM)
        run.wait(timeout=30)
    assert not folder.exists()


@pytest.mark.browser
def test_the_admin_opens_in_a_browser(
    page: Page, screenshot: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The live server's admin asks for a login; its picture is a PNG, and taken only where pictures are wanted."""
    page.goto("/admin/")
    assert page.get_by_label("Username").is_visible()
    monkeypatch.setattr(chromium, "PICTURES", None)
    screenshot("none")
    monkeypatch.setattr(chromium, "PICTURES", str(tmp_path / "new"))
    screenshot("login")
    (picture,) = tmp_path.rglob("*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
