"""The optimistic lock of the change page: which state of a row a form was made from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.utils.crypto import constant_time_compare, salted_hmac

if TYPE_CHECKING:
    from django_plugin_system.models import PluginInstance


def get_version(row: PluginInstance) -> str:
    """Return a mark of all that an operator can change in ``row``; its health leaves the mark the same."""
    state = [str(row.pk), row.name, row.status, row.priority, row.description, row.config, row.config_version]
    message = json.dumps(state, sort_keys=True, default=str)
    return salted_hmac("django_plugin_system.admin.lock", message, algorithm="sha256").hexdigest()


def is_current(row: PluginInstance, version: str) -> bool:
    """Say whether ``row`` is still as it was when its form got ``version``."""
    return constant_time_compare(get_version(row), version)
