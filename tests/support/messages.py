"""The catalogues of translations: ``python -m tests.support.messages`` brings them up to date (``make messages``).

Django's own ``makemessages`` and ``compilemessages`` need GNU gettext; this needs Babel alone.
"""

from __future__ import annotations

import re
import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from babel.messages import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

import django_plugin_system

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(django_plugin_system.__file__).parent
LOCALE = PACKAGE / "locale"
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}

Message = tuple[str, int, str | tuple[str, ...], str | None]
"""File, line, text (with its plural), context."""


def find_messages() -> Iterator[Message]:
    """Yield every text of the package that is marked for translation, file by file."""
    for path in sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.html")]):
        name = path.relative_to(PACKAGE.parent).as_posix()
        source = path.read_text(encoding="utf-8")
        if path.suffix == ".html":  # Django turns a template into Python's calls, which are indented at random
            source = re.sub(r"^[ \t]+", "", templatize(source, origin=name), flags=re.MULTILINE)
        file = BytesIO(source.encode())
        for line, text, _comments, context in extract("python", file, keywords=KEYWORDS, options={"encoding": "utf-8"}):
            yield name, line, text, context


def extract_catalog() -> Catalog:
    """Return an empty catalogue of every text."""
    catalog = Catalog(project="django-plugin-system", charset="utf-8", fuzzy=False)
    for name, _line, text, context in find_messages():
        catalog.add(text, locations=[(name, 0)], context=context)  # line numbers would change with every edit
    return catalog


def read_catalog(path: Path) -> Catalog:
    """Return the catalogue in a ``.po`` file."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parents[1].name)


def compile_catalog(catalog: Catalog) -> bytes:
    """Return the content of the ``.mo`` file of ``catalog``; what is fuzzy is left out."""
    compiled = BytesIO()
    write_mo(compiled, catalog)
    return compiled.getvalue()


def find_catalogs() -> list[Path]:
    """Return the ``.po`` file of every language."""
    return sorted(LOCALE.glob("*/LC_MESSAGES/django.po"))


def find_gaps(catalog: Catalog) -> list[str]:
    """Return the texts that ``catalog`` leaves in English."""
    texts = [message for message in catalog if message.id]
    return [str(text.id) for text in texts if text.fuzzy or not all(text.string or [""])]


def update(path: Path) -> list[str]:
    """Bring a ``.po`` file and its ``.mo`` up to date with the package, and return what it leaves in English."""
    catalog = read_catalog(path)
    catalog.update(extract_catalog(), no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    with path.open("wb") as file:
        write_po(file, catalog, width=100, sort_by_file=True, include_lineno=False)
    path.with_suffix(".mo").write_bytes(compile_catalog(read_catalog(path)))
    return find_gaps(catalog)


def main() -> int:
    """Update every catalogue; print what has no translation yet, and return 1 if there is any."""
    gaps = {path: update(path) for path in find_catalogs()}
    for path, texts in gaps.items():
        sys.stdout.write(f"{path.parents[1].name}: {len(texts)} to translate\n")
        sys.stdout.writelines(f"  {text}\n" for text in texts)
    return int(any(gaps.values()))


if __name__ == "__main__":  # pragma: no cover - as main
    sys.exit(main())
