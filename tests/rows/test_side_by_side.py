"""Older code beside newer code, on every way that writes: what newer code stored is used as far as known, and kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from pydantic import BaseModel, ConfigDict, SecretStr

from django_plugin_system import ConfigurablePlugin, get_plugin
from django_plugin_system.models import PluginInstance, PluginItem
from tests.admin.helpers import edit_config, open_change, read_form, save_change, url
from tests.contrib.transfer.helpers import export, run_import
from tests.support.plugins import SECRET, AbstractSms, declare_item
from tests.support.rows import reload

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django.test import Client

    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db


class Server(BaseModel):
    """Part of what older code knows."""

    model_config = ConfigDict(extra="forbid")
    host: str
    password: SecretStr


class Config(BaseModel):
    """What older code knows."""

    model_config = ConfigDict(extra="forbid")
    sender: str = "s"
    token: SecretStr
    servers: list[Server] = []


class NewServer(Server):
    """Part of what newer code knows."""

    region: str = "eu"
    key: SecretStr | None = None


class NewConfig(Config):
    """What newer code knows."""

    servers: list[NewServer] = []  # type: ignore[assignment] # what older code knows stays
    region: str = "eu"
    signing: SecretStr | None = None


class OldSms(ConfigurablePlugin[Config], AbstractSms):
    """Older code."""

    def send(self, text: str) -> str:
        """Say by whom."""
        return f"{text} by {self.config.sender}"


class NewSms(ConfigurablePlugin[NewConfig], AbstractSms):
    """Newer code."""

    def send(self, text: str) -> str:
        """Say by whom and where."""
        return f"{text} by {self.config.sender} in {self.config.region}"


STORED: dict[str, Any] = {
    "sender": "one",
    "token": SECRET,
    "servers": [{"host": "a", "password": "pa", "region": "us", "key": "ka"}, {"host": "b", "password": "pb"}],
    "region": "us",
    "signing": "sign-here",
}


@pytest.fixture
def row(provider: PluginItem, declared: Registry) -> PluginInstance:
    """Return an instance that newer code stored, as older code finds it."""
    declared.items.clear()
    declare_item(NewSms)
    made = PluginInstance.objects.create(item=provider, name="main", config=STORED)
    declared.items.clear()
    declare_item(OldSms)
    return reload(made)


def _post(row: PluginInstance, client: Client, query: str) -> None:
    form = open_change(client, row) if not query else _open_text(client, row)
    assert save_change(client, row, edit_config(form, sender="two"), query).context is None


def _open_text(client: Client, row: PluginInstance) -> dict[str, str]:
    return read_form(client.get(url("change", row.pk) + "?json=1"))


def _bulk(row: PluginInstance) -> None:
    row.set_config({**row.config, "sender": "two"})
    PluginInstance.objects.bulk_update([row], ["config"])


def _import(row: PluginInstance, folder: Path) -> None:
    [entry] = export("--name", row.name)
    entry["config"]["sender"] = "two"
    ran = run_import(folder, entry, args=("--existing", "update"))
    assert not ran.error, ran.everything


WAYS: dict[str, Callable[[PluginInstance, Any, Path], Any]] = {
    "model": lambda row, *_: _save(row, row.load_config().model_copy(update={"sender": "two"})),
    "stored": lambda row, *_: _save(row, {**row.config, "sender": "two"}),
    "assigned": lambda row, *_: _assign(row, {**row.config, "sender": "two"}),
    "in place": lambda row, *_: (row.config.update(sender="two"), row.save()),
    "bulk": lambda row, *_: _bulk(row),
    "form": lambda row, client, _: _post(row, client, ""),
    "text": lambda row, client, _: _post(row, client, "?json=1"),
    "import": lambda row, _, folder: _import(row, folder),
}


def _save(row: PluginInstance, config: Any) -> None:
    row.set_config(config)
    row.save()


def _assign(row: PluginInstance, config: Any) -> None:
    row.config = config
    row.save()


def show(row: PluginInstance, declared: Registry) -> Any:
    """Return what newer code reads."""
    declared.items.clear()
    declare_item(NewSms)
    config: Any = reload(row).load_config()
    return {
        **json.loads(config.model_dump_json()),
        "token": config.token.get_secret_value(),
        "signing": config.signing.get_secret_value(),
        "servers": [
            (one.host, one.password.get_secret_value(), one.region, one.key and one.key.get_secret_value())
            for one in config.servers
        ],
    }


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_older_code_keeps_what_newer_code_stored(
    row: PluginInstance, declared: Registry, admin_client: Client, tmp_path: Path, way: Any
) -> None:
    """Plain fields and secrets, also of the items of a list, survive a save by code that does not know them."""
    assert get_plugin(AbstractSms).send("hi") == "hi by one"
    way(row, admin_client, tmp_path)
    assert reload(row).reason_unusable() is None
    assert get_plugin(AbstractSms).send("hi") == "hi by two"
    assert show(row, declared) == {
        "sender": "two", "token": SECRET, "region": "us", "signing": "sign-here",
        "servers": [("a", "pa", "us", "ka"), ("b", "pb", "eu", None)],
    }  # fmt: skip
    assert get_plugin(AbstractSms).send("hi") == "hi by two in us"


def test_what_older_code_shows_has_no_secret_of_newer_code(row: PluginInstance, admin_client: Client) -> None:
    """Neither as JSON text nor in an export does a secret stand that only newer code knows to be one."""
    page = _open_text(admin_client, row)["config"]
    assert "sign-here" not in page
    assert "ka" not in json.dumps(export())
    call_command("pluginrotate", verbosity=0)
    assert reload(row).reason_unusable() is None
