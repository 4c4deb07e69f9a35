"""What the front page shows beside the form: who would be chosen now, what arrived, and which provider is down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from apps.frontdesk.checking import can_check
from apps.frontdesk.forms import CHANNELS
from apps.frontdesk.models import Delivery
from apps.frontdesk.sending import INTERFACES
from apps.gateway.models import Message, Outage, Provider
from apps.mailbox.models import Mail
from django_plugin_system import explain_selection
from django_plugin_system.models import PluginHealth, PluginInstance

if TYPE_CHECKING:
    from django_plugin_system.selection.candidates import Candidate

_SHOWN = 4
"""Arrived messages of each kind that are shown, newest first."""


@dataclass(frozen=True)
class Line:
    """One candidate of a route, as the page shows it."""

    instance: PluginInstance
    state: str
    """``chosen``, ``standby`` or ``skipped``."""
    reason: str
    tier: str
    priority: int
    can_check: bool


@dataclass(frozen=True)
class Route:
    """Who carries the messages of one purpose on one channel."""

    channel: str
    purpose: str
    call: str
    """The call that asks for it."""
    lines: tuple[Line, ...]


def list_purposes() -> list[str]:
    """Return the instance names that operators gave, of all channels, in order."""
    names: set[str] = set()
    for interface in INTERFACES.values():
        rows = PluginInstance.objects.for_type(interface).exclude(name="default")
        names.update(rows.values_list("name", flat=True))
    return sorted(names, key=lambda name: (name != "transactional", name))


def list_routes(purposes: list[str]) -> list[Route]:
    """Return every route that has a candidate: channel by channel, purpose by purpose."""
    routes = [_find_route(channel, purpose) for channel, _ in CHANNELS for purpose in purposes]
    return [route for route in routes if route.lines]


def _find_route(channel: str, purpose: str) -> Route:
    interface = INTERFACES[channel]
    selection = explain_selection(interface, name=purpose)
    lines = tuple(_show(candidate, selection.chosen) for candidate in selection.candidates)
    return Route(dict(CHANNELS)[channel], purpose, f'get_plugin({interface.__name__}, name="{purpose}")', lines)


def _show(candidate: Candidate, chosen: PluginInstance | None) -> Line:
    instance = candidate.instance
    if chosen is not None and instance.pk == chosen.pk:
        state = "chosen"
    else:
        state = "standby" if candidate.usable else "skipped"
    return Line(
        instance=instance,
        state=state,
        reason=candidate.reason or "",
        tier=str(instance.effective_tier.label).lower(),
        priority=instance.effective_priority,
        can_check=can_check(instance),
    )


def list_providers() -> list[dict[str, Any]]:
    """Return the gateway's providers with their names and whether each is down."""
    down = set(Outage.objects.values_list("provider", flat=True))
    return [{"key": provider.value, "name": provider.label, "down": provider.value in down} for provider in Provider]


def describe() -> dict[str, Any]:
    """Return everything that the front page shows, but for the form."""
    deliveries = Delivery.objects.all()
    return {
        "delivery": deliveries.first(),
        "routes": list_routes(list_purposes()),
        "providers": list_providers(),
        "cooling": PluginHealth.objects.exclude(unavailable_until=None).exists(),
        "texts": Message.objects.all()[:_SHOWN],
        "mails": Mail.objects.all()[:_SHOWN],
        "notes": [note for note in deliveries.values_list("operator_note", flat=True)[:_SHOWN] if note],
    }
