"""What an import does, in the admin's history: an entry has a user, so somebody has to say who it was."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from django_plugin_system.models import PluginInstance

if TYPE_CHECKING:
    from django_plugin_system.contrib.transfer.apply import Note
    from django_plugin_system.contrib.transfer.planning import Action, Plan

_DONE: dict[Action, tuple[int, str]] = {
    "create": (1, "Created"),
    "update": (2, "Changed"),
    "release": (2, "Given to the admin"),
    "delete": (3, "Deleted"),
}
"""What Django's entries say, in numbers, and in words."""


def add_user_option(parser: argparse.ArgumentParser) -> None:
    """Declare ``--user``."""
    text = "Note what is done in the admin's history of each instance, as done by this user."
    parser.add_argument("--user", metavar="NAME", help=text)


def make_note(name: str | None, command: str) -> Note | None:
    """Return what takes down for the user with this name what ``command`` does; None without a name.

    :raises CommandError: if there is no such user, or no admin.
    """
    if name is None:
        return None
    if not apps.is_installed("django.contrib.admin"):
        raise CommandError("There is no history without django.contrib.admin.", returncode=2)
    model: Any = get_user_model()
    user = model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()
    if user is None:
        raise CommandError(f"There is no user {name}.", returncode=2)
    return partial(_note, user, command)


def _note(user: Any, command: str, plan: Plan) -> None:
    model: Any = apps.get_model("admin", "LogEntry")
    kinds: Any = apps.get_model("contenttypes", "ContentType")
    kind = kinds.objects.get_for_model(PluginInstance)
    entries = []
    for change in plan.changes:
        if change.action in _DONE:
            flag, word = _DONE[change.action]
            names = ", ".join(difference.name for difference in change.differences)
            text = f"{word} by {command}{f': {names}' if flag == 2 and names else ''}."  # noqa: PLR2004 - see above
            shown = str(change.row)[:200]
            entry = {"object_id": str(change.row.pk), "object_repr": shown, "action_flag": flag, "change_message": text}
            entries.append(model(user_id=user.pk, content_type_id=kind.pk, **entry))
    model.objects.bulk_create(entries, batch_size=500)
