"""Buckets in two regions, on a server that speaks S3."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from django_plugin_system.contrib.storage import make_prefix
from django_plugin_system.exceptions import InvalidConfig
from tests.contrib.storage.test_storage import read

if TYPE_CHECKING:
    from django_plugin_system.models import PluginInstance

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:bot")


def test_two_regions(buckets: list[PluginInstance]) -> None:
    """New files go to the region that is chosen now; those of the other one stay where they are."""
    storage = storages["papers"]
    europe, america = buckets
    first = storage.save("a.txt", ContentFile(b"first"))
    europe.status = "disable"
    europe.save()
    second = storage.save("a.txt", ContentFile(b"second"))
    assert [first, second] == [f"{make_prefix(row.pk)}a.txt" for row in (europe, america)]
    assert [read(storage, name) for name in (first, second)] == [b"first", b"second"]
    assert [storage.size(name) for name in (first, second)] == [5, 6]
    with urlopen(storage.url(first)) as answer:  # noqa: S310 - of the server of this test
        assert answer.read() == b"first"
    storage.delete(first)
    assert not storage.exists(first)
    assert storage.exists(second)


def test_nothing_is_overwritten(buckets: list[PluginInstance]) -> None:
    """A second file of the same name gets another one, unlike the default of django-storages."""
    del buckets
    storage = storages["papers"]
    names = {storage.save("same.txt", ContentFile(b"x")) for _ in range(2)}
    assert len(names) == 2


def test_out_of_the_folder(buckets: list[PluginInstance]) -> None:
    """A path does not lead out of the folder that an instance has in its bucket."""
    europe = buckets[0]
    europe.set_config({**europe.config, "location": "tenant"})
    europe.save()
    storage = storages["papers"]
    name = storage.save("a.txt", ContentFile(b"x"))
    assert storage.listdir(make_prefix(europe.pk)) == ([], ["a.txt"])
    with pytest.raises(SuspiciousFileOperation):
        storage.open(f"{make_prefix(europe.pk)}../a.txt")
    storage.delete(name)


def test_check(buckets: list[PluginInstance]) -> None:
    """``check()`` asks for the bucket; the client is one for all plugins of a configuration."""
    europe = buckets[0]
    europe.load_plugin().check()
    assert europe.load_plugin().storage is europe.load_plugin().storage
    europe.set_config({**europe.config, "bucket_name": "nobodys"})
    with pytest.raises(ClientError, match="404"):
        europe.load_plugin().check()


def test_another_endpoint(buckets: list[PluginInstance]) -> None:
    """A secret key is not sent to another endpoint than the one it was entered for."""
    with pytest.raises(InvalidConfig, match="endpoint_url"):
        buckets[0].set_config({**buckets[0].config, "endpoint_url": "http://127.0.0.1:9"})
