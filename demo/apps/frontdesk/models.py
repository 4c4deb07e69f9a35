"""What the front desk remembers of each message that it was asked to send."""

from __future__ import annotations

from django.core.files.storage import Storage, storages
from django.db import models


def get_receipts() -> Storage:
    """Return where receipts are kept."""
    return storages["receipts"]


class Outcome(models.TextChoices):
    """How a delivery ended."""

    SENT = "sent", "Sent"
    REJECTED = "rejected", "Rejected: no provider would take it"
    UNKNOWN = "unknown", "Outcome unknown: it may have been sent"
    FAILED = "failed", "Failed: every provider was tried"
    NOBODY = "nobody", "Not sent: no instance can be used"


class Delivery(models.Model):
    """One message, with who was asked to carry it and what came of it."""

    channel = models.CharField(max_length=20)
    purpose = models.CharField(max_length=100, blank=True)
    tenant = models.CharField(max_length=100, blank=True)
    recipient = models.CharField(max_length=254)
    text = models.TextField()
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    receipt = models.CharField(max_length=998, blank=True)
    reason = models.TextField(blank=True)
    """Why it was not sent."""
    explanation = models.TextField()
    """The selection before the first try, as text."""
    tries = models.JSONField(default=list)
    """One ``{"instance": ..., "error": ...}`` for each instance that was asked; an empty error is a success."""
    operator_note = models.TextField(blank=True)
    file = models.FileField(storage=get_receipts, upload_to="%Y", blank=True)
    """A receipt, if somebody asked for one; its name says which instance holds it."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at", "-pk")
        verbose_name_plural = "deliveries"

    def __str__(self) -> str:
        return f"{self.channel} to {self.recipient}: {self.outcome}"

    @property
    def sent(self) -> bool:
        """Whether the message was sent."""
        return self.outcome == Outcome.SENT
