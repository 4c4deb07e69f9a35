"""Serve a project of these settings until the standard input ends; print where, and which instance there is."""

from __future__ import annotations

import json
import sys

import django
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import call_command
from django.test.testcases import LiveServerThread

django.setup()

from django.contrib.auth.models import User  # noqa: E402 - models need Django set up

from tests.admin.checked import CheckedSms, declare_checked, pass_quietly  # noqa: E402 - as above
from tests.admin.sample import CONFIG, SECRET, make_instance, make_rows, register_sample  # noqa: E402 - as above


def main() -> None:
    """Make the tables, a user, an item that can be tested, and an instance of it; then serve."""
    call_command("migrate", verbosity=0)
    register_sample()
    item = declare_checked(make_rows()["twilio"].plugin_type)
    CheckedSms.behave, CheckedSms.seen = pass_quietly, []
    row = make_instance(item, "transactional", config={**CONFIG, "senders": [{"name": "a", "token": SECRET}]})
    User.objects.create_superuser("admin", password="admin-password")
    server = LiveServerThread("localhost", StaticFilesHandler)
    server.daemon = True
    server.start()
    server.is_ready.wait()
    print(json.dumps({"url": f"http://localhost:{server.port}", "pk": str(row.pk)}), flush=True)  # noqa: T201 - read by the test
    sys.stdin.read()
    server.terminate()


if __name__ == "__main__":
    main()
