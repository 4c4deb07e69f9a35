"""How the front desk sends: it names a purpose, and the first instance that serves it carries the message."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apps.frontdesk.models import Delivery, Outcome
from apps.frontdesk.operator_notes import tell_operator
from apps.notifier.interface import AbstractNotifier
from apps.sms.plugins import AbstractSms
from django_plugin_system import (
    NoPluginAvailable,
    PluginOutcomeUnknown,
    PluginRejected,
    PluginSystemError,
    explain_selection,
    failover,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_plugin_system.models import PluginInstance

COOLDOWN = 120
"""Seconds during which an instance that failed is passed over."""

INTERFACES = {"sms": AbstractSms, "email": AbstractNotifier}
"""The plugin type behind each channel of the front page."""


@dataclass(frozen=True)
class Order:
    """What somebody asked the front desk to send."""

    channel: str
    purpose: str
    """The instance name to use; empty for any."""
    recipient: str
    text: str
    tenant: str = ""
    """Whose instances come first; empty for everybody's alone."""

    @property
    def wanted(self) -> dict[str, Any]:
        """What a selection is asked for."""
        return {"name": self.purpose or None, "scope": self.tenant or None}


@dataclass
class Tries:
    """The instances that were asked, in order, with what each said."""

    log: list[dict[str, str]] = field(default_factory=list)

    @contextmanager
    def watch(self, instance: PluginInstance) -> Iterator[None]:
        """Note how the block with ``instance`` ends; errors pass through."""
        entry = {"instance": str(instance), "id": str(instance.pk), "error": ""}
        self.log.append(entry)
        try:
            yield
        except Exception as error:
            entry["error"] = str(error) if isinstance(error, PluginSystemError) else type(error).__name__
            raise


def deliver(order: Order) -> Delivery:
    """Send the message of ``order`` and return the saved record of it, whatever happened."""
    tries = Tries()
    delivery = Delivery(
        channel=order.channel,
        purpose=order.purpose,
        tenant=order.tenant,
        recipient=order.recipient,
        text=order.text,
        explanation=str(explain_selection(INTERFACES[order.channel], **order.wanted)),
    )
    try:
        delivery.receipt = _SENDERS[order.channel](order, tries)
        delivery.outcome = Outcome.SENT
    except PluginSystemError as error:
        delivery.outcome, delivery.reason = _classify(error), str(error)
    delivery.tries = tries.log
    delivery.operator_note = tell_operator(f"{order.channel} for {order.purpose or 'any purpose'}: {delivery.outcome}")
    delivery.save()
    return delivery


def _send_sms(order: Order, tries: Tries) -> str:
    receipt = ""
    for attempt in failover(AbstractSms, **order.wanted, cooldown=COOLDOWN):
        with attempt as sms, tries.watch(attempt.instance):
            receipt = sms.send(order.recipient, order.text)
    return receipt


def _send_email(order: Order, tries: Tries) -> str:
    receipt = ""
    subject = f"A {order.purpose} message" if order.purpose else "A message"
    for attempt in failover(AbstractNotifier, **order.wanted, cooldown=COOLDOWN):
        with attempt as notifier, tries.watch(attempt.instance):
            receipt = notifier.send(order.recipient, subject, order.text)
    return receipt


_SENDERS = {"sms": _send_sms, "email": _send_email}


def _classify(error: PluginSystemError) -> Outcome:
    if isinstance(error, PluginRejected):
        return Outcome.REJECTED
    if isinstance(error, PluginOutcomeUnknown):
        return Outcome.UNKNOWN
    return Outcome.NOBODY if isinstance(error, NoPluginAvailable) else Outcome.FAILED
