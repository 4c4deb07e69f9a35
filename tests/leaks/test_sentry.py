"""What Sentry sends by its own settings when saving a form fails: the POST, and the local variables of every frame."""

from __future__ import annotations

import json
import os
import subprocess

from tests.admin.sample import SECRET
from tests.support import warm


def test_sentry_sees_no_secret_that_was_typed() -> None:
    """Of a form that was posted it sees every field but the configuration; of the frames no secret."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [warm.python(), "-m", "tests.leaks.sentry_visit"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["exception"]["values"][-1]["type"] for event in events] == ["OSError"] * 3
    assert [event["request"]["data"]["config"] for event in events] == ["********"] * 3
    assert [event["request"]["data"]["name"] for event in events] == ["transactional", "transactional", "new"]
