"""The first use case of 1.1.0: what a project hangs on plugin items."""

from __future__ import annotations

from django.db import models

from django_plugin_system.models import PluginItem


class Person(models.Model):
    """Somebody who chose some channels, and one they like best."""

    name = models.CharField(max_length=50)
    channels = models.ManyToManyField(PluginItem, related_name="people")
    favourite = models.ForeignKey(PluginItem, on_delete=models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return self.name
