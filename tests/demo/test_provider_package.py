"""The provider package of the demo: built, installed as a wheel, and used without a change of the demo."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.demo.running import MANAGE, ROOT, manage, run_code, running_demo

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.sqlite, pytest.mark.packaging]

PACKAGE = MANAGE.parent / "providers/pigeon"
CREATE = """
from django_plugin_system.models import PluginInstance, PluginItem
from apps.frontdesk.seed import pigeon_url
from project.local import get_local
config = {"endpoint": pigeon_url(get_local().web_port), "user": "frontdesk", "password": get_local().pigeon_password}
item = PluginItem.objects.get(name="pigeon_air")
PluginInstance.objects.create(item=item, name="by-air", config={**config, "sender": "Air"})
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that the wheel was installed into, which demos of this test have on their path."""
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path / "dist"), str(PACKAGE)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    folder = tmp_path / "site-packages"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    monkeypatch.setenv("DEMO_PACKAGES", str(folder))
    return folder


def test_the_demo_uses_an_installed_provider(installed: Path, tmp_path: Path) -> None:
    """Its item is there, its snapshot is checked, and an instance of it sends a message."""
    data = tmp_path / "data"
    checked = manage(data, "pluginschema", "--check")
    assert (checked.returncode, checked.stdout) == (0, "Every schema is as its snapshot says: 9.\n"), checked.stderr
    with running_demo(data) as demo:
        run_code(data, CREATE)
        page = demo.send("sms", "by-air", "Through the air")
    assert "by-air (pigeon_air) took it: pg-" in page.section("result-title")
    (snapshot,) = installed.rglob("plugin_schemas.json")
    snapshot.write_text(snapshot.read_text().replace('"sender"', '"from"'))
    assert manage(data, "pluginschema", "--check").returncode == 1


def test_the_package_has_tests_of_its_own(tmp_path: Path) -> None:
    """They pass, with the testing kit and the interface of the demo at hand."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    del environment["DJANGO_SETTINGS_MODULE"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:django",
        "--basetemp",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=PACKAGE, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
