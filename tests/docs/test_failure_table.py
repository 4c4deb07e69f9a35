"""The table of what operators see when something cannot be read, row by row."""

from __future__ import annotations

import datetime as dt
import json
import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import pytest
from django.db import connection
from django.test import override_settings
from django.utils import timezone
from pydantic import BaseModel, SecretStr

from django_plugin_system import BoundTo, ConfigurablePlugin, plugin_item, plugin_type
from django_plugin_system.config.keyring import make_key
from django_plugin_system.exceptions import ConfigError
from django_plugin_system.models import PluginInstance, PluginItem, PluginStatus
from django_plugin_system.registry import temporary_registry
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.docs.pages import DOCS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db


class AbstractSms(ABC):
    """Sends text messages."""

    @abstractmethod
    def send(self) -> None:
        """Send."""


class LetterConfig(BaseModel):
    """As the row was stored."""

    token: SecretStr
    sender: str


class OpenConfig(BaseModel):
    """No longer a secret."""

    token: str
    sender: str


class LetterSms(ConfigurablePlugin[LetterConfig], AbstractSms):
    """The class that the row was made with."""

    def send(self) -> None:
        """Do nothing."""


def declare(plugin_class: type) -> None:
    """Register ``plugin_class`` as the one item of its type."""
    plugin_type(name="sms", manager="tests.docs")(AbstractSms)
    plugin_item(AbstractSms, name="letter", module="tests.docs")(plugin_class)


@pytest.fixture
def row() -> Iterator[PluginInstance]:
    """Return a stored instance of the letter item."""
    with temporary_registry(empty=True):
        declare(LetterSms)
        sync_registered_plugins_to_db()
        item = PluginItem.objects.get(name="letter")
        yield PluginInstance.objects.create(item=item, name="winter", config={"token": "letter-token", "sender": "A"})


def overwrite(row: PluginInstance, column: str, value: dict[str, Any] | int) -> PluginInstance:
    """Write a column behind the back of the package; return the row as it is read then."""
    text = json.dumps(value) if isinstance(value, dict) else value
    key = row.pk.hex if connection.vendor == "sqlite" else row.pk
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE django_plugin_system_plugininstance SET {column} = %s WHERE id = %s", [text, key])  # noqa: S608 - names only
    return PluginInstance.objects.get(pk=row.pk)


def read_table() -> list[tuple[re.Pattern[str], str]]:
    """Return the reasons of the table as patterns, each with the error that its row names."""
    lines = (DOCS / "troubleshooting.md").read_text(encoding="utf-8").splitlines()
    table = lines[lines.index("## When something cannot be read") :]
    known = r"\.{3}|e9134fb4"  # what differs from row to row
    cells = [[cell.strip() for cell in line.split(" | ")] for line in table if line.startswith("| `")]
    return [
        (
            re.compile(".*".join(re.escape(part.strip()) for part in re.split(known, reason))),
            error.strip("`"),
        )
        for first, error, *_ in cells
        for reason in re.findall(r"`([^`]+)`", first)
    ]


def check_table(row: PluginInstance, error: str) -> None:
    """Check that the table has the reason of ``row``, and names the ``error`` that reading its config raises."""
    reason = row.reason_unusable()
    assert reason
    raised = "none"
    try:
        row.load_config()
    except ConfigError as caught:
        raised = type(caught).__name__
    assert raised == error
    assert [named for pattern, named in read_table() if pattern.fullmatch(reason)] == [error], reason


def test_a_key_that_is_not_configured(row: PluginInstance) -> None:
    """The table tells what to do when a key is missing."""
    with override_settings(PLUGIN_SYSTEM={"ENCRYPTION_KEYS": [make_key()]}):
        check_table(row, "UnknownKey")


def test_a_token_from_elsewhere(row: PluginInstance) -> None:
    """The table tells what a token of another row means."""
    other = PluginInstance.objects.create(item=row.item, name="other", config={"token": "o", "sender": "A"})
    check_table(overwrite(row, "config", dict(other.config)), "TamperedToken")


@pytest.mark.parametrize(
    ("marker", "error"),
    [({"$secret": "cut"}, "MalformedToken"), ({"$secret": "cut", "more": 1}, "ConfigShapeError")],
)
def test_what_is_no_token(row: PluginInstance, marker: dict[str, Any], error: str) -> None:
    """The table tells what to do about a marker that is malformed."""
    check_table(overwrite(row, "config", {**row.config, "token": marker}), error)


def test_an_endpoint_that_was_changed(row: PluginInstance) -> None:
    """The table tells what to do when the field that a secret belongs to was changed in the database."""

    class PagerConfig(BaseModel):
        endpoint: str
        token: Annotated[SecretStr, BoundTo("endpoint")]

    class PagerSms(ConfigurablePlugin[PagerConfig], AbstractSms):
        def send(self) -> None: ...

    with temporary_registry(empty=True):
        declare(PagerSms)
        row.set_config({"endpoint": "e", "token": "t"})
        row.save()
        check_table(overwrite(row, "config", {**row.config, "endpoint": "other"}), "EndpointChanged")


def test_a_variable_that_is_not_set(row: PluginInstance) -> None:
    """The table tells what to do when a reference gives nothing."""
    with override_settings(PLUGIN_SYSTEM={"ENV_REFERENCES": ["SENDER"]}):
        check_table(overwrite(row, "config", {**row.config, "sender": {"$env": "SENDER"}}), "UnresolvedReference")


def test_a_field_that_is_missing(row: PluginInstance) -> None:
    """The table tells what to do when the schema changed."""
    check_table(overwrite(row, "config", {"token": row.config["token"]}), "StoredConfigInvalid")


def test_a_field_that_is_no_secret_any_more(row: PluginInstance) -> None:
    """The table tells what to do when a secret became a plain field."""

    class OpenSms(ConfigurablePlugin[OpenConfig], AbstractSms):
        def send(self) -> None: ...

    with temporary_registry(empty=True):
        declare(OpenSms)
        check_table(row, "StoredConfigInvalid")


def test_a_step_that_fails(row: PluginInstance) -> None:
    """The table tells what to do when ``migrate_config`` raises."""

    class NewLetterSms(LetterSms):
        config_version: ClassVar[int] = 2

        @classmethod
        def migrate_config(cls, config: dict[str, Any], from_version: int) -> dict[str, Any]:
            raise KeyError(config, from_version)

    NewLetterSms.__qualname__ = "LetterSms"
    with temporary_registry(empty=True):
        declare(NewLetterSms)
        check_table(row, "ConfigMigrationFailed")


def test_a_row_of_newer_code(row: PluginInstance) -> None:
    """The table tells what to do about a row that newer code stored."""
    check_table(overwrite(row, "config_version", 2), "NewerConfigVersion")


def test_code_that_is_gone(row: PluginInstance) -> None:
    """The table tells what to do when the class is not registered."""
    with temporary_registry(empty=True):
        check_table(row, "PluginNotRegistered")


def test_what_operators_and_failovers_did(row: PluginInstance) -> None:
    """The table has the reasons that are no fault of the configuration."""
    row.health.unavailable_until = timezone.now() + dt.timedelta(minutes=1)
    check_table(row, "none")
    row.status = PluginStatus.DISABLED
    check_table(row, "none")
    row.status, row.item.status = PluginStatus.ACTIVE, PluginStatus.DISABLED
    check_table(row, "none")
