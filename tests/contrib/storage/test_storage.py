"""Where new files go, how stored ones are found, and which names reach nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.db.migrations.writer import MigrationWriter

from django_plugin_system import get_plugin
from django_plugin_system.contrib.storage import AbstractStorage, PluginStorage, make_prefix
from django_plugin_system.exceptions import InvalidConfig, NoPluginAvailable, PluginInstanceNotFound, PluginUnavailable
from django_plugin_system.models import PluginStatus
from django_plugin_system.testing import override_plugin
from tests.apps.papers.models import Paper

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

    from django_plugin_system.models import PluginInstance
    from tests.contrib.storage.conftest import AddFolder


def read(storage: Storage, name: str) -> bytes:
    """Return what is in a file."""
    with storage.open(name) as file:
        return bytes(file.read())


def content(text: str = "text") -> ContentFile[str]:
    """Return something to store."""
    return ContentFile(text)


def disable(row: PluginInstance) -> None:
    """Switch an instance off."""
    row.status = PluginStatus.DISABLED
    row.save()


class TestNewFiles:
    """They go to the instance that is chosen now."""

    def test_the_name_says_which(self, add: AddFolder, storage: PluginStorage, declared_storage: Path) -> None:
        """A stored name begins with the instance; the file is below its folder."""
        row = add("eu")
        name = storage.save("a/b.txt", content())
        assert name == f"{make_prefix(row.pk)}a/b.txt"
        assert (declared_storage / "eu/a/b.txt").read_text() == "text"

    def test_a_change_counts_at_once(self, add: AddFolder, storage: PluginStorage, declared_storage: Path) -> None:
        """The storage object, which Django keeps, asks at each call; what was stored is found where it is."""
        old = add("eu", priority=1)
        first = storage.save("a.txt", content("first"))
        add("us", priority=0)
        second = storage.save("a.txt", content("second"))
        disable(old)
        assert (declared_storage / "us/a.txt").read_text() == "second"
        assert [read(storage, name) for name in (first, second)] == [b"first", b"second"]

    def test_another_one_is_not_tried(self, add: AddFolder, storage: PluginStorage, declared_storage: Path) -> None:
        """A write that fails is the caller's to repeat."""
        add("eu", priority=0)
        add("us", priority=1)
        (declared_storage / "eu").rmdir()
        (declared_storage / "eu").write_text("no folder")
        with pytest.raises(FileExistsError):
            storage.save("a.txt", content())
        assert list((declared_storage / "us").iterdir()) == []

    def test_an_instance_named_as_the_storage(self, add: AddFolder, storage: PluginStorage) -> None:
        """It is one of the storage's; one whose name only begins alike is not."""
        row, other = add("eu", priority=1), add("us", "papersother", priority=0)
        row.name = "papers"
        row.save()
        assert storage.save("a.txt", content()).startswith(make_prefix(row.pk))
        assert not PluginStorage("papersother").save("a.txt", content()).startswith(make_prefix(row.pk))
        del other

    def test_nothing_to_store_in(self, add: AddFolder, storage: PluginStorage) -> None:
        """Without an instance, storing says so."""
        add("eu", "others")
        with pytest.raises(NoPluginAvailable, match="named papers"):
            storage.save("a.txt", content())

    def test_a_name_that_is_taken(self, add: AddFolder, storage: PluginStorage) -> None:
        """The instance finds a free one, short enough for the column together with the prefix."""
        add("eu")
        names = {storage.save("a.txt", content(), max_length=40) for _ in range(2)}
        assert len(names) == 2
        assert all(len(name) <= 40 for name in names)
        assert storage.get_available_name("a.txt") == "a.txt"

    def test_a_name_of_the_content(self, add: AddFolder, storage: PluginStorage) -> None:
        """Without a name, that of the content counts; without either, nothing is stored."""
        row = add("eu")
        assert storage.save(None, ContentFile("x", "b.txt")) == f"{make_prefix(row.pk)}b.txt"
        with pytest.raises(SuspiciousFileOperation):
            storage.save(None, content())

    def test_a_stored_name_again(self, add: AddFolder, storage: PluginStorage) -> None:
        """What is stored under the name of a stored file goes to the instance that is chosen now."""
        old = add("eu", priority=1)
        name = storage.save("a.txt", content())
        new = add("us", priority=0)
        assert (name, storage.save(name, content())) == tuple(f"{make_prefix(row.pk)}a.txt" for row in (old, new))


def test_a_field_of_a_model(add: AddFolder, declared_storage: Path) -> None:
    """A row finds its file, whatever is chosen by now."""
    row = add("eu")
    paper = Paper()
    paper.file.save("invoice.txt", content())
    paper.scan.save("scan.txt", content())
    disable(row)
    found = Paper.objects.get()
    assert str(found) == f"{make_prefix(row.pk)}received/invoice.txt"
    with found.file as file:
        assert file.read() == b"text"
    assert found.file.url == "/eu/received/invoice.txt"
    assert found.file.path == str(declared_storage / "eu/received/invoice.txt")
    assert found.file.size == 4
    found.file.delete()
    assert not (declared_storage / "eu/received/invoice.txt").exists()
    assert (declared_storage / "eu/scan.txt").exists()


def test_what_else_django_asks(add: AddFolder, storage: PluginStorage) -> None:
    """Times, folders and existence are those of the file where it is."""
    row = add("eu")
    name = storage.save("a/b.txt", content())
    prefix = make_prefix(row.pk)
    times = {storage.get_modified_time(name), storage.get_created_time(name), storage.get_accessed_time(name)}
    assert max(times).year >= 2024
    assert storage.listdir(prefix) == (["a"], [])
    assert storage.listdir(f"{prefix}a") == ([], ["b.txt"])
    assert storage.exists(name)
    assert not storage.exists(f"{prefix}c.txt")


