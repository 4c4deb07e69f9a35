"""``manage.py plugins files move``, as an operator uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from django_plugin_system.contrib.storage import make_prefix
from tests.apps.papers.models import Paper
from tests.management.helpers import run

if TYPE_CHECKING:
    from pathlib import Path

    from django_plugin_system.models import PluginInstance
    from tests.contrib.storage.conftest import AddFolder

MOVE = ("plugins", "files", "move", "papers")


@pytest.fixture
def rows(add: AddFolder) -> list[PluginInstance]:
    """Return two instances, and store a paper in the first."""
    found = [add("eu", priority=1), add("us", priority=2)]
    Paper().file.save("a.txt", ContentFile("text"))
    return found


def test_files_move(rows: list[PluginInstance], declared_storage: Path) -> None:
    """How many there are, how far it is, and what came of it is said; nothing is done in a dry run."""
    ends = ("--from", "papers--eu", "--to", "papers--us")
    assert run(*MOVE, *ends, "--dry-run").lines == ["Files to move: 1."]
    assert run(*MOVE, *ends, "--delete").lines == [
        "1 of 1 files (100%)",
        "Files moved to papers--us (filesystem): 1.",
    ]
    assert Paper.objects.get().file.name == f"{make_prefix(rows[1].pk)}received/a.txt"
    assert not (declared_storage / "eu/received/a.txt").exists()


def test_old_files_move_in(rows: list[PluginInstance]) -> None:
    """Files whose names tell no instance are moved by ``--unnamed``."""
    del rows
    Paper.objects.create(file=storages["default"].save("old.txt", ContentFile("old")))
    assert run(*MOVE, "--unnamed", "--to", "papers--us").lines[-1] == "Files moved to papers--us (filesystem): 1."


def test_a_file_that_stays(rows: list[PluginInstance], declared_storage: Path) -> None:
    """It is named, and the command ends with 1."""
    del rows
    (declared_storage / "eu/received/a.txt").unlink()
    ran = run(*MOVE, "--from", "papers--eu", "--to", "papers--us")
    assert (ran.code, ran.error) == (1, "Files that stay where they are: 1; see above.")
    assert "received/a.txt: FileNotFoundError" in ran.everything


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("default", "--unnamed", "--to", "papers--us"), "STORAGES has no PluginStorage default; there are: papers."),
        (("nothing", "--unnamed", "--to", "papers--us"), "STORAGES has no PluginStorage nothing"),
        (("papers", "--unnamed", "--to", "others--it"), "others--it (filesystem) cannot be used by this storage"),
        (("papers", "--from", "nobody", "--to", "papers--us"), "There is no instance nobody"),
    ],
)
def test_what_is_not_clear(rows: list[PluginInstance], add: AddFolder, arguments: tuple[str, ...], reason: str) -> None:
    """A storage or an instance that is none of it is refused, with 2."""
    del rows
    add("it", "others")
    ran = run("plugins", "files", "move", *arguments)
    assert ran.code == 2
    assert reason in ran.error
