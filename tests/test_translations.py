"""The catalogues of translations are complete, well formed and compiled."""

from __future__ import annotations

import ast
import re
from gettext import GNUTranslations
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import messages
from tests.support.messages import PACKAGE, compile_catalog, extract_catalog, find_catalogs, find_gaps, read_catalog

if TYPE_CHECKING:
    from pathlib import Path

each = pytest.mark.parametrize("path", find_catalogs(), ids=lambda path: path.parents[1].name)
PLACEHOLDER = re.compile(r"%\(\w+\)\w|\{\w+\}")
REMEDY = "run `make messages`, translate what it lists, and run it again"


def as_tuple(text: Any) -> tuple[str, ...]:
    """Return a text with its plurals."""
    return (text,) if isinstance(text, str) else tuple(text)


def test_german_is_there() -> None:
    """The package speaks German."""
    assert "de" in [path.parents[1].name for path in find_catalogs()]


@each
def test_catalog_is_complete(path: Path) -> None:
    """Every text of the package is translated, and nothing else is."""
    catalog = read_catalog(path)
    assert not find_gaps(catalog), REMEDY
    assert {message.id for message in catalog} == {message.id for message in extract_catalog()}, REMEDY


@each
def test_placeholders_are_kept(path: Path) -> None:
    """A translation fills in what the text fills in."""
    for message in read_catalog(path):
        for given in as_tuple(message.string) if message.id else ():
            assert sorted(PLACEHOLDER.findall(given)) == sorted(PLACEHOLDER.findall(as_tuple(message.id)[-1])), given


@each
def test_compiled_file_is_current(path: Path, tmp_path: Path) -> None:
    """What Django reads is what translators wrote."""
    fresh = tmp_path / "django.mo"
    fresh.write_bytes(compile_catalog(read_catalog(path)))
    with path.with_suffix(".mo").open("rb") as compiled, fresh.open("rb") as wanted:
        texts = [GNUTranslations(file)._catalog for file in (compiled, wanted)]  # type: ignore[attr-defined]  # noqa: SLF001 - no public way
    for read in texts:
        del read[""]  # names the version of Babel that wrote it
    assert texts[0] == texts[1], REMEDY


def test_texts_stand_where_they_are_found() -> None:
    """No text is marked inside an f-string, where it would not be collected."""
    names = {"_", "gettext", "ngettext"}
    hidden = [
        f"{path.name}:{call.lineno}"
        for path in PACKAGE.rglob("*.py")
        for text in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(text, ast.JoinedStr)
        for call in ast.walk(text)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in names
    ]
    assert not hidden


def test_update_keeps_what_is_translated(tmp_path: Path, monkeypatch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Updating a catalogue keeps its translations, adds what is new, drops what is gone, and names what is missing."""
    path = tmp_path / "de" / "LC_MESSAGES" / "django.po"
    path.parent.mkdir(parents=True)
    header = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n'
    path.write_text(f'{header}\nmsgid "Order"\nmsgstr "Die Ordnung"\n\nmsgid "old"\nmsgstr "alt"\n')
    monkeypatch.setattr(messages, "LOCALE", tmp_path)
    assert messages.main() == 1
    assert "  Usable\n" in capsys.readouterr().out
    catalog = read_catalog(path)
    assert catalog["Order"].string == "Die Ordnung"
    assert "Usable" in catalog
    assert "old" not in catalog
    assert path.with_suffix(".mo").exists()
