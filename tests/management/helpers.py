"""Run the commands of the package as an operator does, on a terminal or not."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.management import CommandError, call_command

from django_plugin_system.register import plugin_item, plugin_type
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.plugins import AbstractSms, ProviderSms
from tests.support.rows import get_item

if TYPE_CHECKING:
    from django_plugin_system.models import PluginItem


class Terminal(io.StringIO):
    """Output that is shown to a person."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@dataclass
class Ran:
    """What a command wrote, and what it ended with."""

    out: str
    err: str
    error: str = ""
    code: int = 0

    @property
    def lines(self) -> list[str]:
        """The lines of standard output."""
        return self.out.splitlines()

    @property
    def data(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)

    @property
    def everything(self) -> str:
        """All that a person may see."""
        return self.out + self.err + self.error


def run(*args: str, out: io.StringIO | None = None, **options: Any) -> Ran:
    """Run a command."""
    out, err = out or io.StringIO(), io.StringIO()
    error, code = "", 0
    try:
        call_command(*args, stdout=out, stderr=err, **options)
    except CommandError as raised:
        error, code = str(raised), raised.returncode
    return Ran(out.getvalue(), err.getvalue(), error, code)


class CheckedSms(ProviderSms):
    """A provider whose connection can be tested; its account says what comes of it."""

    def check(self) -> str:
        """Fail for one account, quoting the token."""
        if self.config.account == "AC-down":
            message = f"no route for {self.config.token.get_secret_value()}"
            raise ConnectionError(message)
        return self.config.account


def declare_checked(**options: Any) -> PluginItem:
    """Register the type with an item whose connection can be tested, and return the item's row."""
    plugin_type(name="sms", manager="apps.sms", **options)(AbstractSms)
    plugin_item(AbstractSms, name="gateway", module="apps.items")(CheckedSms)
    sync_registered_plugins_to_db()
    return get_item("gateway")
