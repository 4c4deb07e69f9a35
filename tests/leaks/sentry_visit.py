"""Posts forms with secrets while saving fails, with Sentry watching; prints the events that it would send.

Run as a program, since Sentry patches Django for good.
"""

from __future__ import annotations

import json
from typing import Any

import django
import sentry_sdk
from django.conf import settings
from django.db.models.signals import pre_save
from django.test import Client
from django.test.utils import get_runner
from sentry_sdk.transport import Transport

django.setup()

from django.contrib.auth.models import User  # noqa: E402 - models need Django set up

from tests.admin.helpers import edit_config, open_change, read_form, url  # noqa: E402 - as above
from tests.admin.sample import CONFIG, SECRET, make_instance, make_rows, register_sample  # noqa: E402 - as above


class Recorder(Transport):
    """Prints events in the place of sending them."""

    def capture_envelope(self, envelope: Any) -> None:
        """Print an event as one line."""
        print(json.dumps(envelope.get_event(), default=str))  # noqa: T201 - read by the test


def fail(**_given: Any) -> None:
    """Break whatever is being saved."""
    message = "no room on the device"
    raise OSError(message)


def main() -> None:
    """Change an instance and add one; both end in an error that nobody expected."""
    runner = get_runner(settings)(verbosity=0, interactive=False)
    databases = runner.setup_databases(aliases=["default"])
    register_sample()
    rows = make_rows()
    instance = make_instance(rows["twilio"], config=CONFIG)
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("admin", password="x"))
    sentry_sdk.init(dsn="http://key@localhost/1", transport=Recorder, send_default_pii=True)
    pre_save.connect(fail, sender=type(instance))
    form = open_change(client, instance)
    client.post(url("change", instance.pk), edit_config(form, auth_token=f"{SECRET}-typed"))
    text = read_form(client.get(url("change", instance.pk) + "?json=1"))
    client.post(url("change", instance.pk) + "?json=1", edit_config(text, auth_token=f"{SECRET}-text"))
    added = {**read_form(client.get(f"{url('add')}?item={rows['twilio'].pk}")), "name": "new"}
    client.post(f"{url('add')}?item={rows['twilio'].pk}", edit_config(added, **CONFIG))
    runner.teardown_databases(databases)


if __name__ == "__main__":
    main()
