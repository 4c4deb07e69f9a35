"""What selection does now with a type's instances, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from django_plugin_system.admin.columns import show_priority
from django_plugin_system.helpers import explain_selection

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

    from django_plugin_system.models import PluginType


def show_order(row: PluginType) -> SafeString | str:
    """Return the candidates of a type in order: which one is used, and why each other is not."""
    if not row.is_registered:
        return _("The code that declares this type is gone, so nothing is selected.")
    selection = explain_selection(row.name, row.manager)
    if not selection.candidates:
        return _("There are no instances yet.")
    lines = [
        {
            "instance": candidate.instance,
            "priority": show_priority(candidate.instance),
            "used": candidate.instance == selection.chosen,
            "reason": candidate.reason or _("usable, comes later"),
            "usable": candidate.usable,
        }
        for candidate in selection.candidates
    ]
    return render_to_string("admin/django_plugin_system/order.html", {"lines": lines})
