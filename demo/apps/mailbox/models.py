"""The mails that the demo's mail server took."""

from __future__ import annotations

from django.db import models


class Mail(models.Model):
    """A mail as it came over SMTP."""

    sender = models.CharField(max_length=254)
    recipient = models.CharField(max_length=254)
    reply_to = models.CharField(max_length=254, blank=True)
    subject = models.CharField(max_length=998)
    text = models.TextField()
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-received_at", "-pk")

    def __str__(self) -> str:
        return f"{self.subject} to {self.recipient}"
