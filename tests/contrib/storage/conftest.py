"""The type ``storage`` and its items, declared for each test, folders, and a server that speaks S3."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol

import boto3
import pytest
from django.core.files.storage import storages
from moto.server import ThreadedMotoServer

from django_plugin_system.contrib.storage import AbstractStorage, PluginStorage
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.register import plugin_item, plugin_type
from django_plugin_system.sync import sync_registered_plugins_to_db

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_django import Settings

HOME = "django_plugin_system.contrib.storage"
SECRET = "hush-planted-Secret"
REGIONS = ("eu-central-1", "us-west-2")


class AddFolder(Protocol):
    """Adds an instance that keeps files in a folder."""

    def __call__(self, folder: str, storage: str = "papers", /, **values: object) -> PluginInstance:
        """Make the folder, and the instance ``papers--folder``."""


@pytest.fixture
def declared_storage(db: None, settings: Settings, tmp_path: Path) -> Path:
    """Declare the type and its items; return the folder below which files may be kept."""
    del db
    plugins = import_module(HOME + ".plugins")  # here: what it registers must end with the test
    plugin_type(name="storage", manager=HOME)(AbstractStorage)
    plugin_item(AbstractStorage, name="filesystem", module=HOME, priority=10)(plugins.FilesystemFiles)
    plugin_item(AbstractStorage, name="s3", module=HOME, priority=10)(plugins.S3Files)
    sync_registered_plugins_to_db()
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.PLUGIN_SYSTEM = {**settings.PLUGIN_SYSTEM, "STORAGE_DIRECTORIES": [tmp_path / "files"]}
    return tmp_path / "files"


@pytest.fixture
def add(declared_storage: Path) -> AddFolder:
    """Return a function that adds an instance."""

    def add_folder(folder: str, storage: str = "papers", /, **values: object) -> PluginInstance:
        (declared_storage / folder).mkdir(parents=True)
        config = {"location": str(declared_storage / folder), "base_url": f"/{folder}/"}
        item = PluginItem.objects.get(name="filesystem")
        return PluginInstance.objects.create(item=item, name=f"{storage}--{folder}", config=config, **values)

    return add_folder


@pytest.fixture
def storage(add: AddFolder) -> PluginStorage:
    """Return the storage of the settings, one object for the whole process."""
    del add
    found = storages["papers"]
    assert isinstance(found, PluginStorage)
    return found


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """Serve S3, with a bucket in each of two regions; return its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    for region in REGIONS:
        client = boto3.client("s3", region, endpoint_url=address, aws_access_key_id="x", aws_secret_access_key=SECRET)
        client.create_bucket(Bucket=f"papers-{region}", CreateBucketConfiguration={"LocationConstraint": region})
        client.close()
    yield address
    server.stop()


@pytest.fixture
def buckets(s3: str, declared_storage: Path) -> list[PluginInstance]:
    """Return an instance for the bucket of each region."""
    del declared_storage
    item = PluginItem.objects.get(name="s3")
    keys = {"access_key": "x", "secret_key": SECRET, "endpoint_url": s3}
    return [
        PluginInstance.objects.create(
            item=item,
            name=f"papers--{region}",
            priority=number,
            config={"bucket_name": f"papers-{region}", "region_name": region, **keys},
        )
        for number, region in enumerate(REGIONS)
    ]
