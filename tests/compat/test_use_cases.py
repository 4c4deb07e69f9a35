"""What the author of 1.1.0 uses it for runs unchanged, in every order of INSTALLED_APPS."""

from __future__ import annotations

import json
import subprocess
from itertools import permutations

import pytest

from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.register import plugin_item
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.apps.otp_basic.apps import ScriptedOtp
from tests.apps.otp_basic.apps import declare as declare_items
from tests.apps.otp_manager.apps import declare as declare_otp
from tests.apps.otp_manager.interfaces import AbstractOtp, NoCreditError
from tests.apps.otp_manager.services import send_otp
from tests.apps.preferences.models import Person
from tests.apps.preferences.services import notify
from tests.support import warm
from tests.support.plugins import VALID, ProviderSms

ORDERS = list(permutations(["django_plugin_system", "tests.apps.otp_manager", "tests.apps.otp_basic"]))


@pytest.fixture
def otp(db: None) -> None:
    """Declare and store the plugins of the two apps; the items come before their type."""
    del db
    ScriptedOtp.script = {}
    declare_items()
    declare_otp()
    sync_registered_plugins_to_db()


class ProviderOtp(ProviderSms, AbstractOtp):
    """A configurable provider."""

    def send_otp(self, number: str, code: str) -> str:
        """Name the account."""
        return f"{code} to {number} by {self.config.account}"


def statuses() -> dict[str, tuple[str, int]]:
    """Return status and priority of each item."""
    return {item.name: (item.status, item.priority) for item in PluginItem.objects.all()}


@pytest.mark.usefixtures("otp")
def test_people_are_told_by_the_channels_of_their_choice() -> None:
    """A project's many-to-many field to items works with load_class(), also when a class becomes configurable."""
    person = Person.objects.create(name="Ada")
    assert str(person) == "Ada"
    person.channels.set(PluginItem.objects.all())
    assert notify(person, "hi") == ["hi to Ada by FirstOtp", "hi to Ada by SecondOtp"]
    plugin_item(AbstractOtp, name="provider", module="apps.items")(ProviderOtp)
    sync_registered_plugins_to_db()
    item = PluginItem.objects.get(name="provider")
    PluginInstance.objects.create(item=item, name="main", config=VALID)
    person.channels.add(item)
    assert notify(person, "hi")[2] == "hi to Ada by AC1"


@pytest.mark.usefixtures("otp")
def test_each_step_of_a_failover_by_hand_is_seen_by_the_next() -> None:
    """A crash makes the item a reserve, missing credit disables it, anything else moves it back: all at once."""
    assert send_otp("1", "42") == "42 to 1 by FirstOtp"
    ScriptedOtp.script = {"FirstOtp": [ConnectionError()], "SecondOtp": [NoCreditError()]}
    assert send_otp("1", "42") == "42 to 1 by FirstOtp"
    assert statuses() == {"FirstOtp": ("reserve", 0), "SecondOtp": ("disable", 1)}
    PluginItem.objects.update(status="active")
    ScriptedOtp.script = {"FirstOtp": [ValueError(), ValueError()]}
    assert send_otp("1", "42") == "42 to 1 by SecondOtp"
    assert statuses() == {"FirstOtp": ("active", 2), "SecondOtp": ("active", 1)}


@pytest.mark.usefixtures("otp")
def test_five_tries_are_enough() -> None:
    """The loop ends after five tries, or when no item is left."""
    ScriptedOtp.script = {name: [ValueError() for _ in range(9)] for name in ("FirstOtp", "SecondOtp")}
    assert send_otp("1", "42") is None
    assert sum(priority for _status, priority in statuses().values()) == 1 + 5
    PluginItem.objects.update(status="disable")
    assert send_otp("1", "42") is None


@pytest.mark.sqlite
@pytest.mark.parametrize("order", ORDERS, ids=[" ".join(app.split("_")[-1] for app in order) for order in ORDERS])
def test_every_order_of_apps_works(order: tuple[str, ...]) -> None:
    """Type and items find each other wherever their apps and the package stand, without a warning."""
    command = [warm.python(), "-m", "tests.compat.project", *order[:1], "tests.apps.preferences", *order[1:]]
    done = subprocess.run([*command, "tests.apps.otp_extra"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "notified": ["hi to Ada by ExtraOtp with 5", "hi to Ada by FirstOtp", "hi to Ada by SecondOtp"],
        "told": ["42 to 1 by SecondOtp", "43 to 1 by SecondOtp"],
        "statuses": {"FirstOtp": "reserve", "SecondOtp": "active", "ExtraOtp": "active"},
    }
