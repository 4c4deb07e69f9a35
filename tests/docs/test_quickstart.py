"""The quickstarts, as they stand there: they begin in an empty folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.conftest import CREATE, in_shell, open_terminal
from tests.docs.pages import MAIL_QUICKSTART, QUICKSTART
from tests.docs.story import Story

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.sqlite


def test_the_quickstart_runs_as_written(followed_quickstart: Path) -> None:
    """Every file and command of the quickstart does, in order, what the text says."""
    assert followed_quickstart.joinpath("db.sqlite3").exists()


CREATE_SERVERS = """
from django_plugin_system.models import PluginInstance, PluginItem
printing = {"backend": "django.core.mail.backends.console.EmailBackend"}
for item, config, status in (
    ("smtp", {"host": "127.0.0.1", "port": 9}, "active"), ("backend", printing, "reserve")
):
    item = PluginItem.objects.get(name=item)
    PluginInstance.objects.create(item=item, name="main", config=config, status=status)
"""
"""What the reader of the other quickstart does in the admin."""


def test_mail_alone_runs_as_written(tmp_path: Path) -> None:
    """Without a plugin of its own, a new project sends its mails through instances."""
    terminal = open_terminal(tmp_path)
    Story(terminal, in_admin=lambda _address: in_shell(terminal.place, CREATE_SERVERS)).tell(MAIL_QUICKSTART)


@pytest.mark.packaging
def test_the_quickstart_runs_in_an_environment_of_its_own(tmp_path: Path) -> None:
    """With the reader's own environment, into which the clone was installed as it says, it does so too."""
    terminal = open_terminal(tmp_path)

    def use_admin(_address: str) -> None:
        in_shell(terminal.place, CREATE, python=terminal.place / ".venv/bin/python")

    Story(terminal, own_environment=True, in_admin=use_admin).tell(QUICKSTART)
    assert terminal.place.joinpath(".venv").is_dir()
