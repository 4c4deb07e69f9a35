"""A reader who followed the quickstart, for the pages that go on from there."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import QUICKSTART, ROOT
from tests.docs.story import Story
from tests.docs.terminal import Terminal
from tests.support import warm

if TYPE_CHECKING:
    from pathlib import Path

CREATE = """
from django_plugin_system.models import PluginInstance, PluginItem
for name, token, sender in (("transactional", "code-token-123", "Shop"), ("marketing", "offer-token-456", "Offers")):
    config = {"endpoint": "http://127.0.0.1:9/messages", "token": token, "sender": sender}
    PluginInstance.objects.create(item=PluginItem.objects.get(name="gateway"), name=name, config=config)
"""
"""What the reader of the quickstart does in the admin."""


A_MINUTE_LATER = """
from django_plugin_system.models import PluginHealth
PluginHealth.objects.update(unavailable_until=None)
"""


def in_shell(project: Path, code: str, python: Path | None = None) -> None:
    """Run ``code`` in the shell of ``project``."""
    command: list[Path | str] = [python or warm.python(), "manage.py", "shell", "-c", code]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "shop.settings"}
    subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True)


def open_terminal(folder: Path) -> Terminal:
    """Return a terminal in a folder below ``folder``, with the clone where the quickstart expects it."""
    terminal = Terminal(folder / "home", folder / "state")
    terminal.folder.joinpath("django-plugin-system").symlink_to(ROOT)
    return terminal


@pytest.fixture(scope="session")
def followed_quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the project of a reader who did what the quickstart says, without a browser."""
    terminal = open_terminal(tmp_path_factory.mktemp("quickstart"))

    Story(terminal, in_admin=lambda _address: in_shell(terminal.place, CREATE)).tell(QUICKSTART)
    in_shell(terminal.place, A_MINUTE_LATER)
    return terminal.place


@pytest.fixture
def terminal(followed_quickstart: Path, tmp_path: Path) -> Terminal:
    """Return a terminal in a copy of that project, a minute later."""
    opened = open_terminal(tmp_path)
    shutil.copytree(followed_quickstart, opened.folder / "shop")
    opened.run("cd shop")
    return opened
