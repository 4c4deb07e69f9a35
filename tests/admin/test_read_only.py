"""Fields that the form shows and never changes, ``readOnly``: whatever is posted, as a form or as JSON text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, Field, SecretStr

from django_plugin_system import ConfigurablePlugin
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.registry import ItemSpec, registry
from tests.admin.helpers import edit_config, get_row, open_change, read_form, url
from tests.admin.sample import SECRET, ConsoleSms, make_instance

if TYPE_CHECKING:
    from django.test import Client

EVIL = "https://evil.example"
LOCKED: Any = {"readOnly": True}


class Site(BaseModel):
    """An address that only code chooses."""

    url: str = Field(default="https://default", json_schema_extra=LOCKED)
    note: str = ""


class Server(Site):
    """The same with a secret."""

    token: SecretStr


class LockedConfig(BaseModel):
    """Such servers at every kind of place."""

    endpoint: str = Field(
        default="https://good",
        json_schema_extra=LOCKED,
        validation_alias=AliasChoices("address", AliasPath("far", "away")),
    )
    key: SecretStr = Field(default=SecretStr("k"), json_schema_extra=LOCKED)
    main: Server | None = None
    servers: list[Server] = []
    named: dict[str, Server] = {}
    either: Site | int = 0
    odd: list[Site] | set[str] = []


class LockedSms(ConfigurablePlugin[LockedConfig], ConsoleSms):
    """A provider whose addresses are not the operator's."""


def make_server(name: str) -> dict[str, str]:
    """Return a server to store."""
    return {"url": f"https://{name}", "note": name, "token": f"{SECRET}-{name}"}


@pytest.fixture
def item(items: dict[str, PluginItem]) -> PluginItem:
    """Return an item with read-only fields."""
    registry.add_item(ItemSpec("locked", "apps.locked", LockedSms, ("sms", "apps.sms")))
    return PluginItem.objects.create(plugin_type=items["twilio"].plugin_type, name="locked", module="apps.locked")


@pytest.fixture
def locked(item: PluginItem) -> PluginInstance:
    """Return an instance that stores a server at every kind of place."""
    config = {
        "endpoint": "https://stored",
        "key": SECRET,
        "main": make_server("main"),
        "servers": [make_server("a"), make_server("b")],
        "named": {"x": make_server("x")},
        "either": {"url": "https://e"},
        "odd": [{"url": "https://o"}],
    }
    return make_instance(item, config=config)


def post_json(client: Client, row: PluginInstance, change: Any) -> list[str]:
    """Change the JSON text by ``change`` and post it; return what is said of it, nothing if it was saved."""
    address = f"{url('change', row.pk)}?json=1"
    form = read_form(client.get(address))
    config = json.loads(form["config"])
    change(config)
    before = get_row(row).config
    response = client.post(address, {**form, "config": json.dumps(config)})
    if response.status_code == 302:
        return []
    assert get_row(row).config == before
    found: list[str] = response.context["adminform"].form.errors["config"]
    return found


