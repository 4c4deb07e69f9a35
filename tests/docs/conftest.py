"""A reader who followed the README's tutorial, for the pages that go on from there."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import README, ROOT
from tests.docs.story import Story
from tests.docs.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

CREATE = """
from django_plugin_system.models import PluginInstance, PluginItem
for name, token, sender in (("transactional", "code-token-123", "Shop"), ("marketing", "offer-token-456", "Offers")):
    config = {"endpoint": "http://127.0.0.1:9/messages", "token": token, "sender": sender}
    PluginInstance.objects.create(item=PluginItem.objects.get(name="gateway"), name=name, config=config)
"""
"""What the README's reader does in the admin."""


def open_terminal(folder: Path) -> Terminal:
    """Return a terminal in a folder below ``folder``, with the clone of the repository where the README expects it."""
    terminal = Terminal(folder / "home", folder / "state")
    terminal.folder.joinpath("django-plugin-system").symlink_to(ROOT)
    return terminal


@pytest.fixture(scope="session")
def followed_readme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the project of a reader who did what the README says, without a browser."""
    terminal = open_terminal(tmp_path_factory.mktemp("readme"))

    def create_instances(_address: str) -> None:
        command = [sys.executable, "manage.py", "shell", "-c", CREATE]
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "shop.settings"}
        subprocess.run(command, cwd=terminal.place, env=environment, check=True, capture_output=True)

    Story(terminal, in_admin=create_instances).tell(README)
    return terminal.place
