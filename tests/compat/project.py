"""A project in a process of its own: ``python -m tests.compat.project APP...`` runs both use cases, prints JSON.

The apps are installed in the order given; the database is a new one in memory.
"""

from __future__ import annotations

import json
import sys
import warnings

import django
from django.conf import settings
from django.core.management import call_command


def main(apps: list[str]) -> dict[str, object]:
    """Set the project up, use it as its author would, and return what happened."""
    settings.configure(
        INSTALLED_APPS=apps,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        SECRET_KEY="a key for tests only",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    warnings.simplefilter("error")
    django.setup()
    call_command("migrate", verbosity=0)
    call_command("check", "--fail-level", "WARNING", stdout=sys.stderr)
    return use()


def use() -> dict[str, object]:
    """Run the use cases; the models can be imported by now."""
    from django_plugin_system.models import PluginItem  # noqa: PLC0415 - Django must be set up first
    from tests.apps.otp_basic.apps import ScriptedOtp  # noqa: PLC0415 - as above
    from tests.apps.otp_manager.services import send_otp  # noqa: PLC0415 - as above
    from tests.apps.preferences.models import Person  # noqa: PLC0415 - as above
    from tests.apps.preferences.services import notify  # noqa: PLC0415 - as above

    PluginItem.objects.get(name="ExtraOtp").instances.create(name="main", config={"token": "12345"})
    person = Person.objects.create(name="Ada")
    person.channels.set(PluginItem.objects.all())
    ScriptedOtp.script = {"FirstOtp": [ConnectionError()]}
    told = [send_otp("1", "42"), send_otp("1", "43")]
    ScriptedOtp.script = {}
    statuses = dict(PluginItem.objects.values_list("name", "status"))
    return {"notified": notify(person, "hi"), "told": told, "statuses": statuses}


if __name__ == "__main__":  # pragma: no branch - nobody imports it
    print(json.dumps(main(sys.argv[1:])))  # noqa: T201 - the test reads it
