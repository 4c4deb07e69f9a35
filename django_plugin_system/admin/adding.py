"""Adding an instance: the page on which its item is chosen, and copies of instances, with or without secrets."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import router, transaction
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.admin.columns import show_path
from django_plugin_system.admin.declared import count_instances
from django_plugin_system.exceptions import ConfigError
from django_plugin_system.models import PluginInstance, PluginItem, PluginStatus
from django_plugin_system.rows.config import make_current

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse


def find_row(rows: QuerySet[Any], pk: Any) -> Any:
    """Return the one of ``rows`` with this id, whatever an address has in its place, or None."""
    try:
        return rows.filter(pk=pk).first()
    except ValidationError:  # no UUID
        return None


def find_item(item_id: Any) -> PluginItem | None:
    """Return the item with this id whose code is there, or None."""
    item: PluginItem | None = find_row(PluginItem.objects.select_related("plugin_type"), item_id)
    return item if item and item.is_registered else None


def find_items(search: str) -> list[PluginItem]:
    """Return the items whose code is there and that ``search`` is found in, by type, category and label."""
    rows = PluginItem.objects.select_related("plugin_type").annotate(instance_count=count_instances("pk"))
    words = search.casefold().split()
    found = [item for item in rows if item.is_registered and all(word in _describe(item) for word in words)]
    return sorted(found, key=lambda item: (*item.plugin_type.key, str(item.identity.category), item.label.casefold()))


def _describe(item: PluginItem) -> str:
    """Return all that is said of an item, for a search."""
    kind, identity = item.plugin_type, item.identity
    texts = (item.name, item.module, item.description, kind.name, kind.description, identity.label, identity.category)
    return " ".join(str(text or "") for text in texts).casefold()


def show_tile(item: PluginItem) -> dict[str, Any]:
    """Return how an item stands in the gallery: with a ``picture`` among the static files, or a character or two."""
    icon, picture = str(item.identity.icon), ""
    is_path = "." in icon or "/" in icon
    with suppress(ValueError):  # a storage that knows its files has none of this name
        picture = static(icon) if is_path else ""
    sign = item.label[:1].upper() if is_path or not icon else icon
    return {"item": item, "module": show_path(item.module), "icon": sign, "picture": picture}


def show_choice(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Return the page on which the item is chosen."""
    search = request.GET.get("q", "").replace("\0", "")  # which PostgreSQL refuses to look for
    kept = {key: value for key, value in request.GET.items() if key not in {"q", "item"}}
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "add": True,
        "has_view_permission": model_admin.has_view_permission(request),
        "media": model_admin.media,
        "title": _("Choose what to configure"),
        "tiles": [show_tile(item) for item in find_items(search)],
        "shows_counts": model_admin.has_view_permission(request),
        "search": search,
        "kept": kept,
        "kept_query": urlencode(kept),
    }
    return TemplateResponse(request, "admin/django_plugin_system/plugininstance/choose_item.html", context)


@sensitive_variables()
def copy_with_secrets(source: PluginInstance) -> PluginInstance:
    """Store a copy of ``source``, disabled, under a name that is free; each secret is encrypted anew for it.

    Nothing can be typed on the way, so a secret that is bound to an endpoint comes with that very endpoint.

    :raises ConfigError: if the configuration of ``source`` cannot be read; then nothing is stored.
    """
    _stored, current = make_current(source)
    copied = PluginInstance(item=source.item, name=_find_free_name(source), status=PluginStatus.DISABLED)
    copied.priority, copied.description = source.priority, source.description
    copied.set_config(current.data)
    copied.save(force_insert=True)
    return copied


def _find_free_name(source: PluginInstance) -> str:
    stem = source.name[:80]
    rows = PluginInstance.objects.filter(item=source.item, name__startswith=f"{stem}-copy")
    taken = set(rows.values_list("name", flat=True))
    names = (f"{stem}-copy", *(f"{stem}-copy-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


@admin.action(permissions=["copy"], description=gettext_lazy("Duplicate with secrets, as disabled instances"))
def duplicate_with_secrets(model_admin: Any, request: HttpRequest, queryset: QuerySet[PluginInstance]) -> None:
    """Store a disabled copy of each row, and say what became of it.

    It is for users who may add, and change the very row: those can use its secrets already, but still read none.
    """
    made = [str(copied) for copied in (_copy(model_admin, request, row) for row in queryset) if copied]
    text = ngettext(
        "%(count)d copied with its secrets, and disabled: %(names)s.",
        "%(count)d copied with their secrets, and disabled: %(names)s.",
        len(made),
    )
    if made:
        model_admin.message_user(request, text % {"count": len(made), "names": ", ".join(made[:10])}, messages.SUCCESS)


def _copy(model_admin: Any, request: HttpRequest, row: PluginInstance) -> PluginInstance | None:
    if not model_admin.has_copy_permission(request, row):
        model_admin.message_user(request, _("You may not copy %(name)s.") % {"name": row}, messages.ERROR)
        return None
    try:
        with transaction.atomic(using=router.db_for_write(PluginInstance)):
            made = copy_with_secrets(row)
            model_admin.log_addition(request, made, _("Copied from %(name)s, with its secrets.") % {"name": row})
            model_admin.log_change(request, row, _("Copied to %(name)s, with its secrets.") % {"name": made})
    except ConfigError as error:
        model_admin.message_user(request, _("Not copied: %(reason)s") % {"reason": error}, messages.ERROR)
        return None
    return made
