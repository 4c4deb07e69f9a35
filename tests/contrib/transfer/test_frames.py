"""An error that passes through an import takes no plain secret along: reporters show the locals of every frame."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from pydantic import BaseModel, SecretStr, field_validator

from django_plugin_system.contrib.transfer.apply import import_document
from django_plugin_system.plugin import ConfigurablePlugin
from tests.contrib.transfer.helpers import declare, make_entry
from tests.support.plugins import SECRET, VALID, ConsoleSms, declare_item, declare_type
from tests.support.rows import add_instance

if TYPE_CHECKING:
    from pathlib import Path

    from django_plugin_system.models import PluginItem
    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db


class Moody(BaseModel):
    """Its validator has a mistake."""

    token: SecretStr

    @field_validator("token")
    @classmethod
    def _fail(cls, token: SecretStr) -> SecretStr:
        raise RuntimeError(str(token))


class Former(BaseModel):
    """The third version of a class."""

    token: SecretStr


class Later(ConfigurablePlugin[Former], ConsoleSms):
    """Its step has a mistake, and is given the secret in plain text, under its old name."""

    config_version = 2

    @classmethod
    def migrate_config(cls, config: dict[str, Any], from_version: int) -> dict[str, Any]:
        """Fail."""
        return {"token": config["old"][from_version:1].missing}


def write_document(**entry: Any) -> str:
    """Return the text of a document with one entry."""
    given = {"format": "django-plugin-system", "version": 1, "instances": [make_entry(**entry)]}
    return json.dumps(given)


def show_locals(error: BaseException | None) -> str:
    """Return what a reporter shows of the frames of ``error`` and of what led to it; the first frame is the test's."""
    shown = []
    while error is not None:
        frame = error.__traceback__
        while frame is not None:
            if frame.tb_frame.f_code.co_filename != __file__:
                shown.append(repr(frame.tb_frame.f_locals))
            frame = frame.tb_next
        error = error.__context__
    return "\n".join(shown)


def import_and_fail(text: str) -> str:
    """Import ``text`` and return the locals that the error shows."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - any
        import_document(text, "json", existing="update")
    shown = show_locals(raised.value)
    assert shown
    return shown


def refuse_inserts(execute: Any, sql: str, *args: Any) -> Any:
    """Fail as a lost connection does."""
    if sql.startswith('INSERT INTO "django_plugin_system_plugininstance'):
        message = "gone"
        raise OperationalError(message)
    return execute(sql, *args)


def test_a_database_that_fails(provider: PluginItem) -> None:
    """Neither the text, nor its entries, nor the rows show what was given."""
    del provider
    with connection.execute_wrapper(refuse_inserts):
        assert SECRET not in import_and_fail(write_document(config=VALID))


@pytest.mark.parametrize("text", [write_document(config=VALID)[:-2], write_document(config={"token": SECRET}, name="")])
def test_a_document_that_is_refused(provider: PluginItem, text: str) -> None:
    """The frames in which it was read are left behind."""
    del provider
    assert SECRET not in import_and_fail(text)


def test_mistakes_in_a_class(declared: Registry) -> None:
    """What a validator or a step raises shows nothing either; nor does what a row held in plain text."""
    declare_type()
    declare(Moody)
    entry = {"item": "shape", "module": "apps.items", "name": "one"}
    assert SECRET not in import_and_fail(write_document(**entry, config={"token": SECRET}))
    declared.items.clear()
    declare_item(Later, "shape")
    assert SECRET not in import_and_fail(write_document(**entry, config={"old": SECRET}, config_version=1))


def refuse_updates(execute: Any, sql: str, *args: Any) -> Any:
    """Fail as a lost connection does."""
    if sql.startswith('UPDATE "django_plugin_system_plugininstance'):
        message = "gone"
        raise OperationalError(message)
    return execute(sql, *args)


def test_a_file_that_is_applied(provider: PluginItem, tmp_path: Path) -> None:
    """Nor does the command that applies files show what is in them."""
    del provider
    (tmp_path / "plugins.json").write_text(write_document(config=VALID))
    with connection.execute_wrapper(refuse_inserts), pytest.raises(OperationalError) as raised:
        call_command("pluginapply", str(tmp_path / "plugins.json"))
    assert SECRET not in show_locals(raised.value)


def test_a_field_that_is_set(provider: PluginItem, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does the command that sets one field, whatever fails in it."""
    add_instance("main", provider, config={**VALID, "token": "other"})
    for text, field in ((SECRET, "token"), (f"{SECRET}!", "account")):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        with connection.execute_wrapper(refuse_updates), pytest.raises((OperationalError, CommandError)) as raised:
            call_command("plugins", "set", "main", field, "--stdin")
        assert SECRET not in show_locals(raised.value) + str(raised.value)
