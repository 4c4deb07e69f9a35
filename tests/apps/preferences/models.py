"""What a project hangs on plugin items: a choice of several, and a favourite."""

from __future__ import annotations

from django.db import models

from django_plugin_system.models import PluginInstance, PluginItem


class Person(models.Model):
    """Somebody who wants to be told by the channels of their choice."""

    name = models.CharField(max_length=50)
    channels = models.ManyToManyField(PluginItem, related_name="people")
    favourite = models.ForeignKey(PluginItem, null=True, on_delete=models.SET_NULL, related_name="+")
    sender = models.ForeignKey(PluginInstance, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        app_label = "preferences"

    def __str__(self) -> str:
        return self.name
