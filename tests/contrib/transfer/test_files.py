"""Files that the commands read and write."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.db import connection

from django_plugin_system.management import documents
from tests.contrib.transfer.helpers import run
from tests.support.plugins import SECRET
from tests.support.rows import add_instance

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def instance(provider: PluginItem) -> None:
    """Have something to export."""
    add_instance("main", provider)


def get_mode(path: Path) -> int:
    """Return who may do what with a file."""
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_file_is_new_and_private(folder: Path) -> None:
    """A file is made for its owner only; one that is there is not touched without --force."""
    path = folder / "out.json"
    ran = run("pluginexport", "--output", str(path))
    assert not ran.out
    assert json.loads(path.read_text())["version"] == 1
    assert get_mode(path) == 0o600
    path.write_text("mine")
    ran = run("pluginexport", "--output", str(path))
    assert ran.error == f"{path} exists. Choose another name, or --force to replace it."
    assert path.read_text() == "mine"


def test_force_replaces_the_file(folder: Path) -> None:
    """With --force the new file takes the place of the old one, private again; a link is replaced, not followed."""
    target, path = folder / "target", folder / "out.json"
    target.write_text("mine")
    target.chmod(0o644)
    path.symlink_to(target)
    assert run("pluginexport", "--output", str(path)).error
    ran = run("pluginexport", "--output", "out.json", "--force")
    assert not ran.error
    assert (target.read_text(), path.is_symlink(), get_mode(path)) == ("mine", False, 0o600)
    assert sorted(one.name for one in folder.iterdir()) == ["out.json", "target"]


def test_a_place_where_nothing_can_be_written(folder: Path) -> None:
    """A folder that is not there, or stands in the way, is named; nothing is left behind."""
    (folder / "there").mkdir()
    for name in ("no/out.json", "there"):
        ran = run("pluginexport", "--output", str(folder / name), "--force")
        assert ran.error.startswith(f"{folder / name} cannot be written: ")
        assert not ran.out
    assert [one.name for one in folder.iterdir()] == ["there"]


@pytest.mark.parametrize("name", ["out.yaml", "out.YML"])
def test_the_name_says_the_format(folder: Path, name: str) -> None:
    """A file that ends in .yaml or .yml is YAML, for both commands."""
    assert not run("pluginexport", "--output", name).error
    assert (folder / name).read_text().startswith("format: django-plugin-system\nversion: 1\ninstances:\n- type: sms\n")
    assert run("pluginimport", name).out.endswith("Unchanged: 1.\n")


def test_toml_is_read_only(folder: Path) -> None:
    """No document is written as TOML, and nothing is left behind."""
    ran = run("pluginexport", "--output", "out.toml")
    assert ran.error == "no document is written as toml: choose json or yaml"
    assert not [*folder.iterdir()]


def test_the_format_can_be_given(folder: Path) -> None:
    """An option says the format where there is no name, or another one."""
    text = run("pluginexport", "--format", "yaml").out
    (folder / "document").write_text(text)
    assert run("pluginimport", "document", "--format", "yaml").out.endswith("Unchanged: 1.\n")
    assert run("pluginimport", "document").error.startswith("The document cannot be read: line 1, column 1: this is")


def test_files_that_cannot_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is not there, not text or endless is refused, and nothing of it is shown."""
    assert run("pluginimport", "none.json").error == "none.json cannot be read: No such file or directory."
    (folder / "bytes.json").write_bytes(SECRET.encode() + b"\xff")
    assert run("pluginimport", "bytes.json").error == "The document is not UTF-8."
    monkeypatch.setattr(documents, "MOST_BYTES", 1000)
    (folder / "long.json").write_text(" " * 1001)
    assert run("pluginimport", "long.json").error == "The document is longer than 1,000 bytes: split it."


@pytest.mark.parametrize("force", [[], ["--force"]], ids=["new", "force"])
def test_a_file_is_written_whole_or_not_at_all(folder: Path, force: list[str]) -> None:
    """An export that fails on the way leaves what was there, and nothing half written."""
    path = folder / "out.json"
    if force:
        path.write_text("mine")

    def fail(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        if "COLLATE" in sql:
            raise MemoryError
        return execute(sql, *args)

    with connection.execute_wrapper(fail), pytest.raises(MemoryError):
        call_command("pluginexport", "--output", str(path), *force)
    assert [one.read_text() for one in folder.iterdir()] == (["mine"] if force else [])
