"""The version matrix: each supported Django on a Python of its time, with SQLite and PostgreSQL: ``make matrix``."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "venv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False  # one that is not here is reported in a line and left out
nox.options.reuse_existing_virtualenvs = True

HERE = Path(__file__).parent
OLDEST = ("cryptography==42.0.0", "django-jsonform==2.23.0", "pydantic==2.11.0", "typing_extensions==4.13.0")
"""The oldest releases that pyproject.toml admits."""
VERSIONS = {
    "3.10": ("Django~=4.2.0", *OLDEST),
    "3.11": ("Django~=5.2.0",),
    "3.12": ("Django~=6.1.0",),
    "3.13": ("Django~=6.0.0", "pydantic==2.11.0"),
}
NEWEST = "3.12"
"""The session with the newest Django. Its Python runs Django 4.2 as well, from which a database is upgraded."""
TEST_GROUP = nox.project.dependency_groups(nox.project.load_toml(HERE / "pyproject.toml"), "test")


def add_pyenv_to_path() -> None:
    """Put pyenv's interpreters on the PATH themselves: its shims run only the versions that its user switched on."""
    roots = {Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions", Path(sys.base_prefix).parent}
    found = [str(folder) for root in roots if root.name == "versions" for folder in sorted(root.glob("*/bin"))]
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *found])


add_pyenv_to_path()


SLOW = ("browser", "packaging", "upgrade")
"""What ``make test`` runs, and the matrix only where it says something new."""


def run_suite(session: nox.Session, *databases: str, also: str = "") -> None:
    """Run all tests but the slow ones on each of ``databases``; ``also`` is the kind of slow tests that is kept."""
    left_out = " and ".join(f"not {kind}" for kind in SLOW if kind != also)
    for database in databases:
        session.run("pytest", "-q", "-m", left_out, env={"TEST_DATABASE": database})


@nox.session(python=list(VERSIONS))
def tests(session: nox.Session) -> None:
    """Run the suite on one Python with its Django, and check that no migration is missing."""
    session.install("--editable", ".", *TEST_GROUP, *VERSIONS[str(session.python)])
    settings = {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    session.run(
        "python", "-m", "django", "makemigrations", "--check", "--dry-run", "django_plugin_system", env=settings
    )
    run_suite(session, "sqlite", "postgres", also="upgrade" if session.python == NEWEST else "")
    if session.python == NEWEST:
        # Every shape of form is make test's business: what differs there is the browser, not Python.
        session.run("pytest", "-q", "-m", "browser", "--deselect", "tests/browser/test_shapes.py")


@nox.session(reuse_venv=False)
def wheel(session: nox.Session) -> None:
    """Run the suite against the built wheel, from a folder in which the checkout's package cannot be found."""
    folder = Path(session.create_tmp()).resolve() / "suite"
    shutil.rmtree(folder, ignore_errors=True)
    session.install(*TEST_GROUP)
    session.run("python", "-m", "build", "--wheel", "--outdir", str(folder / "dist"), silent=True)
    session.install(*map(str, (folder / "dist").glob("*.whl")))
    left_out = shutil.ignore_patterns("_build", "*.sqlite3", "screenshots")
    for name in ("bench", "demo", "docs", "tests"):
        if (HERE / name).exists():
            shutil.copytree(HERE / name, folder / name, ignore=left_out)
    for file in [*HERE.glob("*.md"), HERE / "pyproject.toml"]:
        shutil.copy(file, folder)
    session.chdir(folder)
    run_suite(session, "sqlite")
