"""What 3.0 deletes can be deleted: by a rule that a machine can follow, and the rest still works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import django_plugin_system
from tests.support import warm

pytestmark = [pytest.mark.packaging, pytest.mark.sqlite]

ROOT = Path(__file__).parents[2]
PACKAGE = Path(django_plugin_system.__file__).parent
MARK = "RemovedInPluginSystem30Warning"
GONE = re.compile(rf"\b({MARK}|compat|WARN_LEGACY|get_plugin_instance|get_plugin_class|load_class|load_plugin_\w+)\b")

STILL_WORKS = (
    "admin/test_add.py",
    "admin/test_lists.py",
    "rotation/test_rotate.py",
    "selection/test_failover.py",
    "rows/test_migrations.py",
    "selection/test_selection.py",
    "sync/test_sync_prune.py",
)
"""Tests that know nothing of 1.1.0: the admin, rotation, failover, migrations, selection and sync."""


def delete_what_30_deletes(folder: Path) -> list[str]:
    """Delete each file whose first line has the mark, and each line that ends with it; return the deleted files."""
    deleted = []
    for path in sorted(folder.rglob("*.py")):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        if lines and MARK in lines[0]:
            path.unlink()
            deleted.append(path.relative_to(folder).as_posix())
        else:
            path.write_text("".join(line for line in lines if not line.rstrip().endswith(f"# {MARK}")))
    return deleted


@pytest.fixture(scope="module")
def package_of_30(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with package and tests, without what 3.0 deletes."""
    folder = tmp_path_factory.mktemp("three")
    left_out = shutil.ignore_patterns("__pycache__", "screenshots", "*.sqlite3")
    shutil.copytree(PACKAGE, folder / "django_plugin_system", ignore=left_out)
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=left_out)
    shutil.copy(ROOT / "pyproject.toml", folder)
    deleted = delete_what_30_deletes(folder / "django_plugin_system")
    assert {"compat.py", "services/__init__.py", "services/sync.py", "storage.py"} <= set(deleted)
    delete_what_30_deletes(folder / "tests")
    return folder


def run(folder: Path, *arguments: str) -> str:
    """Run a Python module in ``folder``, unmeasured; it must succeed; return what it wrote."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE", "PYTEST", "TEST_"))}
    environment = kept | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [warm.python(), "-m", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_no_word_of_the_old_way_is_left(package_of_30: Path) -> None:
    """Nothing that remains names what is gone; where it comes from can still be imported."""
    sources = package_of_30.joinpath(PACKAGE.name).rglob("*.py")
    named = {path.name: GONE.findall(path.read_text(encoding="utf-8")) for path in sources}
    assert {name: words for name, words in named.items() if words} == {}
    code = "import django_plugin_system as p; print(p.__file__)"
    place = run(package_of_30, "django", "shell", "-v", "0", "-c", code)
    assert Path(place.strip()).parent == package_of_30 / PACKAGE.name


def test_what_is_left_needs_no_migration(package_of_30: Path) -> None:
    """Deleting the old way changes no table."""
    assert "No changes detected" in run(package_of_30, "django", "makemigrations", "--check", "django_plugin_system")


def test_what_is_left_works(package_of_30: Path) -> None:
    """The tests of what knows no 1.1.0 pass without it."""
    files = [f"tests/{name}" for name in STILL_WORKS]
    assert " passed" in run(
        package_of_30, "pytest", "-q", "-p", "no:cacheprovider", "-k", "not queries and not many", *files
    )
