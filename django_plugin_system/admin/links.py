"""Links between our pages: within one admin site, and only to what the user may open there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.urls import reverse
from django.utils.html import format_html

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite
    from django.db.models import Model
    from django.http import HttpRequest
    from django.utils.safestring import SafeString


@dataclass(frozen=True)
class Links:
    """Links for the user of ``request`` in the admin ``site``."""

    site: AdminSite
    request: HttpRequest

    def may(self, action: str, model: type[Model]) -> bool:
        """Say whether the site has pages of ``model``, and the user may ``action``: ``view`` or ``add``."""
        found = self.site._registry.get(model)  # noqa: SLF001 - get_model_admin came with Django 5.0
        return found is not None and bool(getattr(found, f"has_{action}_permission")(self.request))

    def show(self, row: Model, text: str = "", query: str = "") -> SafeString | str:
        """Return a link to the page of ``row`` under ``text`` or its name; the text alone if there is no such page."""
        if not self.may("view", type(row)):
            return text or str(row)
        meta = row._meta  # noqa: SLF001 - public in all but name
        name = f"admin:{meta.app_label}_{meta.model_name}_change"
        address = reverse(name, args=[row.pk], current_app=self.site.name)
        address = f"{address}?{query}" if query else address
        return format_html('<a href="{}" title="{}">{}</a>', address, row, text or row)
