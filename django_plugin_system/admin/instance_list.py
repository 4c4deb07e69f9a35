"""The list of plugin instances: the state of each at a glance, filters, actions. It costs what it shows.

Nothing is joined and sorted as a whole: rows are sorted by their own columns, so that an index serves, and what belongs
to them is read for the page that is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db import connections
from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet
from django.db.models.functions import Now
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_plugin_system.admin.adding import duplicate_with_secrets
from django_plugin_system.admin.chains import describe_loss, find_chains, get_key
from django_plugin_system.admin.columns import describe_state, show_place
from django_plugin_system.admin.connection_test import test_selected
from django_plugin_system.admin.shared import STATUS_AND_PRIORITY, CodeFilter, PluginAdmin, VisibleRows, list_items
from django_plugin_system.models import PluginHealth, PluginInstance, PluginItem, PluginStatus
from django_plugin_system.querysets import MOST_NAMED

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    BasePaginator = Paginator[PluginInstance]
else:
    BasePaginator = Paginator  # not subscriptable at run time

MOST_LOOKED_AT = 1000
"""Rows of which a page looks at each, whether they can be read."""

MOST_LISTED = 10_000
"""Rows that the pages of the list lead to."""

_OFF = Q(status=PluginStatus.DISABLED) | Q(item__in=PluginItem.objects.filter(status=PluginStatus.DISABLED))


def _find_by_health(**conditions: Any) -> Q:
    """Return what holds for the rows whose health meets ``conditions``; it is looked through once, not row by row."""
    return Q(pk__in=PluginHealth.objects.filter(**conditions).values("instance"))


_TESTED = _find_by_health(tested_revision__isnull=False) & Q(
    Exists(PluginHealth.objects.filter(instance=OuterRef("pk"), tested_revision=OuterRef("config_revision")))
)
_FAILED = _find_by_health(last_test_error__gt="")


class OptionFilter(admin.SimpleListFilter):
    """A filter with a title and a condition for each value; an unknown value keeps all rows."""

    options: ClassVar[dict[str | None, tuple[Any, Q]]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Offer the titles."""
        return [(value, title) for value, (title, _condition) in self.options.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PluginInstance]) -> QuerySet[PluginInstance]:
        """Keep what meets the chosen condition."""
        return queryset.filter(self.options[value][1]) if (value := self.value()) in self.options else queryset


class StateFilter(OptionFilter):
    """Whether selection can use the row now: by what the database knows, and among few rows by their configurations."""

    title = _("state")
    parameter_name = "state"
    options: ClassVar = {
        "usable": (_("Usable"), ~_OFF),
        "attention": (_("Needs attention"), ~_OFF),
        "off": (_("Off"), _OFF),
    }

    def queryset(self, request: HttpRequest, queryset: QuerySet[PluginInstance]) -> QuerySet[PluginInstance]:
        """Keep the rows in the chosen state."""
        if self.value() not in {"usable", "attention"}:
            return super().queryset(request, queryset)
        rows, is_exact = narrow_by_use(request, queryset, usable=self.value() == "usable")
        if not is_exact:
            text = gettext("More than %(count)d instances: their configurations were not read to find these.")
            messages.info(request, text % {"count": MOST_LOOKED_AT})
        return rows


def narrow_by_use(
    request: HttpRequest, rows: QuerySet[PluginInstance], *, usable: bool
) -> tuple[QuerySet[PluginInstance], bool]:
    """Keep the rows that are on and can be used, or cannot; say whether their configurations were read to find them."""
    rows = rows.filter(~_OFF)
    if rows.order_by()[: MOST_LOOKED_AT + 1].count() > MOST_LOOKED_AT:
        troubled = _find_troubled(list_items(request))
        return rows.exclude(troubled) if usable else rows.filter(troubled), False
    read = rows.order_by().prefetch_related(None).select_related("item__plugin_type", "health")
    return rows.filter(pk__in=[row.pk for row in read if (row.reason_unusable() is None) == usable]), True


def _find_troubled(items: list[PluginItem]) -> Q:
    """Return what makes a row unusable that an index knows: a cooldown, refused credentials, an item without code."""
    health = PluginHealth.objects.filter(item__in=[item.pk for item in items], refused_revision=None).values("instance")
    refused = PluginHealth.objects.filter(refused_revision__isnull=False).values("instance")
    refused = refused.filter(refused_revision=F("instance__config_revision"))
    troubled = Q(pk__in=health.filter(unavailable_until__gt=Now()).union(refused))
    gone = [item for item in items if not item.is_registered]
    return troubled | Q(item__in=gone) if gone else troubled


class ScopeFilter(OptionFilter):
    """Whether the row is everybody's. One scope is found by a search, however many there are."""

    title = _("scope")
    parameter_name = "whose"
    options: ClassVar = {"everybody": (_("Everybody's"), Q(scope="")), "own": (_("Of a scope"), Q(scope__gt=""))}


class LastTestFilter(OptionFilter):
    """What came of the last test of what is stored."""

    title = _("last test")
    parameter_name = "test"
    options: ClassVar = {
        "passed": (_("Passed"), _TESTED & ~_FAILED),
        "failed": (_("Failed"), _TESTED & _FAILED),
        "none": (_("Not tested"), ~_TESTED),
    }


