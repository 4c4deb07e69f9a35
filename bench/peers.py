"""The releases that this version is measured against, each installed from PyPI into an environment of its own."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(__file__).parents[1] / ".bench"
"""Kept between runs, and by git ignored."""

VERSIONS = ("1.1.0", "2.0.9")


def get_python(release: str) -> str:
    """Return the Python of the environment that holds ``release``, with the Django that this process has."""
    stack = [
        f"django-plugin-system=={release}",
        f"Django=={version('Django')}",
        f"psycopg[binary]=={version('psycopg')}",
    ]
    folder = FOLDER / "-".join([release, version("Django"), f"{sys.version_info.major}.{sys.version_info.minor}"])
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *stack], check=True)
        stamp.touch()
    return str(python)
