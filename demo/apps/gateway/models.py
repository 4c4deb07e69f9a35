"""What the stand-in providers remember: the messages they took, and whether they are out of service."""

from __future__ import annotations

from django.db import models


class Provider(models.TextChoices):
    """The providers that the gateway plays."""

    SWIFTLINE = "swiftline", "Swiftline"
    PIGEON = "pigeon", "Pigeon Post"
    COURIER = "courier", "Courier"


class Message(models.Model):
    """A message that a provider took and "delivered"."""

    provider = models.CharField(max_length=20, choices=Provider.choices)
    sender = models.CharField(max_length=11)
    number = models.CharField(max_length=20)
    text = models.TextField()
    extras = models.JSONField(default=dict, blank=True)
    """What else the request asked for, such as a route."""
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-received_at", "-pk")

    def __str__(self) -> str:
        return f"{self.get_provider_display()} to {self.number}"


class Outage(models.Model):
    """A provider that is out of service: the row is there as long as it lasts."""

    provider = models.CharField(max_length=20, choices=Provider.choices, primary_key=True)

    def __str__(self) -> str:
        return f"{self.get_provider_display()} is down"


def is_down(provider: Provider) -> bool:
    """Say whether ``provider`` is out of service."""
    return Outage.objects.filter(provider=provider).exists()


def set_down(provider: Provider, *, down: bool) -> None:
    """Put ``provider`` out of service, or back into it."""
    if down:
        Outage.objects.get_or_create(provider=provider)
    else:
        Outage.objects.filter(provider=provider).delete()
