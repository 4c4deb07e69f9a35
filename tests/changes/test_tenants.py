"""Schemas that take turns on one connection: no tenant is given what is another's."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from tests.support import warm
from tests.support.databases import new_database
from tests.support.markdown import code_blocks

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


def visit(folder: Path, script: str, **environment: str) -> Any:
    """Return what a script says of the tenants of a project with a database of its own."""
    with new_database(folder, "tenants"):
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.changes.tenants.settings",
            "TEST_DATABASE_NAME": str(connections["tenants"].settings_dict["NAME"]),
            **environment,
        }
        command = [warm.python(), "-m", f"tests.changes.tenants.{script}"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_tenants_with_schemas_never_get_what_is_anothers(tmp_path: Path) -> None:
    """With django-tenants, each tenant is given its own, also where nothing is read and where changes look the same."""
    both = ["provider/main/ACacme", "provider/main/ACbolt"] * 2
    assert visit(tmp_path, "visit") == {
        "strict": both,
        "stale": both,
        "changed": ["provider/main/ACacme", "provider/other/ACbolt"] * 2,
        "states": ["acme", "bolt"] * 2,
    }


def test_tenants_that_share_a_table_are_told_apart_by_scopes(tmp_path: Path) -> None:
    """With the plugins among the shared apps, as the recipe has it, the name of the schema is the scope."""
    page = Path(__file__).parents[2] / "docs/scopes.md"
    [recipe] = [block for block in code_blocks(page, "python") if block.title == "apps/sms/schemas.py"]
    (tmp_path / "schemas.py").write_text(recipe.text.replace("apps.sms.plugins", "tests.support.plugins"))
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    assert visit(tmp_path, "share", SHARE_PLUGINS="yes", PYTHONPATH=path) == {
        "acme": "ACacme",
        "bolt": "ACall",
        "public": "ACall",
    }
