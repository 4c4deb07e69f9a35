"""The version matrix: each supported Django on a Python of its time, with SQLite and PostgreSQL: ``make matrix``."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|venv"  # uv is there unless make could not use it
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False  # one that is not here is reported in a line and left out
nox.options.reuse_existing_virtualenvs = True

HERE = Path(__file__).parent
OLDEST = ("cryptography==44.0.1", "django-jsonform==2.23.0", "pydantic==2.11.0", "typing_extensions==4.13.0")
"""The oldest releases that pyproject.toml admits."""
VERSIONS = {
    "3.10": ("Django~=4.2.30", *OLDEST),
    "3.11": ("Django~=5.2.0",),
    "3.12": ("Django~=6.1.0",),
    "3.13": ("Django~=6.0.0", "pydantic==2.11.0"),
}
NEWEST = "3.12"
"""The session with the newest Django. Its Python runs Django 4.2 as well, from which a database is upgraded."""
ALL_NEWEST = (("Django~=5.2.0",), ("Django~=6.1.0",))
"""The newest Django of Python 3.10 and 3.11, and that of later ones, with the newest of everything else."""
ON_BOTH_DATABASES = ("3.10", "3.11", NEWEST)
"""With Django's oldest and newest drivers of a database, and one between."""
PIP = "pip"
"""Tests install published releases with it; uv gives an environment none."""
TEST_GROUP = nox.project.dependency_groups(nox.project.load_toml(HERE / "pyproject.toml"), "test")


def add_pyenv_to_path() -> None:
    """Put pyenv's interpreters on the PATH themselves: its shims run only the versions that its user switched on."""
    roots = {Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions", Path(sys.base_prefix).parent}
    found = [str(folder) for root in roots if root.name == "versions" for folder in sorted(root.glob("*/bin"))]
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *found])


add_pyenv_to_path()


ELSEWHERE = ("tests/architecture", "tests/demo", "tests/docs", "tests/packaging", "tests/test_bench.py")
"""What ``make test`` runs, and other versions only where it says something new: files, and projects of their own."""
ABOUT_NEITHER = ("tests/config", "tests/registration", "tests/schema")
"""What knows of no Django and no database: Pythons, and the oldest and the newest pydantic, differ in it."""
ABOUT_ROWS = (
    *(
        "tests/changes",
        "tests/rotation",
        "tests/rows",
        "tests/selection",
        "tests/state",
        "tests/sync",
        "tests/upgrades",
    ),
    *("tests/admin/test_change.py", "tests/admin/test_lists.py", "tests/contrib/transfer/test_concurrency.py"),
    "tests/upgrades",
)
"""Where what Django asks a database for, and how it answers, decide together: what runs on PostgreSQL."""
OF_THE_DEMO = ("tests/demo/test_failures.py", "tests/demo/test_gateway.py", "tests/demo/test_provider_package.py")
"""The demo's own servers and packages."""
TOLD_BY_THE_WHEEL = (
    *("tests/admin/test_add.py", "tests/admin/test_change.py", "tests/forms/test_field.py", "tests/management"),
    *("tests/rows/test_migrations.py", "tests/test_front_door.py", "tests/test_translations.py", "tests/testing"),
)
"""What notices a file that is missing in the wheel: templates, scripts, commands, migrations, catalogues."""


IN_BROWSER = ("tests/browser/test_form.py", "tests/browser/test_main_job.py", "tests/docs/test_quickstart_in_admin.py")
"""The admin's markup that our scripts and styles take hold of."""


def is_what_make_test_runs(python: str) -> bool:
    """Return whether a session repeats ``make test``: the same Python, the newest Django and pydantic for it."""
    return VERSIONS[python] in ALL_NEWEST and python == "{}.{}".format(*sys.version_info)


@nox.session(python=list(VERSIONS))
def tests(session: nox.Session) -> None:
    """Run the suite on one Python with its Django, and check that no migration is missing."""
    python = str(session.python)
    if os.environ.get("CI") and is_what_make_test_runs(python):
        session.skip("make test ran it")
    session.install("--editable", ".", *TEST_GROUP, *VERSIONS[python], PIP)
    settings = {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    session.run(
        "python", "-m", "django", "makemigrations", "--check", "--dry-run", "django_plugin_system", env=settings
    )
    left_out = set(ELSEWHERE)
    if python == NEWEST:  # its neighbours run on both pydantics
        left_out = left_out - {"tests/demo", "tests/docs"} | {*ABOUT_NEITHER, *OF_THE_DEMO}
    kinds = "not browser and not packaging" + " and not upgrade" * (python != NEWEST)
    on_sqlite = [f"--ignore={place}" for place in sorted(left_out)]
    session.run("pytest", "-q", "-m", kinds, *on_sqlite, env={"TEST_DATABASE": "sqlite"})
    if python in ON_BOTH_DATABASES:
        session.run("pytest", "-q", "-m", kinds, *ABOUT_ROWS, env={"TEST_DATABASE": "postgres"})
    if python == NEWEST:
        # Every shape of form, theme and width is make test's business: there the browser differs, not Python.
        session.run("pytest", "-q", "-m", "browser", *IN_BROWSER)


@nox.session(reuse_venv=False)
def wheel(session: nox.Session) -> None:
    """Run the suite against the built wheel, from a folder in which the checkout's package cannot be found."""
    folder = Path(session.create_tmp()).resolve() / "suite"
    shutil.rmtree(folder, ignore_errors=True)
    session.install(*TEST_GROUP, PIP)
    session.run("python", "-m", "build", "--wheel", "--outdir", str(folder / "dist"), silent=True)
    session.install(*map(str, (folder / "dist").glob("*.whl")))
    left_out = shutil.ignore_patterns("_build", "*.sqlite3")
    for name in ("bench", "demo", "docs", "tests"):
        if (HERE / name).exists():
            shutil.copytree(HERE / name, folder / name, ignore=left_out)
    for file in [*HERE.glob("*.md"), HERE / "pyproject.toml"]:
        shutil.copy(file, folder)
    session.chdir(folder)
    session.run("pytest", "-q", *TOLD_BY_THE_WHEEL)