@pytest.mark.parametrize(
    ("change", "title"),
    [
        (lambda config: config.update(endpoint=EVIL), "Endpoint"),
        (lambda config: config.update(address=EVIL), "Endpoint"),
        (lambda config: config.update(far={"away": EVIL}), "Endpoint"),
        (lambda config: config.update(endpoint={"$env": "DEMO_URL"}), "Endpoint"),
        (lambda config: config.pop("endpoint"), "Endpoint"),
        (lambda config: config.update(key="typed"), "Key"),
        (lambda config: config.update(key=SECRET), "Key"),
        (lambda config: config["main"].update(url=EVIL), "Main > Url"),
        (lambda config: config["main"].pop("url"), "Main > Url"),
        (lambda config: config.update(main={"$env": "DEMO_SERVER"}), "Main > Url"),
        (lambda config: config["servers"][1].update(url=EVIL), "Servers > 2 > Url"),
        (lambda config: config["servers"].append({**config["servers"][0], "url": EVIL}), "Servers > 3 > Url"),
        (lambda config: config.update(servers={"$env": "DEMO_SERVERS"}), "Servers > 1 > url"),
        (lambda config: config["named"].update(y={**config["named"].pop("x"), "url": EVIL}), "Named > y > Url"),
        (lambda config: config["either"].update(url=EVIL), "Either > Url"),
        (lambda config: config["odd"][0].update(url=EVIL), "Odd"),
    ],
)
def test_json_text_changes_nothing_read_only(
    admin_client: Client,
    locked: PluginInstance,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    change: Any,
    title: str,
) -> None:
    """By no key, at no place, not by a reference, nor by leaving it out; the error stands at the field."""
    settings.PLUGIN_SYSTEM = {**settings.PLUGIN_SYSTEM, "ENV_REFERENCES": ["DEMO_*"]}
    server = {"url": EVIL, "token": "t"}
    monkeypatch.setenv("DEMO_URL", EVIL)
    monkeypatch.setenv("DEMO_SERVER", json.dumps(server))
    monkeypatch.setenv("DEMO_SERVERS", json.dumps([server]))
    said = post_json(admin_client, locked, change)
    assert said
    assert [text for text in said if not text.startswith(title) or "read-only" not in text] == []


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config["main"].update(note="new"),
        lambda config: config.update(main=None),
        lambda config: config["servers"].reverse(),
        lambda config: config["servers"].append({"token": "new"}),
        lambda config: config["servers"].append({"url": "https://default", "token": "new"}),
        lambda config: config["named"].update(y=config["named"].pop("x")),
        lambda config: config.update(either=5),
        lambda config: config.update(servers=[]),
    ],
)
def test_everything_else_can_be_changed(admin_client: Client, locked: PluginInstance, change: Any) -> None:
    """Entries can be moved, renamed, removed and added with the default."""
    assert post_json(admin_client, locked, change) == []


def test_a_new_row_has_the_defaults(admin_client: Client, item: PluginItem) -> None:
    """As JSON text too: as it comes it can be saved, with another address it cannot."""
    address = f"{url('add')}?item={item.pk}&json=1"
    form = {**read_form(admin_client.get(address)), "name": "new"}
    config = {key: value for key, value in json.loads(form["config"]).items() if key not in {"main", "key"}}
    refused = admin_client.post(address, {**form, "config": json.dumps({**config, "endpoint": EVIL})})
    assert "read-only" in str(refused.context["adminform"].form.errors["config"])
    assert admin_client.post(address, {**form, "config": json.dumps(config)}).status_code == 302
    config = PluginInstance.objects.get().config
    assert config["endpoint"] == "https://good"


def test_entries_of_a_form_keep_what_is_theirs(admin_client: Client, locked: PluginInstance) -> None:
    """An entry that was edited and moved keeps its own address beside its secret; a new one gets the default."""
    form = open_change(admin_client, locked)
    config = json.loads(form["config"])
    _first, second = config["servers"]
    added = {"url": "https://default", "note": "new", "token": "new"}
    entries = [{"key": "new", "value": added}, {"key": "y", "value": {**config["named"][0]["value"], "note": "n"}}]
    sent = edit_config(form, servers=[{**second, "note": "n"}, added], named=entries)
    assert admin_client.post(url("change", locked.pk), sent).status_code == 302
    kept = get_row(locked).load_config()
    assert kept.endpoint == "https://stored"
    assert [(one.url, one.token.get_secret_value()) for one in kept.servers] == [
        ("https://b", f"{SECRET}-b"),
        ("https://default", "new"),
    ]
    assert {key: one.url for key, one in kept.named.items()} == {"new": "https://default", "y": "https://x"}


def test_a_forged_form_changes_nothing_read_only(admin_client: Client, locked: PluginInstance) -> None:
    """The form that the browser draws does not let one edit such a field; a program that posts one is refused."""
    form = open_change(admin_client, locked)
    config = json.loads(form["config"])
    servers = [config["servers"][0], {**config["servers"][1], "url": EVIL}]
    for values in ({"endpoint": EVIL}, {"servers": servers}, {"key": "typed"}):
        response = admin_client.post(url("change", locked.pk), edit_config(form, **values))
        assert "read-only" in str(response.context["adminform"].form.errors["config"])
    assert get_row(locked).config == locked.config
