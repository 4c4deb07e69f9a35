"""What the demo starts with: a few instances, and an administrator. Nothing that exists is touched."""

from __future__ import annotations

import copy
import functools
import operator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model

from django_plugin_system.models import PluginInstance, PluginItem, PluginStatus
from project.local import get_local

ADMIN = "admin"
DEFAULT_INSTANCE = "default"
ACME, UMBRELLA = "acme", "umbrella"
"""Two tenants: the one has an account of its own, the other uses everybody's."""


@dataclass(frozen=True)
class Seed:
    """An instance to start with."""

    item: str
    name: str
    description: str
    config: dict[str, Any]
    status: PluginStatus = PluginStatus.ACTIVE
    scope: str = ""
    """Whose it is; empty for everybody's."""


def swiftline_url(port: int) -> str:
    """Return where the stand-in for Swiftline is served at ``port``."""
    return f"http://127.0.0.1:{port}/gateway/swiftline/v1"


def pigeon_url(port: int) -> str:
    """Return where the stand-in for Pigeon Post is served at ``port``."""
    return f"http://127.0.0.1:{port}/gateway/pigeon/send"


def courier_url(port: int) -> str:
    """Return where the stand-in for Courier is served at ``port``."""
    return f"http://127.0.0.1:{port}/gateway/courier"


def _swiftline(name: str, description: str, sender: str, status: PluginStatus, scope: str = "") -> Seed:
    local = get_local()
    config = {"base_url": swiftline_url(local.web_port), "token": local.swiftline_token, "sender": sender}
    return Seed("swiftline", name, description, config, status, scope)


def _courier(name: str, description: str) -> Seed:
    local = get_local()
    config = {"base_url": courier_url(local.web_port), "key": local.courier_key, "sender": "FrontDesk"}
    return Seed("courier", name, description, config)


def _smtp(name: str, description: str) -> Seed:
    local = get_local()
    server = {"host": "127.0.0.1", "port": local.smtp_port, "use_tls": False}
    return Seed("smtp", name, description, {**server, "username": "frontdesk", "password": local.smtp_password})


def _files(name: str, description: str, status: PluginStatus) -> Seed:
    folder = settings.FILES / name.rpartition("--")[2]
    folder.mkdir(parents=True, exist_ok=True)
    return Seed("filesystem", name, description, {"location": str(folder)}, status)


def _pigeon(name: str, description: str, status: PluginStatus, **options: object) -> Seed:
    local = get_local()
    login = {"user": "frontdesk", "password": local.pigeon_password}
    config = {"endpoint": pigeon_url(local.web_port), "login": login, "sender": "FrontDesk", **options}
    return Seed("pigeon", name, description, config, status)


def _email(name: str, description: str, sender: str, **options: object) -> Seed:
    local = get_local()
    server = {"host": "127.0.0.1", "port": local.smtp_port, "security": "none"}
    login = {"user": "frontdesk", "password": local.smtp_password}
    return Seed("email", name, description, {**server, "login": login, "sender": sender, **options})


def _list_seeds() -> list[Seed]:
    active, reserve, disabled = PluginStatus.ACTIVE, PluginStatus.RESERVED, PluginStatus.DISABLED
    return [
        _swiftline("transactional", "Codes and alarms: must arrive at once.", "FrontDesk", active),
        _swiftline("marketing", "Switched off: too dear for newsletters.", "Offers", disabled),
        _pigeon("transactional", "Steps in when Swiftline is down.", reserve, route="express"),
        _pigeon("marketing", "Newsletters.", active, route="economy", price_limit="0.035", tags=["newsletter"]),
        _swiftline("transactional", "The account of the tenant Acme.", "Acme", active, scope=ACME),
        _courier("alerts", "Its token ends after 20 seconds, and renews itself."),
        _smtp("transactional", "Whatever Django mails: receipts, password resets, errors."),
        _files("receipts--eu", "Receipts, in Europe.", active),
        _files("receipts--us", "Receipts, in America.", reserve),
        _email("transactional", "Codes and receipts.", "desk@shop.example"),
        _email("marketing", "Newsletters.", "news@shop.example", reply_to="offers@shop.example"),
    ]


def seed_instances() -> list[PluginInstance]:
    """Give each item that has no instance of its own those of the demo, and return the new ones.

    An item that has one is left alone, so whatever was changed, renamed or deleted in the admin stays so.
    """
    taken = set(PluginInstance.objects.exclude(name=DEFAULT_INSTANCE).values_list("item__name", flat=True))
    items = {item.name: item for item in PluginItem.objects.all()}
    return [_create(items[seed.item], seed) for seed in _list_seeds() if seed.item not in taken]


def _create(item: PluginItem, seed: Seed) -> PluginInstance:
    return PluginInstance.objects.create(
        item=item,
        name=seed.name,
        scope=seed.scope,
        description=seed.description,
        status=seed.status,
        config=seed.config,
    )


def ensure_admin() -> str | None:
    """Create the administrator if there is none; return the password, or None if somebody changed it since."""
    password = get_local().admin_password
    users = get_user_model().objects
    admin = users.filter(username=ADMIN).first()
    if admin is None:
        admin = users.create_superuser(ADMIN, "admin@example.com", password)
    return password if admin.check_password(password) else None


def follow_ports(*, web_port: int, smtp_port: int) -> None:
    """Point the instances that use this demo's own servers to the ports served now; all others stay as they are."""
    old = get_local()
    _move("swiftline", {"base_url": swiftline_url(old.web_port)}, {"base_url": swiftline_url(web_port)})
    _move("pigeon", {"endpoint": pigeon_url(old.web_port)}, {"endpoint": pigeon_url(web_port)})
    _move("courier", {"base_url": courier_url(old.web_port)}, {"base_url": courier_url(web_port)})
    _move("smtp", {"host": "127.0.0.1", "port": old.smtp_port}, {"port": smtp_port})
    _move("email", {"host": "127.0.0.1", "port": old.smtp_port}, {"port": smtp_port})


def _move(item: str, found: dict[str, Any], change: dict[str, Any]) -> None:
    """Apply ``change`` to the configurations of ``item`` that hold all of ``found``.

    The secrets belong to the address, so they have to be given again for the new one.
    """
    if change.items() <= found.items():
        return
    lookups = {f"config__{key}": value for key, value in found.items()}
    for row in PluginInstance.objects.filter(item__name=item, **lookups):
        config = {**copy.deepcopy(row.config), **change}
        for (*parents, name), secret in row.open_secrets().items():
            functools.reduce(operator.getitem, parents, config)[name] = secret
        row.set_config(config)
        row.save()
