"""References in rows: they survive every write, are followed at every read, and what they give is stored nowhere."""

from __future__ import annotations

import io
import json
import logging
import pickle
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from django.core.management import call_command
from pydantic import BaseModel, SecretStr

from django_plugin_system import ConfigurablePlugin, explain_selection, get_plugin
from django_plugin_system.config.keyring import get_derived_keys, make_key, show_key
from django_plugin_system.exceptions import InvalidConfig, NoPluginAvailable, StaleConfig, UnresolvedReference
from django_plugin_system.models import PluginInstance
from django_plugin_system.registry import temporary_registry
from django_plugin_system.rotation import rotate_secrets, verify_secrets
from django_plugin_system.selection import cache as cached
from django_plugin_system.selection.candidates import prepare
from django_plugin_system.selection.health import describe_error
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.plugins import AbstractSms, declare_item, declare_type
from tests.support.rows import get_item, read_raw, reload, write_raw

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

pytestmark = pytest.mark.django_db

PLAIN, HIDDEN = "planted-in-a-plain-field", "planted-in-a-secret"
HOST, TOKEN = {"$env": "SMS_HOST"}, {"$env": "SMS_TOKEN"}
GIVEN: dict[str, Any] = {"host": HOST, "token": TOKEN, "port": {"$env": "SMS_PORT"}, "spare": "typed"}


class EnvConfig(BaseModel):
    """Plain and secret fields."""

    host: str
    token: SecretStr
    port: int = 25
    spare: SecretStr | None = None
    note: str = ""


class EnvSms(ConfigurablePlugin[EnvConfig], AbstractSms):
    """A provider."""

    def send(self, text: str) -> str:
        """Name the host."""
        return f"{text} by {self.config.host}"


class NewerConfig(BaseModel):
    """The same with other names."""

    server: str
    login: dict[str, SecretStr]
    port: int
    note: str = ""


