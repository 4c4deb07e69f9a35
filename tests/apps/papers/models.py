"""A file in each row."""

from __future__ import annotations

from django.core.files.storage import Storage, storages
from django.db import models


def get_storage() -> Storage:
    """Return where the papers are."""
    return storages["papers"]


class Paper(models.Model):
    """A paper, and perhaps a scan of it."""

    file = models.FileField(storage=get_storage, upload_to="received")
    scan = models.FileField(storage=get_storage, null=True, blank=True)
    thumbnail = models.FileField(blank=True)

    class Meta:
        app_label = "papers"

    def __str__(self) -> str:
        return str(self.file)
