"""A stored secret opens at its place only: in its row, for its item, in its version, beside what it belongs to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr

from django_plugin_system import BoundTo, ConfigurablePlugin
from django_plugin_system.exceptions import ConfigError, EndpointChanged, InvalidConfig, SecretError, TamperedToken
from django_plugin_system.models import PluginInstance
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.plugins import SECRET, AbstractSms, declare_item, declare_type
from tests.support.rows import get_item, read_raw, reload, to_db_id, write_raw

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db

OTHER = "a second secret"


class Card(BaseModel):
    """One way to pay."""

    kind: Literal["card"] = "card"
    token: SecretStr


class Bank(BaseModel):
    """Another way, whose secret goes elsewhere."""

    kind: Literal["bank"] = "bank"
    token: SecretStr


class Server(BaseModel):
    """One of a list."""

    endpoint: str
    token: Annotated[SecretStr, BoundTo("endpoint")]


class Config(BaseModel):
    """A secret of each kind."""

    token: SecretStr
    spare: dict[str, SecretStr] = {}
    payment: Annotated[Card | Bank, Field(discriminator="kind")] = Card(token=SecretStr("c"))
    servers: list[Server] = []


class FirstSms(ConfigurablePlugin[Config], AbstractSms):
    """A provider in its second version."""

    config_version: ClassVar[int] = 2

    def send(self, text: str) -> str:
        """Say how much it knows."""
        return f"{text} with {len(self.config.servers)} servers"


class SecondSms(FirstSms):
    """Another provider, with the same configuration, that sends to somebody else."""


SERVERS = [{"endpoint": f"https://{name}", "token": f"token of {name}"} for name in "abc"]


@pytest.fixture
def row(db: None) -> PluginInstance:
    """Return a stored row."""
    del db
    declare_type()
    declare_item(FirstSms)
    declare_item(SecondSms, "second")
    sync_registered_plugins_to_db()
    config = {"token": SECRET, "spare": {"0": OTHER}, "servers": SERVERS}
    return reload(PluginInstance.objects.create(item=get_item(), name="main", config=config))


def change(row: PluginInstance, **values: Any) -> None:
    """Change some of the configuration in the database."""
    write_raw(row.pk, config={**json.loads(json.dumps(row.config)), **values})


def _lower_version(row: PluginInstance) -> None:
    write_raw(row.pk, config_version=1)


def _swap_item(row: PluginInstance) -> None:
    write_raw(row.pk, item_id=to_db_id(get_item("second").pk, "default"))


def _switch_member(row: PluginInstance) -> None:
    change(row, payment={**row.config["payment"], "kind": "bank"})


def _redirect(row: PluginInstance) -> None:
    change(row, servers=[{**server, "endpoint": "https://evil"} for server in row.config["servers"]])


def _reorder(row: PluginInstance) -> None:
    change(row, servers=row.config["servers"][::-1])


def _turn_into_a_list(row: PluginInstance) -> None:
    change(row, spare=[row.config["spare"]["0"]])


def _swap_fields(row: PluginInstance) -> None:
    change(row, token=row.config["spare"]["0"])


def _swap_rows(row: PluginInstance) -> None:
    config = {"token": SECRET, "spare": {"0": OTHER}, "servers": SERVERS}
    other = PluginInstance.objects.create(item=row.item, name="other", config=config)
    write_raw(row.pk, config=other.config)


ATTACKS: list[Callable[[PluginInstance], None]] = [
    _lower_version,
    _swap_item,
    _switch_member,
    _redirect,
    _reorder,
    _turn_into_a_list,
    _swap_fields,
    _swap_rows,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_who_writes_the_table_moves_no_secret(row: PluginInstance, attack: Callable[[PluginInstance], None]) -> None:
    """Whatever is changed past the models, the row is not used and says why; typing its secrets again mends it."""
    attack(row)
    found = read_raw(row.pk)
    changed = reload(row)
    assert str(changed.reason_unusable()).startswith("secret unreadable: ")
    with pytest.raises(TamperedToken):
        changed.load_config()
    changed.description = "renamed"
    changed.save()
    sync_registered_plugins_to_db(mode="update")
    assert read_raw(row.pk) == found
    if attack is not _lower_version:  # there every secret still is where it was made
        with pytest.raises(ConfigError) as caught:
            changed.set_config(dict(changed.config))
        assert isinstance(caught.value, SecretError) or "enter this secret again" in str(caught.value)
    changed.set_config({"token": SECRET, "servers": SERVERS})
    changed.save()
    config: Any = reload(row).load_config()
    assert config.token.get_secret_value() == SECRET


def test_an_upgrade_takes_the_secrets_along(row: PluginInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was stored in an older version opens in that version, and is stored in the new one."""
    monkeypatch.setattr(FirstSms, "config_version", 3)
    old = reload(row)
    before = old.load_config()
    old.set_config({**old.config, "spare": {}})
    old.save()
    found = reload(row)
    assert (found.config_version, found.config["token"] == row.config["token"]) == (3, False)
    config: Any = found.load_config()
    assert (config.token, config.spare) == (before.token, {})  # type: ignore[union-attr]


def test_another_item_takes_the_secrets_along(row: PluginInstance) -> None:
    """Who moves a row to another item by the models has its secrets encrypted for that one."""
    before = row.load_config()
    row.item = get_item("second")
    row.save()
    found = reload(row)
    assert found.item.name == "second"
    assert found.load_config() == before
    assert found.load_plugin().send("x") == "x with 3 servers"


@pytest.mark.parametrize("kept", [lambda row: row.config["servers"], lambda row: row.load_config().servers])
def test_items_of_a_list_may_be_reordered(row: PluginInstance, kept: Callable[[PluginInstance], Any]) -> None:
    """Each keeps its secret, given as it is stored or in the clear; none gets that of another."""
    servers = list(kept(row))
    row.set_config({**row.config, "servers": servers[::-1]})
    row.save()
    found: Any = reload(row).load_config()
    assert [server.endpoint for server in found.servers] == ["https://c", "https://b", "https://a"]
    assert found.servers[0].token.get_secret_value() == "token of c"
    mixed = [{"endpoint": "https://a", "token": reload(row).config["servers"][0]["token"]}]
    with pytest.raises(InvalidConfig, match=r"servers\.0\.token: belongs to endpoint"):
        reload(row).set_config({**row.config, "servers": mixed})


def test_a_stored_secret_is_taken_from_no_other_field(row: PluginInstance) -> None:
    """What is stored for one field cannot be given for another, nor for another key of a dict."""
    for field in ({"spare": {"0": row.config["token"]}}, {"spare": {"1": row.config["spare"]["0"]}}):
        with pytest.raises(TamperedToken):
            row.set_config({**row.config, **field})
    row.set_config({**row.config, "payment": {**row.config["payment"], "kind": "bank"}})
    row.save()
    config: Any = reload(row).load_config()
    assert (config.payment.kind, config.payment.token.get_secret_value()) == ("bank", "c")


def test_a_copy_of_a_row_takes_no_secret_along(row: PluginInstance) -> None:
    """Django's way to copy a row gives it another id, for which nothing opens."""
    row.pk = None
    row.name = "copy"
    row._state.adding = True
    with pytest.raises((TamperedToken, EndpointChanged, InvalidConfig)):
        row.save()
