"""Where a value may stand other than in the form, by the settings: what the switch beside an input offers."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from django_plugin_system.conf import get_settings
from django_plugin_system.config.backends import ENV, FILE, Unavailable
from django_plugin_system.config.references import Reference, Resolver, is_listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MOST_NAMES = 100
"""Names of one kind that are offered; others that are allowed can be typed."""


def list_sources() -> list[dict[str, Any]]:
    """Return each kind of reference that the settings allow: its title, what is allowed, the names there are now.

    A name says whether it gives a value, never which; of a store, which would have to be asked, it says nothing.
    """
    settings, resolver = get_settings(), Resolver()
    listed = (name for name in settings.ENV_REFERENCES if not name.endswith("*"))
    variables = sorted({*listed, *(name for name in os.environ if is_listed(name))})
    files = (path for folder in settings.FILE_REFERENCES for path in sorted(Path(folder).glob("*")) if path.is_file())

    def works(kind: str, name: str) -> bool:
        return not isinstance(resolver.get(Reference(kind, name)), Unavailable)

    sources = [
        _describe(ENV, _("Environment variable"), settings.ENV_REFERENCES, variables, works),
        _describe(FILE, _("File"), settings.FILE_REFERENCES, map(str, files), works),
    ]
    for store, options in settings.REFERENCES.items():
        title, allowed = _("Store: %s") % store, options["ALLOW"]
        sources.append(_describe(f"${store}", title, allowed, [one for one in allowed if "*" not in one]))
    return [source for source in sources if source["allowed"]]


def _describe(
    kind: str,
    title: str,
    allowed: Sequence[str],
    names: Iterable[str],
    works: Callable[[str, str], bool | None] = lambda _kind, _name: None,
) -> dict[str, Any]:
    offered = [{"name": name, "works": works(kind, name)} for name in islice(names, MOST_NAMES)]
    return {"kind": kind, "title": title, "allowed": ", ".join(allowed), "names": offered}
