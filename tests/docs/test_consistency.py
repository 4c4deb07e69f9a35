"""Links lead somewhere, pictures are there, and what the reference pages list is what the code has."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from pkgutil import iter_modules

import pytest
from django.core.management import load_command_class
from django.core.management.base import CommandParser

import django_plugin_system
from django_plugin_system import checks, diagnosis, exceptions
from django_plugin_system.conf import PluginSystemSettings
from django_plugin_system.management import commands
from tests.docs.pages import ALL_PAGES, DOCS, ROOT, SITE_PAGES
from tests.docs.story import list_commands
from tests.support.cases import each, tried_on
from tests.support.markdown import code_blocks

LINK = re.compile(r"(?:\]\(|src=\")([^)\s\"]+)")
BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)

every_page = tried_on(each("page", ALL_PAGES, attrgetter("name")))


def read(page: Path) -> str:
    """Return the text of a page without its blocks of code."""
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


def find_anchors(page: Path) -> set[str]:
    """Return the anchors that forges, and MyST, give to the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", read(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def is_dead(page: Path, link: str) -> bool:
    """Say whether a link into the repository leads nowhere."""
    address, _, anchor = link.partition("#")
    target = (page.parent / address).resolve() if address else page
    return not target.exists() or (bool(anchor) and anchor not in find_anchors(target))


@every_page
def test_every_link_and_picture_is_there(page: Path) -> None:
    """A link into the repository names a file, and a heading in it, that exist."""
    links = [link for link in LINK.findall(read(page)) if not link.startswith(("http:", "https:"))]
    assert [link for link in links if is_dead(page, link)] == []


@every_page
def test_no_block_is_hidden_from_the_tests(page: Path) -> None:
    """Blocks start at the margin, where the tests find them, and say their language."""
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"^[ \t]+```.*$", text, re.MULTILINE) == []
    assert [block.line for block in code_blocks(page) if not block.language] == []


@every_page
def test_the_text_is_plain(page: Path) -> None:
    """No line is longer than a reader's window, tables aside, and none is decorated."""
    lines = read(page).splitlines()
    assert [line for line in lines if len(line) > 120 and not line.startswith(("|", "![", "[<img"))] == []
    assert not re.search("[\u2013\u2014\U0001f300-\U0001faff]", "\n".join(lines))


def test_the_start_page_links_to_every_page() -> None:
    """Each page of the documentation can be found from its index."""
    links = set(LINK.findall(read(DOCS / "index.md")))
    assert {str(page.relative_to(DOCS)) for page in SITE_PAGES} - links == {"index.md"}


@tried_on(each("page", [page for page in SITE_PAGES if page.name != "index.md"], attrgetter("name")))
def test_a_page_says_first_whom_it_is_for(page: Path) -> None:
    """A reader knows from the first words whether to go on."""
    assert re.match(r"# .+\n\n\*For [^*]+\.\*\s", page.read_text(encoding="utf-8"))


def test_every_public_name_is_listed() -> None:
    """The page on names has each name that the package offers at its front door."""
    text = read(DOCS / "names.md")
    assert [name for name in django_plugin_system.__all__ if f"`{name}" not in text] == []


def test_every_error_is_listed() -> None:
    """The page on errors has each exception of the tree."""
    classes = inspect.getmembers(exceptions, inspect.isclass)
    own = [name for name, cls in classes if issubclass(cls, exceptions.PluginSystemError) and name[0] != "_"]
    text = read(DOCS / "errors.md")
    assert len(own) > 20
    assert [name for name in own if f"`{name}`" not in text] == []


def test_every_check_is_listed() -> None:
    """The page on errors has each id that a system check, or the doctor, can give, and no other."""
    used = set(re.findall(r"\b[EWI]\d{3}\b", inspect.getsource(checks) + inspect.getsource(diagnosis)))
    assert set(re.findall(r"django_plugin_system\.([EWI]\d{3})", read(DOCS / "errors.md"))) == used


def test_every_setting_is_listed() -> None:
    """The page on settings has a heading for each key, and the defaults of the code."""
    names = [setting.name for setting in fields(PluginSystemSettings)]
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    assert [name for name in names if f"## {name}\n" not in text] == []
    namespace: dict[str, dict[str, object]] = {}
    exec(next(code_blocks(DOCS / "settings.md", "python")).text, namespace)  # noqa: S102 - runs the documentation
    shown = {
        key: tuple(value) if isinstance(value, list) else value for key, value in namespace["PLUGIN_SYSTEM"].items()
    }
    assert PluginSystemSettings(**shown) == PluginSystemSettings()  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [module.name for module in iter_modules(commands.__path__)])
def test_every_command_is_listed_with_its_options(name: str) -> None:
    """The page on commands has each command, and under it each option that is not Django's own."""
    parser = CommandParser()
    load_command_class("django_plugin_system", name).add_arguments(parser)
    _, found, section = read(DOCS / "commands.md").partition(f"## {name}\n")
    assert found
    options = {option for action in parser._actions for option in action.option_strings} - {"-h", "--help"}  # noqa: SLF001 - it has no other list
    assert {option for option in options if f"`{option}" not in section.partition("\n## ")[0]} == set()


def test_every_1_1_0_name_of_the_compatibility_page_exists() -> None:
    """Each name in the table of 1.1.0 names can be imported from where the table says."""
    rows = re.findall(r"^\| `(django_plugin_system\.\w+)` \| (.+) \|$", read(DOCS / "compatibility.md"), re.MULTILINE)
    assert len(rows) == 5
    for module, names in rows:
        for name in re.findall(r"`([A-Za-z_]\w*)(?:\([^`]*\))?`", names):
            found = import_module(module)
            holders = [found, *vars(found).values()]
            assert any(hasattr(holder, name) for holder in holders), f"{module}: {name}"


@pytest.mark.packaging
def test_the_documented_make_targets_exist() -> None:
    """Each target that a document names is in the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        word
        for page in ALL_PAGES
        for command in list_commands(page)
        if command.startswith("make")
        for word in command.partition("#")[0].split()[1:]
    } | set(re.findall(r"`make ([a-z-]+)`", "".join(map(read, ALL_PAGES))))
    assert {"demo", "test"} <= named
    assert named <= targets


def test_the_map_names_every_room() -> None:
    """The layout in CONTRIBUTING.md has each module and folder of the package, and no other."""
    package = Path(django_plugin_system.__file__).parent
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = text.partition("django_plugin_system/\n")[2].partition("\ndemo/")[0]
    named = set(re.findall(r"(?<=  )(\w+(?:\.py|/))", block)) - {"drift/", "email/", "storage/", "transfer/"}
    there = {path.name for path in package.glob("*.py")} | {
        f"{path.parent.name}/" for path in package.glob("*/__init__.py")
    }
    assert named == there - {"__init__.py"}


def test_the_walk_leads_through_what_is_there() -> None:
    """The files, functions and classes that the walk through the code names are in the package."""
    package = Path(django_plugin_system.__file__).parent
    walk = (DOCS / "walk.md").read_text(encoding="utf-8")
    files = re.findall(r"`([\w/]+\.py)`", walk)
    names = {name.rpartition(".")[2] for name in re.findall(r"`([A-Z]\w*[a-z]|[\w.]+(?=\(\)`))`?", walk)}
    source = "\n".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    assert [name for name in files if not (package / name).is_file()] == []
    assert [name for name in names if not re.search(rf"^ *(def|class) {name}\b", source, re.MULTILINE)] == []
