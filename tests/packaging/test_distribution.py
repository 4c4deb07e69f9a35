"""What wheel and sdist hold, and that the wheel works in an environment of its own."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging

CHECKOUT = Path(__file__).parents[2]
PACKAGE = "django_plugin_system"

IMPORT_ALL_THAT_NEEDS_NO_SETTINGS = """
import django_plugin_system
from django.conf import settings
from django_plugin_system.exceptions import NoPluginAvailable, PluginSystemError
assert issubclass(NoPluginAvailable, PluginSystemError)
assert not settings.configured
"""

USE_IN_A_PROJECT = """
import django
from django.conf import settings
from django.core.management import call_command

DATABASE = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
settings.configure(INSTALLED_APPS=["django_plugin_system"], DATABASES={"default": DATABASE}, SECRET_KEY="only here")
django.setup()
call_command("check")
call_command("migrate", verbosity=0)
call_command("makemigrations", "--check", "--dry-run")
"""


def files_of_the_package() -> set[str]:
    """Return every file of the package in the checkout, as paths from its root."""
    found = (path.relative_to(CHECKOUT) for path in (CHECKOUT / PACKAGE).rglob("*") if path.is_file())
    return {path.as_posix() for path in found if "__pycache__" not in path.parts}


def run(python: Path, code: str, folder: Path) -> None:
    """Run ``code`` with the ``python`` of the clean environment, its warnings errors, away from the checkout."""
    done = subprocess.run([python, "-W", "error", "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel: Path) -> None:
    """Every file of the package is in the wheel, py.typed among them; tests, demo and docs are not."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    inside = {name for name in names if ".dist-info/" not in name}
    assert f"{PACKAGE}/py.typed" in inside
    assert files_of_the_package() <= inside
    assert {name.split("/")[0] for name in inside} == {PACKAGE}


def test_the_wheel_says_what_it_needs(wheel: Path) -> None:
    """The metadata name the licence and the dependencies, and a README for the index page."""
    with zipfile.ZipFile(wheel) as archive:
        path = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(path).decode())
    lines = metadata.get_all("Requires-Dist", [])
    needed = {line.split(">")[0].lower() for line in lines if "extra ==" not in line}
    assert set(metadata.get_all("Provides-Extra", [])) == {"aws", "email", "oauth", "s3"}
    assert needed == {"cryptography", "django", "django-jsonform", "exceptiongroup", "pydantic", "typing-extensions"}
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.10"
    assert "# django-plugin-system" in metadata.get_payload()


def test_the_sdist_can_be_tested_and_documented(sdist: Path) -> None:
    """The sdist holds tests, docs, demo and the commands, and nothing that a run left behind."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "LICENSE",
        "Makefile",
        "README.md",
        "docs/conf.py",
        "noxfile.py",
        "pyproject.toml",
        "tests/settings.py",
    } <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith((".venv", ".git/", "dist"))]


def test_the_wheel_imports_without_settings(clean_python: Path, tmp_path: Path) -> None:
    """Importing the package and its errors neither needs nor touches Django's settings."""
    run(clean_python, IMPORT_ALL_THAT_NEEDS_NO_SETTINGS, tmp_path)


def test_the_wheel_serves_a_project_without_admin(clean_python: Path, tmp_path: Path) -> None:
    """With only the package in INSTALLED_APPS, checks, migrations and models work, and no migration is missing."""
    run(clean_python, USE_IN_A_PROJECT, tmp_path)
