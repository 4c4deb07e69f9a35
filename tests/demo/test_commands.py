"""The demo's commands: first run, second run, each on its own, and the end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.demo.running import manage, run_code, running_demo

if TYPE_CHECKING:
    from pathlib import Path

    from tests.demo.running import Demo

pytestmark = pytest.mark.sqlite

LOGIN = re.compile(r"Admin login: admin  password: (.+)")
EDIT = """
from django_plugin_system.models import PluginInstance, PluginStatus
rows = PluginInstance.objects
rows.filter(item__name="email", name="marketing").update(name="newsletter", status=PluginStatus.DISABLED)
rows.filter(item__name="pigeon", name="marketing").delete()
row = rows.get(item__name="swiftline", name="marketing")
row.set_config({**row.config, "base_url": "https://sms.example/v1", "token": "another-token"})
row.save()
"""
SHOW = """
from django_plugin_system.models import PluginInstance
for row in PluginInstance.objects.order_by("item__name", "name"):
    if row.item.module.startswith("apps."):
        print(row, row.status, row.config.get("base_url", ""))
"""


def test_a_second_run_keeps_what_was_edited_and_follows_its_port(tmp_path: Path) -> None:
    """Rows renamed, deleted and changed stay so; the gateway's own address moves along; the login is the same."""
    data = tmp_path / "data"
    with running_demo(data) as first:
        run_code(data, EDIT)
    with running_demo(data) as second:
        assert first.process.returncode == 0
        shown = run_code(data, SHOW).splitlines()
        page = second.send("sms", "transactional", "Code after the move")
        mail = second.send("email", "transactional", "Mail after the move")
    assert shown == [
        "default (console) active ",
        f"alerts (courier) active {second.url}/gateway/courier",
        "newsletter (email) disable ",
        "transactional (email) active ",
        "transactional (pigeon) reserve ",
        "marketing (swiftline) disable https://sms.example/v1",
        f"transactional (swiftline) active {second.url}/gateway/swiftline/v1",
        f"transactional (swiftline) of acme active {second.url}/gateway/swiftline/v1",
    ]
    assert "Code after the move by Swiftline" in page.section("texts-title")
    assert "Mail after the move" in mail.section("mails-title")
    passwords = LOGIN.findall(second.log)
    assert passwords == [second.local["admin_password"]] * 2


def test_the_demo_stops_cleanly(tmp_path: Path) -> None:
    """Ctrl-C ends it with exit code 0 and without a traceback."""
    with running_demo(tmp_path / "data") as demo:
        demo.get()
    assert demo.process.returncode == 0
    assert demo.log.endswith("Stopped.\n")
    assert "Traceback" not in demo.log


def test_a_port_that_is_taken_is_named(demo: Demo, tmp_path: Path) -> None:
    """The command says which port cannot be served and how to choose another."""
    port = demo.url.rpartition(":")[2]
    done = manage(tmp_path, "demo", "--port", port)
    assert done.returncode == 1
    assert f"Port {port} cannot be served" in done.stderr
    assert "--port" in done.stderr


def test_migrate_and_seed_work_on_their_own(tmp_path: Path) -> None:
    """The parts of the demo command can be run one by one; a second seed creates nothing."""
    assert manage(tmp_path, "migrate").returncode == 0
    first, second = manage(tmp_path, "seed").stdout, manage(tmp_path, "seed").stdout
    assert first.count("Created ") == 11
    assert "Created " not in second
    assert LOGIN.findall(first) == LOGIN.findall(second)


def test_a_password_that_was_changed_is_not_printed(tmp_path: Path) -> None:
    """The printed login is never a wrong one."""
    manage(tmp_path, "migrate")
    manage(tmp_path, "seed")
    run_code(
        tmp_path,
        "from django.contrib.auth.models import User\nu = User.objects.get()\nu.set_password('mine')\nu.save()",
    )
    assert LOGIN.findall(manage(tmp_path, "seed").stdout) == ["(changed in the admin)"]


def test_no_migration_is_missing_and_the_project_passes_its_checks(tmp_path: Path) -> None:
    """The demo is a project without open ends."""
    assert manage(tmp_path, "makemigrations", "--check", "--dry-run").returncode == 0
    checked = manage(tmp_path, "check", "--fail-level", "WARNING")
    assert checked.returncode == 0, checked.stderr


def test_the_file_of_secrets_is_for_its_owner_only(demo: Demo) -> None:
    """Nobody else on the machine may read the keys."""
    assert (demo.data / "local.json").stat().st_mode & 0o777 == 0o600