class NewerSms(ConfigurablePlugin[NewerConfig], AbstractSms):
    """A class whose step moves values about."""

    config_version = 2
    seen: ClassVar[list[Any]] = []

    @classmethod
    def migrate_config(cls, config: dict[str, Any], from_version: int) -> dict[str, Any]:
        """Rename host and token."""
        del from_version
        cls.seen.append(dict(config))
        login = {"token": config["token"], "spare": config["spare"]}
        return {"server": config["host"], "login": login, "port": config["port"], "note": config["note"]}

    def send(self, text: str) -> str:
        """Name the server."""
        return f"{text} by {self.config.server}"


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set the variables, and allow them."""
    settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["SMS_*"]}
    monkeypatch.setenv("SMS_HOST", PLAIN)
    monkeypatch.setenv("SMS_TOKEN", HIDDEN)
    monkeypatch.setenv("SMS_PORT", "2525")
    return monkeypatch


@pytest.fixture
def row(db: None, environment: pytest.MonkeyPatch) -> PluginInstance:
    """Return a stored row with references."""
    del db, environment
    declare_type()
    declare_item(EnvSms)
    sync_registered_plugins_to_db()
    return reload(PluginInstance.objects.create(item=get_item(), name="main", config=GIVEN))


def read_references(row: PluginInstance) -> Any:
    """Return what the table holds of a row, without its secrets."""
    stored = json.loads(read_raw(row.pk))
    assert PLAIN not in read_raw(row.pk)
    assert HIDDEN not in read_raw(row.pk)
    return {key: value for key, value in stored.items() if "$secret" not in str(value)}


def test_references_are_stored_as_they_are_and_followed_when_read(row: PluginInstance) -> None:
    """The table holds the references, the plugin gets what they give."""
    assert read_references(row) == {"host": HOST, "token": TOKEN, "port": {"$env": "SMS_PORT"}, "note": ""}
    config: Any = row.load_config()
    assert (config.host, config.token.get_secret_value(), config.port) == (PLAIN, HIDDEN, 2525)
    assert get_plugin(AbstractSms).send("hi") == f"hi by {PLAIN}"


def _save_status(row: PluginInstance, _folder: Path) -> None:
    row.status = "reserve"
    row.save()


def _save_model(row: PluginInstance, _folder: Path) -> None:
    config: Any = row.load_config()
    row.set_config(config)
    row.save()


def _save_changed_model(row: PluginInstance, _folder: Path) -> None:
    config: Any = row.load_config()
    row.set_config(config.model_copy(update={"note": "new"}))
    row.save()


def _save_mapping(row: PluginInstance, _folder: Path) -> None:
    row.set_config({**row.config, "note": "new"})
    row.save()


def _bulk_update(row: PluginInstance, _folder: Path) -> None:
    row.config["note"] = "new"
    PluginInstance.objects.bulk_update([row], ["config"])


def _rotate(row: PluginInstance, _folder: Path) -> None:
    del row
    assert rotate_secrets().failed == verify_secrets().failed == 0


def _rotate_with_plain_text(row: PluginInstance, _folder: Path) -> None:
    write_raw(row.pk, config={**row.config, "spare": "typed long ago"})
    report = rotate_secrets()
    assert (report.plain, report.rewritten, report.failed) == (1, 1, 0)


def _renew(row: PluginInstance, _folder: Path) -> None:
    row.renew_config()
    row.save()


def _dump_and_load(row: PluginInstance, folder: Path) -> None:
    written = io.StringIO()
    call_command("dumpdata", "django_plugin_system", stdout=written)
    assert PLAIN not in written.getvalue()
    assert HIDDEN not in written.getvalue()
    PluginInstance.objects.filter(pk=row.pk).delete()
    (folder / "rows.json").write_text(written.getvalue())
    call_command("loaddata", folder / "rows.json", verbosity=0)


@pytest.mark.parametrize(
    "write",
    [
        _save_status,
        _save_model,
        _save_changed_model,
        _save_mapping,
        _bulk_update,
        _rotate,
        _rotate_with_plain_text,
        _renew,
        _dump_and_load,
    ],
    ids=lambda write: write.__name__,
)
def test_references_survive_every_write(row: PluginInstance, write: Any, settings: Settings, tmp_path: Path) -> None:
    """Whatever is written beside them, and whoever writes it, references stay references."""
    keys = [make_key(), *map(show_key, get_derived_keys())]
    settings.PLUGIN_SYSTEM = {**settings.PLUGIN_SYSTEM, "ENCRYPTION_KEYS": keys}
    write(row, tmp_path)
    stored = read_references(row)
    assert [stored[key] for key in ("host", "token", "port")] == [HOST, TOKEN, {"$env": "SMS_PORT"}]
    config: Any = reload(row).load_config()
    assert (config.host, config.token.get_secret_value()) == (PLAIN, HIDDEN)


def test_a_model_with_a_new_value_takes_the_place_of_a_reference(row: PluginInstance) -> None:
    """A program that sets a field means it; the other references stay."""
    config: Any = row.load_config()
    row.set_config(config.model_copy(update={"host": "typed"}))
    row.save()
    stored = json.loads(read_raw(row.pk))
    assert (stored["host"], stored["token"]) == ("typed", TOKEN)


def test_a_model_is_taken_as_it_is_when_the_old_references_give_nothing(
    row: PluginInstance, environment: pytest.MonkeyPatch
) -> None:
    """What cannot be followed cannot be compared, so the model's own values are stored."""
    environment.delenv("SMS_HOST")
    row.set_config(EnvConfig(host="h", token=SecretStr("t")))
    row.save()
    assert json.loads(read_raw(row.pk))["host"] == "h"


def test_steps_of_a_migration_see_references_and_may_move_them(row: PluginInstance) -> None:
    """A step gets the reference itself, also at a secret; where it puts it, it is followed, and stored by a sync."""
    with temporary_registry(empty=True):
        NewerSms.seen.clear()
        declare_type()
        declare_item(NewerSms)
        config: Any = reload(row).load_config()
        assert (config.server, config.login["token"].get_secret_value(), config.port) == (PLAIN, HIDDEN, 2525)
        assert {key: NewerSms.seen[0][key] for key in ("host", "token")} == {"host": HOST, "token": TOKEN}
        sync_registered_plugins_to_db(mode="update")
        stored = json.loads(read_raw(row.pk))
        assert (stored["server"], stored["login"]["token"], stored["port"]) == (HOST, TOKEN, {"$env": "SMS_PORT"})
        assert list(stored["login"]["spare"]) == ["$secret"]
        assert PLAIN not in read_raw(row.pk)
        assert get_plugin(AbstractSms).send("hi") == f"hi by {PLAIN}"


