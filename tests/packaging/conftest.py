"""The built wheel and sdist, and a clean environment with the wheel in it; each made once."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the sdist, built from the checkout, and the wheel, built from that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", folder, CHECKOUT], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def wheel(distribution: Path) -> Path:
    """Return the path of the built wheel."""
    return next(distribution.glob("*.whl"))


@pytest.fixture(scope="session")
def sdist(distribution: Path) -> Path:
    """Return the path of the built sdist."""
    return next(distribution.glob("*.tar.gz"))


@pytest.fixture(scope="session")
def clean_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of a new environment that holds the wheel and what it depends on, and nothing else."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    install: list[str | Path]
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-compile", wheel]
    subprocess.run(install, check=True, capture_output=True)
    return python