class TestOldNames:
    """Names from before tell no instance."""

    def test_they_are_found_in_the_default(self, storage: PluginStorage, settings: Settings) -> None:
        """They go to the storage that the settings name."""
        name = storages["default"].save("old.txt", content("old"))
        assert read(storage, name) == b"old"
        assert (settings.MEDIA_ROOT / "old.txt").exists()
        storage.delete(name)
        assert not storage.exists(name)

    def test_without_a_default(self, add: AddFolder) -> None:
        """Then there are no such files."""
        add("eu")
        storage = PluginStorage("papers")
        assert not storage.exists("old.txt")
        for call in (storage.open, storage.size, storage.url, storage.delete):
            with pytest.raises(FileNotFoundError, match="no default was configured"):
                call("old.txt")


class TestNamesThatReachNothing:
    """A name is what users may choose, at worst."""

    @pytest.mark.parametrize("path", ["../up.txt", "a/../../up.txt", "..\\up.txt", "/etc/passwd", "", "."])
    def test_out_of_the_folder(self, add: AddFolder, storage: PluginStorage, path: str) -> None:
        """No path leads out of the instance, however it is stored or asked for."""
        row = add("eu")
        with pytest.raises(SuspiciousFileOperation):
            storage.save(path, content())
        for call in (storage.open, storage.exists, storage.delete, storage.size, storage.url, storage.path):
            with pytest.raises(SuspiciousFileOperation):
                call(make_prefix(row.pk) + path)
        with pytest.raises(SuspiciousFileOperation):
            storage.listdir(f"{make_prefix(row.pk)}../")

    def test_an_instance_of_another_name(self, add: AddFolder, storage: PluginStorage) -> None:
        """Files of another storage cannot be reached by a name that tells their instance."""
        add("eu")
        other = add("secret", "secrets")
        name = PluginStorage("secrets").save("a.txt", content())
        assert name.startswith(make_prefix(other.pk))
        for call in (storage.open, storage.exists, storage.delete, storage.url):
            with pytest.raises(SuspiciousFileOperation, match="is not held by an instance"):
                call(name)

    def test_an_instance_of_another_scope(self, add: AddFolder, storage: PluginStorage) -> None:
        """Files of one tenant are nobody else's, and everybody's serve a tenant that has no instance."""
        shared, acme = add("eu"), add("us", scope="acme")
        of_acme, of_other = (PluginStorage("papers", scope=scope) for scope in ("acme", "other"))
        name = of_acme.save("a.txt", content())
        assert name.startswith(make_prefix(acme.pk))
        for one in (storage, of_other):
            with pytest.raises(SuspiciousFileOperation):
                one.open(name)
            assert one.save("b.txt", content()).startswith(make_prefix(shared.pk))
        assert read(of_acme, storage.save("c.txt", content("everybody's"))) == b"everybody's"

    def test_an_instance_that_is_gone(self, add: AddFolder, storage: PluginStorage) -> None:
        """The files of an instance that was deleted are nobody's."""
        row = add("eu")
        name = storage.save("a.txt", content())
        row.delete()
        with pytest.raises(PluginInstanceNotFound):
            storage.open(name)

    def test_one_instance_has_one_prefix(self, add: AddFolder, storage: PluginStorage) -> None:
        """No second spelling of an id leads to the same file."""
        row = add("eu")
        name = storage.save("a.txt", content())
        last = make_prefix(row.pk)[-2]
        twin = name.replace(f"{last}/", f"{chr(ord(last) + 1)}/", 1)
        with pytest.raises(SuspiciousFileOperation, match="No instance has files"):
            storage.open(twin)

    def test_an_id_of_nobody(self, storage: PluginStorage) -> None:
        """The prefix that fakes of tests get is no instance's."""
        with pytest.raises(PluginInstanceNotFound):
            storage.open("~AAAAAAAAAAAAAAAAAAAAAA/a.txt")


class TestFolders:
    """Which folders an instance may keep files in."""

    def test_only_those_that_the_settings_allow(self, add: AddFolder, tmp_path: Path) -> None:
        """Below MEDIA_ROOT and what is listed; a link or ``..`` does not lead out."""
        row = add("eu")
        row.set_config({"location": str(tmp_path / "media/papers")})
        (tmp_path / "files/link").symlink_to(tmp_path)
        for location in (tmp_path, tmp_path / "files/../elsewhere", tmp_path / "files/link/elsewhere", "/"):
            with pytest.raises(InvalidConfig, match="STORAGE_DIRECTORIES"):
                row.set_config({"location": str(location)})

    def test_check(self, add: AddFolder, declared_storage: Path) -> None:
        """``check()`` says whether files can be written."""
        row = add("eu")
        row.load_plugin().check()
        (declared_storage / "eu").rmdir()
        with pytest.raises(PluginUnavailable):
            row.load_plugin().check()


def test_a_fake_of_the_testing_kit(storage: PluginStorage, tmp_path: Path) -> None:
    """A test may put a storage of its own in the place of all."""

    class Fake(AbstractStorage):
        @property
        def storage(self) -> Storage:
            return FileSystemStorage(tmp_path / "fake")

    with override_plugin(AbstractStorage, Fake):
        name = storage.save("a.txt", content())
        assert read(storage, name) == b"text"
        assert get_plugin(AbstractStorage).storage.exists("a.txt")


def test_in_a_migration() -> None:
    """A storage that is given to a field as an object can be written into a migration."""
    text, _imports = MigrationWriter.serialize(PluginStorage("papers", default="default"))
    assert text == "django_plugin_system.contrib.storage.PluginStorage('papers', default='default')"
