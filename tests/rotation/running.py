"""The keys of these tests, and ``pluginrotate`` as a test or a shell runs it."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from django.core.management import CommandError, call_command

from django_plugin_system.config.keyring import get_key_id, make_key, parse_key
from django_plugin_system.models import PluginInstance
from tests.support.plugins import SECRET
from tests.support.rows import read_raw

OLD, NEW, OTHER = make_key(), make_key(), make_key()
OLD_ID, NEW_ID, OTHER_ID = (get_key_id(parse_key(key)) for key in (OLD, NEW, OTHER))
TOKEN = re.compile(r"dps1\.([0-9a-f]{8})\.[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Ran:
    """What a command wrote, and whether it ended well."""

    out: str
    err: str
    error: str

    def __post_init__(self) -> None:
        """Check that nothing secret was written."""
        shown = self.out + self.err + self.error
        assert SECRET not in shown
        assert not TOKEN.search(shown)


def pluginrotate(*options: str, **values: Any) -> Ran:
    """Run the command in this process."""
    out, err, error = io.StringIO(), io.StringIO(), ""
    try:
        call_command("pluginrotate", *options, stdout=out, stderr=err, **values)
    except CommandError as failure:
        error = str(failure)
    return Ran(out.getvalue(), err.getvalue(), error)


def start_pluginrotate(*options: str, keys: tuple[str, ...] = (NEW, OLD), **process: Any) -> subprocess.Popen[str]:
    """Run the command in a process of its own, on the test's database."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.rotation.child_settings",
        "TEST_ENCRYPTION_KEYS": " ".join(keys),
    }
    command = [sys.executable, "-m", "django", "pluginrotate", *options]
    return subprocess.Popen(command, env=environment, text=True, **({"stdout": subprocess.PIPE} | process))


def find_key_ids() -> set[str]:
    """Return the ids of all keys that stored tokens name."""
    return {key_id for pk in PluginInstance.objects.values_list("pk", flat=True) for key_id in find_row_key_ids(pk)}


def find_row_key_ids(pk: Any) -> list[str]:
    """Return the key id of each token in a row."""
    return TOKEN.findall(read_raw(pk))


def read_all() -> dict[Any, str]:
    """Return the config of every row as it is stored, by id."""
    return {pk: read_raw(pk) for pk in PluginInstance.objects.values_list("pk", flat=True)}