def test_a_variable_that_is_missing_is_a_reason(row: PluginInstance, environment: pytest.MonkeyPatch) -> None:
    """The row is skipped, the reason names field and variable, and everything else about the row can be saved."""
    environment.delenv("SMS_TOKEN")
    before = read_raw(row.pk)
    reason = "reference unresolved: token: the environment variable SMS_TOKEN is not set"
    assert row.reason_unusable() == reason
    assert reason in str(explain_selection(AbstractSms))
    with pytest.raises(NoPluginAvailable, match="SMS_TOKEN"):
        get_plugin(AbstractSms)
    with pytest.raises(UnresolvedReference):
        row.load_plugin()
    row.priority = 7
    row.save()
    assert read_raw(row.pk) == before
    with pytest.raises(InvalidConfig, match="token: the environment variable SMS_TOKEN is not set"):
        row.set_config({**row.config, "note": "new"})


def test_several_missing_ones_are_all_named(row: PluginInstance, environment: pytest.MonkeyPatch) -> None:
    """Whoever deploys learns of everything that is missing at once."""
    environment.delenv("SMS_TOKEN")
    environment.delenv("SMS_PORT")
    with pytest.raises(UnresolvedReference) as caught:
        row.load_config()
    assert {problem.path for problem in caught.value.errors} == {("token",), ("port",)}


def test_a_changed_environment_is_no_edit(row: PluginInstance, environment: pytest.MonkeyPatch) -> None:
    """Two writers do not get into each other's way because a variable changed between them."""
    other = reload(row)
    environment.setenv("SMS_HOST", "elsewhere")
    other.set_config({**other.config, "note": "other"})
    other.save()
    row.priority = 3
    row.save()
    assert json.loads(read_raw(row.pk))["note"] == "other"
    mine, theirs = reload(row), reload(row)
    theirs.set_config({**theirs.config, "note": "theirs"})
    theirs.save()
    mine.set_config({**mine.config, "note": "mine"})
    with pytest.raises(StaleConfig):
        mine.save()


def test_a_changed_value_is_seen_within_a_minute(row: PluginInstance, environment: pytest.MonkeyPatch) -> None:
    """A remembered selection is made anew after ``MAX_AGE``, with what the reference gives by then."""
    del row
    assert get_plugin(AbstractSms).send("hi") == f"hi by {PLAIN}"
    environment.setenv("SMS_HOST", "elsewhere")
    environment.setattr(cached, "MAX_AGE", 0.0)
    cached.forget_selections()
    assert get_plugin(AbstractSms).send("hi") == "hi by elsewhere"


def test_what_references_give_is_shown_nowhere(row: PluginInstance, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in reprs nor in pickles, logs, dumps, explanations or the text of a provider's error."""
    caplog.set_level(logging.DEBUG)
    get_plugin(AbstractSms)
    written = io.StringIO()
    call_command("dumpdata", "django_plugin_system", stdout=written)
    for error in (OSError(f"cannot reach {PLAIN}"), OSError(f"denied {HIDDEN}"), OSError("port 2525")):
        assert describe_error(row, error) == "OSError: the message quotes a secret, so it is withheld"
    shown = [
        repr(row),
        str(vars(row)),
        pickle.dumps(row).decode(errors="replace"),
        str(explain_selection(AbstractSms)),
        written.getvalue(),
        caplog.text,
    ]
    assert not [text for text in shown if PLAIN in text or HIDDEN in text]


def test_a_file_is_read_from_a_listed_directory(row: PluginInstance, settings: Settings, tmp_path: Path) -> None:
    """A secret that the platform mounts is read, and named when it is gone."""
    settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["SMS_*"], "FILE_REFERENCES": [tmp_path]}
    (tmp_path / "token").write_text(f"{HIDDEN}\n")
    row.set_config({**row.config, "token": {"$file": str(tmp_path / "token")}})
    row.save()
    config: Any = reload(row).load_config()
    assert config.token.get_secret_value() == HIDDEN
    (tmp_path / "token").unlink()
    assert f"token: the file {tmp_path / 'token'} cannot be read (ENOENT)" in str(row.reason_unusable())


def test_what_the_plugin_was_built_with_is_not_quoted(row: PluginInstance, environment: pytest.MonkeyPatch) -> None:
    """A reference that gives another value by now hides the former one, which the plugin still uses, as well."""
    ready = prepare(reload(row))
    environment.setenv("SMS_HOST", "later-value")
    for text in (PLAIN, "later-value"):
        assert describe_error(ready.instance, OSError(text), ready.used).endswith("so it is withheld")
