"""The overview: for each type and name the chain of instances, who serves now, why the others do not, and what to do.

What it shows are the facts of ``explain_selection``. What is done there is refused while somebody else changed the
chain after the page was drawn.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import router
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from django_plugin_system.admin import chains
from django_plugin_system.admin.adding import find_row
from django_plugin_system.admin.columns import describe_state, show_path, show_rank
from django_plugin_system.admin.connection_test import test_stored
from django_plugin_system.admin.instance_list import narrow_by_use, search_instances
from django_plugin_system.admin.shared import HIGHEST, LOWEST, Links, ModelAdmin, lock_rows, write_column
from django_plugin_system.changes import changing
from django_plugin_system.models import PluginInstance, PluginOverview, PluginStatus, PluginType
from django_plugin_system.plugin import has_check
from django_plugin_system.selection.candidates import complete
from django_plugin_system.selection.health import end_cooldown

if TYPE_CHECKING:
    from django_plugin_system.selection.candidates import Candidate
    from django_plugin_system.selection.choosing import Selection

NAMES_PER_PAGE = 30


# What is shown


@dataclass
class Chain:
    """One name of a type, in one scope: who may serve it, best first."""

    first: PluginInstance
    mark: str
    now: str
    is_served: bool
    lines: list[dict[str, Any]]
    """Each candidate, and what the user may do with it; see ``show_line``."""


def make_chain(links: Links, rows: Sequence[PluginInstance], visible: Collection[Any]) -> Chain:
    """Return one name with those of ``rows``, which are all that may serve it, whose ids are among ``visible``."""
    found, first = chains.explain_chain(rows), rows[0]
    seen = [one for one in found.candidates if one.instance.pk in visible]
    lines = [show_line(links, found, one, *moves) for one, moves in zip(seen, _list_moves(seen), strict=True)]
    for line in lines:  # what is everybody's has its buttons in a chain of its own
        line["is_own"] = line["instance"].scope == first.scope
    mark = chains.get_mark(row for row in rows if row.scope == first.scope)
    return Chain(first, mark, chains.describe_now(found, first.name), found.chosen is not None, lines)


def show_line(links: Links, found: Selection, one: Candidate, up: Any, down: Any) -> dict[str, Any]:
    """Return what the page says of one candidate; ``up`` and ``down`` are as ``_list_moves`` returns them."""
    row = one.instance
    return {
        "instance": row,
        "link": links.show(row, row.item.name),
        "module": show_path(row.item.module),
        "rank": show_rank(row),
        "state": describe_state(row, one.reason),
        "serves": row == found.chosen,
        "after": chains.describe_after(found, row),
        "is_off": row.status == PluginStatus.DISABLED,
        "may_change": links.may("change", PluginInstance, row),
        "may_wake": links.may("cooldown", PluginInstance, row),
        "may_test": has_check(row.item.plugin_class) and links.may("test", PluginInstance, row),
        "up": up,
        "down": down,
    }


def _list_moves(seen: Sequence[Candidate]) -> list[tuple[Any, Any]]:
    """Return for each candidate the id of what it goes before if it moves up, and if it moves down.

    It is empty for the end of its tier, and None where it cannot go there.
    """
    tiers = [(one.instance.scope, one.instance.effective_tier) for one in seen]
    ids = [one.instance.pk for one in seen]
    moves = []
    for place, tier in enumerate(tiers):
        is_last, follower = tiers[place + 1 : place + 2] != [tier], tiers[place + 2 : place + 3]
        up = ids[place - 1] if place and tiers[place - 1] == tier else None
        moves.append((up, None if is_last else ids[place + 2] if follower == [tier] else ""))
    return moves


def make_chains(links: Links, keys: Iterable[chains.Key], visible: QuerySet[PluginInstance]) -> list[Chain]:
    """Return a chain for each of ``keys``, with the instances that are ``visible`` for the user."""
    found = chains.find_chains(keys)
    everything = {row.pk: row for rows in found.values() for row in rows}
    shown = set(visible.filter(pk__in=everything).values_list("pk", flat=True))
    shown &= {row.pk for row in links.find_visible(everything.values())}
    seen = {key for key, rows in found.items() if any(row.pk in shown and row.scope == key[2] for row in rows)}
    return [make_chain(links, rows, shown) for key, rows in found.items() if key in seen]


# What is done


def plan_move(rows: Iterable[PluginInstance], row: PluginInstance, before: str) -> dict[PluginInstance, int]:
    """Return the priorities that put ``row`` before another of its tier, or to its end: as few as possible change.

    Neighbours get priorities that differ, so that no database's way of sorting names decides between them.
    """
    tier = [other for other in rows if other.effective_tier == row.effective_tier and other != row]
    place = next((number for number, other in enumerate(tier) if str(other.pk) == before), len(tier))
    above = tier[place - 1].effective_priority if place else LOWEST - 1
    wanted = tier[place].effective_priority - 1 if place < len(tier) else above + 1
    last = max(wanted, above + 1)
    planned = {row: last}
    for other in tier[place:]:
        if other.effective_priority > last:
            break
        last = planned[other] = last + 1
    return planned


def move(model_admin: Any, request: HttpRequest, rows: Iterable[PluginInstance], row: PluginInstance) -> str:
    """Move ``row`` before the one that was posted; return why not, or nothing."""
    planned = plan_move(rows, row, request.POST.get("before", ""))
    for other, priority in planned.items():
        if not model_admin.has_change_permission(request, other):
            return _("%(row)s would have to change, too, and you may not change it.") % {"row": other}
        if not LOWEST <= priority <= HIGHEST:
            return _("There is no priority left for that.")
    for other, priority in planned.items():
        write_column(model_admin, request, other, "priority", priority)
    return ""


def act(model_admin: Any, request: HttpRequest, row: PluginInstance) -> str:
    """Do with ``row`` what was asked for; return why nothing was done, or nothing."""
    using, todo = router.db_for_write(PluginInstance), request.POST.get("do")
    with changing(using):
        rows = chains.find_chain(chains.get_key(row))
        locked = [one.pk for one in lock_rows(PluginInstance, [one.pk for one in rows if one.scope == row.scope])]
        chain = {one.pk: one for one in complete(PluginInstance.objects.using(using).filter(pk__in=locked))}
        if row.pk not in chain or chains.get_mark(chain.values()) != request.POST.get("seen"):
            text = _("Someone else changed “%(name)s” meanwhile, so nothing was done. You see it as it is now.")
            return text % {"name": row.name}
        row = chain[row.pk]
        if todo == "wake":
            end_cooldown(row)
            model_admin.log_change(request, row, [{"changed": {"fields": [gettext_noop("Use again now")]}}])
        elif todo in STATUSES:
            write_column(model_admin, request, row, "status", STATUSES[todo])
        else:
            return move(model_admin, request, chain.values(), row)
    return ""


STATUSES = {"enable": PluginStatus.ACTIVE, "disable": PluginStatus.DISABLED}


@admin.register(PluginOverview)
class PluginOverviewAdmin(ModelAdmin):
    """The page to begin with. It stands in the index as lists do, for who may see instances."""

    class Media:
        css = {"all": ["django_plugin_system/admin.css"]}  # noqa: RUF012 - Django's way to declare media
        js = ("django_plugin_system/overview.js",)

    def get_urls(self) -> list[URLPattern]:
        """Return the one page, by its own name and by that of a list."""
        view = self.admin_site.admin_view(self.changelist_view)
        names = ("django_plugin_system_overview", "django_plugin_system_pluginoverview_changelist")
        return [path("", view, name=name) for name in names]

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Say whether the user may see instances."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Say whether the user may see instances."""
        return Links(self.admin_site, request).may("view", PluginInstance)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: it is no row."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: it is no row."""
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show one page of names, or do what was posted."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        instances: Any = self.admin_site._registry[PluginInstance]  # noqa: SLF001 - as in Links
        if request.method == "POST":
            return self._do(request, instances)
        visible, search = instances.get_queryset(request), request.GET.get("q", "").replace("\0", "")
        troubled, is_exact = narrow_by_use(request, visible, usable=False)
        rows = troubled if "attention" in request.GET else visible
        kind = "item__plugin_type__"
        names = search_instances(rows, search).order_by(f"{kind}name", f"{kind}manager", "name", "scope")
        pages = Paginator(names.values_list("item__plugin_type_id", "name", "scope").distinct(), NAMES_PER_PAGE)
        page, links = pages.get_page(request.GET.get("p")), Links(self.admin_site, request)
        is_all = not page.has_next() and rows is visible and not search
        context = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            "opts": self.opts,
            "media": self.media,
            "title": capfirst(_("overview")),
            "chains": make_chains(links, page, visible),
            "page": page,
            "search": search,
            "only_attention": rows is not visible,
            "attention": troubled.count(),
            "is_exact": is_exact,
            "bare_types": list_bare_types() if is_all else [],
            "may_add": links.may("add", PluginInstance),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_plugin_system/overview.html", context)

    def _do(self, request: HttpRequest, instances: Any) -> HttpResponse:
        row = find_row(instances.get_queryset(request), request.POST.get("instance"))
        if row is None:
            self.message_user(request, _("This instance is not there any more."), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        rights = {"test": instances.has_test_permission, "wake": instances.has_cooldown_permission}
        may = rights.get(request.POST.get("do", ""), instances.has_change_permission)
        if not may(request, row):
            raise PermissionDenied
        if may == instances.has_test_permission:
            test_stored(instances, request, row)
        elif refused := act(instances, request, row):
            self.message_user(request, refused, messages.ERROR)
        else:
            rows = chains.find_chain(chains.get_key(row))
            now = chains.describe_now(chains.explain_chain(rows), row.name)
            self.message_user(request, _("Done. %(now)s") % {"now": now}, messages.SUCCESS)
        return HttpResponseRedirect(f"{request.get_full_path()}#of-{row.pk}")


def list_bare_types() -> list[PluginType]:
    """Return the types that code declares and that have no instance."""
    rows = PluginInstance.objects.filter(item__plugin_type=OuterRef("pk"))
    return [kind for kind in PluginType.objects.filter(~Exists(rows)).order_by("name") if kind.is_registered]
