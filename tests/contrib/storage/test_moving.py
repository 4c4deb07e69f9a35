"""Files move from one instance to another: what is copied, what is told, what is deleted, and what goes on later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages

from django_plugin_system.contrib.storage import PluginStorage, make_prefix
from django_plugin_system.management.files import Move
from tests.apps.papers.models import Paper

if TYPE_CHECKING:
    from pathlib import Path

    from django_plugin_system.models import PluginInstance
    from tests.contrib.storage.conftest import AddFolder


def test_equal_storages() -> None:
    """Storages that were made alike are equal, so a model's own one is found by the alias of the settings."""
    one = PluginStorage("papers", default="old")
    assert one == PluginStorage("papers", default="old")
    assert len({one, PluginStorage("papers", default="old"), PluginStorage("papers")}) == 2
    assert one != storages["default"]


class Places:
    """Two folders, and papers in the first of them."""

    def __init__(self, add: AddFolder, storage: PluginStorage, folder: Path) -> None:
        """Store three files."""
        self.storage, self.folder = storage, folder
        self.eu, self.us = add("eu"), add("us", priority=90)
        for number in range(3):
            Paper().file.save(f"{number}.txt", ContentFile(f"text {number}"))

    def move(self, source: PluginInstance | None, target: PluginInstance, **options: Any) -> Move:
        """Move, and return what came of it."""
        move = Move(self.storage, source.pk if source else None, target.pk, **options)
        expected = move.count()
        assert len(list(move.run())) == expected
        return move

    def list_files(self, name: str) -> list[str]:
        """Return the paths of the files in a folder."""
        root = self.folder / name
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    def read(self) -> list[str]:
        """Return what the rows' files hold."""
        texts = []
        for paper in Paper.objects.order_by("pk"):
            with paper.file as file:
                texts.append(file.read().decode())
        return texts


@pytest.fixture
def places(add: AddFolder, storage: PluginStorage, declared_storage: Path) -> Places:
    """Return two folders with papers in the first."""
    return Places(add, storage, declared_storage)


ALL = ["received/0.txt", "received/1.txt", "received/2.txt"]
TEXTS = ["text 0", "text 1", "text 2"]


def test_files_are_copied_and_rows_are_told(places: Places) -> None:
    """Every row names its file in the new place; the old ones stay, unless they shall be deleted."""
    move = places.move(places.eu, places.us)
    assert (move.moved, move.problems) == (3, [])
    assert {str(paper.file)[:24] for paper in Paper.objects.all()} == {make_prefix(places.us.pk)}
    assert places.read() == TEXTS
    assert places.list_files("eu") == places.list_files("us") == ALL


def test_files_are_deleted_when_nobody_names_them(places: Places) -> None:
    """A file that two rows name is deleted with the last of them."""
    first = Paper.objects.earliest("pk")
    Paper.objects.create(file=first.file.name, scan=first.file.name)
    move = places.move(places.eu, places.us, delete=True)
    assert (move.moved, move.problems) == (5, [])
    assert places.list_files("eu") == []
    assert places.list_files("us") == ALL
    assert places.read() == [*TEXTS, "text 0"]


def test_again(places: Places) -> None:
    """What is moved already is left alone."""
    places.move(places.eu, places.us)
    assert places.move(places.eu, places.us).moved == 0


def test_what_was_interrupted_goes_on(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that is there already is used, one that was cut off is not; nothing is lost meanwhile."""

    def save(self: FileSystemStorage, name: str, content: Any) -> str:
        if name.endswith("1.txt"):
            raise KeyboardInterrupt
        return str(real(self, name, content))

    real = FileSystemStorage._save  # type: ignore[attr-defined]  # noqa: SLF001 - what every save ends in
    with monkeypatch.context() as patch:
        patch.setattr(FileSystemStorage, "_save", save)
        with pytest.raises(KeyboardInterrupt):
            places.move(places.eu, places.us, delete=True)
    assert places.list_files("eu") == ["received/1.txt", "received/2.txt"]
    assert places.read() == TEXTS
    (places.folder / "us/received/1.txt").write_text("text 1")
    (places.folder / "us/received/2.txt").write_text("te")
    assert places.move(places.eu, places.us, delete=True).problems == []
    assert places.read() == TEXTS
    assert places.list_files("eu") == []
    assert len(places.list_files("us")) == 4


def test_a_copy_that_differs(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose copy is not what was copied stays where it is, and does not stop the others."""

    def save(self: FileSystemStorage, name: str, content: Any) -> str:
        text = b"damaged" if name.endswith("1.txt") else content.read()
        return str(real(self, name, ContentFile(text)))

    real = FileSystemStorage._save  # type: ignore[attr-defined]  # noqa: SLF001 - what every save ends in
    monkeypatch.setattr(FileSystemStorage, "_save", save)
    move = places.move(places.eu, places.us, delete=True)
    assert move.moved == 2
    assert ["1.txt: OSError: the copy" in problem for problem in move.problems] == [True]
    assert places.read() == TEXTS
    assert places.list_files("eu") == ["received/1.txt"]


def test_a_file_that_is_gone(places: Places) -> None:
    """A row whose file is missing is named; the others are moved."""
    (places.folder / "eu/received/1.txt").unlink()
    move = places.move(places.eu, places.us)
    assert move.moved == 2
    assert ["1.txt: FileNotFoundError" in problem for problem in move.problems] == [True]


def test_a_row_that_changes_meanwhile(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody wrote while the file was copied is not written over."""
    first = Paper.objects.earliest("pk")

    def save(self: FileSystemStorage, name: str, content: Any) -> str:
        Paper.objects.filter(pk=first.pk).update(file="another.txt")
        return str(real(self, name, content))

    real = FileSystemStorage._save  # type: ignore[attr-defined]  # noqa: SLF001 - what every save ends in
    monkeypatch.setattr(FileSystemStorage, "_save", save)
    assert places.move(places.eu, places.us).moved == 2
    first.refresh_from_db()
    assert first.file.name == "another.txt"


def test_old_names(places: Places) -> None:
    """Files from before, which name no instance, move in; those of other storages stay."""
    old = storages["default"].save("old.txt", ContentFile("old"))
    Paper.objects.create(file=old, thumbnail=old)
    move = places.move(None, places.us)
    assert (move.moved, move.problems) == (1, [])
    paper = Paper.objects.latest("pk")
    assert (paper.file.name, paper.thumbnail.name) == (f"{make_prefix(places.us.pk)}old.txt", "old.txt")
    assert places.read()[-1] == "old"


def test_a_column_that_is_full(places: Places) -> None:
    """A copy under another name is one that fits into the column."""
    (places.folder / "us/received").mkdir()
    path = f"received/{'x' * 60}.txt"
    places.storage.save(path, ContentFile("long"))
    Paper.objects.create(file=make_prefix(places.eu.pk) + path)
    (places.folder / "us" / path).write_text("taken")
    assert places.move(places.eu, places.us).problems == []
    assert max(len(str(paper.file)) for paper in Paper.objects.all()) <= 100
