"""Adding an instance: the page on which its item is chosen, and copies of instances, with or without secrets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import router, transaction
from django.db.models import Q
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.admin.shared import count_instances
from django_plugin_system.exceptions import ConfigError
from django_plugin_system.models import PluginInstance, PluginItem, PluginStatus, PluginType
from django_plugin_system.rows.config import make_current

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse


@dataclass(frozen=True)
class Choice:
    """One item that can be chosen."""

    item: PluginItem
    takes_config: bool
    is_disabled: bool


@dataclass(frozen=True)
class Group:
    """A type with its items."""

    plugin_type: PluginType
    choices: list[Choice] = field(default_factory=list)


def find_item(item_id: str | UUID | None) -> PluginItem | None:
    """Return the item with this id whose code is there, or None."""
    if not item_id:
        return None
    try:
        item = PluginItem.objects.select_related("plugin_type").get(pk=item_id)
    except (PluginItem.DoesNotExist, ValidationError):
        return None
    return item if item.is_registered else None


def group_items(search: str = "") -> list[Group]:
    """Return the items whose code is there, grouped by type; those that ``search`` is found in."""
    items = PluginItem.objects.select_related("plugin_type").annotate(instance_count=count_instances("pk"))
    for word in search.split():
        texts = ("name", "module", "description", "plugin_type__name", "plugin_type__description")
        found = Q()
        for text in texts:
            found |= Q(**{f"{text}__icontains": word})
        items = items.filter(found)
    groups: dict[UUID, Group] = {}
    for item in items.order_by("plugin_type__name", "plugin_type__manager", "name", "module"):
        if item.is_registered:
            group = groups.setdefault(item.plugin_type_id, Group(item.plugin_type))
            disabled = item.status == PluginStatus.DISABLED
            group.choices.append(Choice(item, item.config_schema is not None, disabled))
    return list(groups.values())


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
        "groups": group_items(search),
        "search": search,
        "kept": kept,
        "kept_query": urlencode(kept),
    }
    return TemplateResponse(request, "admin/django_plugin_system/plugininstance/choose_item.html", context)


COPIED = ("status", "priority", "description")


def find_source(source_id: str | None, item: PluginItem) -> PluginInstance | None:
    """Return the instance of ``item`` with this id, or None."""
    if not source_id:
        return None
    try:
        return PluginInstance.objects.select_related("item__plugin_type").get(pk=source_id, item=item)
    except (PluginInstance.DoesNotExist, ValidationError):
        return None


def get_initial(source: PluginInstance) -> dict[str, Any]:
    """Return what the columns of a copy start with; its name is a proposal."""
    return {"name": f"{source.name}-copy", **{name: getattr(source, name) for name in COPIED}}


def get_copy_url(source: PluginInstance, site: str) -> str:
    """Return the address of the form of a copy, in the admin ``site``."""
    address = reverse("admin:django_plugin_system_plugininstance_add", current_app=site)
    return f"{address}?{urlencode({'item': source.item_id, 'copy': source.pk})}"


@sensitive_variables()
def copy_with_secrets(source: PluginInstance) -> PluginInstance:
    """Store a copy of ``source``, disabled, under a name that is free; each secret is encrypted anew for it.

    Nothing can be typed on the way, so a secret that is bound to an endpoint comes with that very endpoint.

    :raises ConfigError: if the configuration of ``source`` cannot be read; then nothing is stored.
    """
    _stored, current = make_current(source)
    values = {name: getattr(source, name) for name in COPIED}
    name = _find_free_name(source)
    copied = PluginInstance(**{**values, "item": source.item, "name": name, "status": PluginStatus.DISABLED})
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