class BoundedPaginator(BasePaginator):
    """Leads to the first rows only, so that it need not count all that match a filter."""

    @cached_property
    def count(self) -> int:
        """Count the rows it leads to."""
        rows = cast("QuerySet[PluginInstance]", self.object_list)
        known: int | None = getattr(rows, "known_count", None)
        return rows.order_by()[:MOST_LISTED].count() if known is None else known


class InstanceChangeList(VisibleRows):
    """Finds few rows among many fast; gives each that is shown its place in the chain of its name."""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        """Search and filter without sorting first: who sorts by an index looks up row by row what nearly none has."""
        rows = super().get_queryset(request, *args, **kwargs)
        found = list(rows.order_by().values_list("pk", flat=True)[: MOST_LOOKED_AT + 1])
        if len(found) > MOST_LOOKED_AT:
            return rows
        rows = rows.filter(pk__in=found)
        rows.known_count = min(len(found), MOST_LISTED)  # type: ignore[attr-defined] # for the paginator
        return rows

    def get_results(self, request: HttpRequest) -> None:
        """Read the rows of the page, and their places."""
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count  # "Show all" would show the same
        if self.result_count == MOST_LISTED:
            text = gettext("The first %(count)d are listed. Search, or filter, to find others.")
            messages.info(request, text % {"count": MOST_LISTED})
        chains = find_chains(map(get_key, self.result_list))
        for row in self.result_list:
            chain = chains[get_key(row)]
            row.place = (chain.index(row) + 1, len(chain))


def search_instances(rows: QuerySet[PluginInstance], words: str) -> QuerySet[PluginInstance]:
    """Keep the rows that have every word, themselves or in the name of their item or type."""
    for word in words.split():
        items = PluginItem.objects.filter(Q(name__icontains=word) | Q(plugin_type__name__icontains=word))
        own = Q(name__icontains=word) | Q(scope__icontains=word) | Q(description__icontains=word)
        rows = rows.filter(own | Q(item__in=items.values("pk")))
    return rows


class InstanceList(PluginAdmin):
    """The columns, filters and actions of the list."""

    list_display = ("instance", "state", "position", "status", "priority")
    actions = (test_selected, *STATUS_AND_PRIORITY, duplicate_with_secrets)
    list_editable = ("status", "priority")
    list_filter = (
        *(StateFilter, LastTestFilter, ScopeFilter, "status"),
        *((field, CodeFilter) for field in ("item__plugin_type", "item")),
    )
    paginator = BoundedPaginator
    show_full_result_count = False  # as the paginator does not count them all
    search_fields = ("name", "scope", "description")
    ordering = ("name", "item_id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PluginInstance]:
        """Load items and health along, in queries of their own: a join would have the database sort all rows."""
        items = Prefetch("item", PluginItem.objects.select_related("plugin_type"))
        rows: QuerySet[PluginInstance] = super().get_queryset(request).prefetch_related(items, "health")
        return rows

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """Keep the rows that have every word; of very many, those whose names begin with it: an index finds these."""
        text = search_term.strip()
        if text and queryset.order_by()[: MOST_LISTED + 1].count() > MOST_LISTED:
            beginning = queryset.filter(name__startswith=text)
            if connections[queryset.db].vendor == "sqlite":  # its LIKE uses no index
                beginning = beginning.filter(name__gte=text, name__lt=f"{text}\U0010ffff")
            if beginning.exists():
                hint = gettext("These names begin with “%(text)s”. Filter first to find it elsewhere, too.")
                messages.info(request, hint % {"text": text})
                return beginning, False
        return search_instances(queryset, search_term), False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the class of the list."""
        return InstanceChangeList

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Say before a deletion who serves the names then."""
        rows = list(objs)[:MOST_NAMED]  # what is to be deleted is read anyway
        for text in [] if request.POST.get("post") else describe_loss(rows):
            messages.warning(request, text)
        return super().get_deleted_objects(objs, request)

    def lookup_allowed(self, lookup: str, value: str, *request: Any) -> bool:
        """Refuse to filter by what is stored in a configuration: it may be a secret that is not encrypted yet."""
        return lookup.partition("__")[0] != "config" and super().lookup_allowed(lookup, value, *request)

    @admin.display(description=_("name"), ordering="name")
    def instance(self, row: PluginInstance) -> SafeString:
        """Return the name with the type and the item: in one column, as the list has many."""
        item, of_scope = row.item, f" · {row.scope}" if row.scope else ""
        text = '<span title="{}">{}{}</span><span class="dps-quiet dps-module">{} &rsaquo; {}</span>'
        return format_html(text, row, row.name, of_scope, item.plugin_type.name, item.name)

    @admin.display(description=_("state"))
    def state(self, row: PluginInstance) -> SafeString:
        """Return whether the row can be used, why not, and what is known of how it fared."""
        return describe_state(row, row.reason_unusable()).show()

    @admin.display(description=_("order"))
    def position(self, row: Any) -> SafeString:
        """Return the row's place in the chain of its name, with the status of the item if that is what counts."""
        tier = "" if row.effective_tier == row.status else PluginStatus(row.effective_tier).label
        return format_html('{} <span class="dps-quiet">{}</span>', show_place(*row.place), tier)
