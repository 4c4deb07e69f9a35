"""Schemas that take turns on one connection: no tenant is given what is another's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from django.db import connections

from tests.support.databases import new_database

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_tenants_with_schemas_never_get_what_is_anothers(tmp_path: Path) -> None:
    """With django-tenants, each tenant is given its own, also where nothing is read and where changes look the same."""
    with new_database(tmp_path, "tenants"):
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.changes.tenants.settings",
            "TEST_DATABASE_NAME": str(connections["tenants"].settings_dict["NAME"]),
        }
        command = [sys.executable, "-m", "tests.changes.tenants.visit"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    both = ["provider/main/ACacme", "provider/main/ACbolt"] * 2
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "strict": both,
        "stale": both,
        "changed": ["provider/main/ACacme", "provider/other/ACbolt"] * 2,
        "states": ["acme", "bolt"] * 2,
    }
