"""The type ``storage``, and its items: a folder of this machine, and a bucket of S3."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from django.conf import settings
from django.core.files.storage import FileSystemStorage, Storage
from django.utils.module_loading import import_string
from pydantic import AfterValidator, BaseModel, Field, SecretStr

from django_plugin_system import BoundTo, ConfigurablePlugin, PluginUnavailable, plugin_item, plugin_type, shared_client
from django_plugin_system.conf import get_settings
from django_plugin_system.contrib.storage import AbstractStorage

HOME = "django_plugin_system.contrib.storage"

plugin_type(name="storage", manager=HOME, description="Keeps files.")(AbstractStorage)


def _check_folder(location: str) -> str:
    """Refuse a folder that is not below one that the settings allow, after every link was followed."""
    allowed = [*get_settings().STORAGE_DIRECTORIES, *filter(None, [settings.MEDIA_ROOT])]
    if not any(Path(location).resolve().is_relative_to(Path(folder).resolve()) for folder in allowed):
        raise ValueError("is not below MEDIA_ROOT or a folder that PLUGIN_SYSTEM['STORAGE_DIRECTORIES'] lists")
    return location


class FilesystemConfig(BaseModel):
    """A folder."""

    location: Annotated[str, AfterValidator(_check_folder)] = Field(title="Folder", description="An absolute path.")
    base_url: str | None = Field(None, title="Address", description="Where the files are served from, if they are.")


@plugin_item(AbstractStorage, name="filesystem", module=HOME, priority=10, description="A folder of this machine.")
class FilesystemFiles(ConfigurablePlugin[FilesystemConfig], AbstractStorage):
    """Keeps files in a folder."""

    @property
    def storage(self) -> Storage:
        """The folder."""
        return FileSystemStorage(self.config.location, self.config.base_url)

    def check(self) -> None:
        """Look whether files can be written."""
        folder = self.config.location
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise PluginUnavailable(f"{folder} is no folder that this process may write to.")


class S3Config(BaseModel):
    """A bucket, and who may use it; without keys, boto3 finds its own."""

    bucket_name: str = Field(title="Bucket", min_length=1)
    region_name: str | None = Field(None, title="Region")
    location: str = Field("", title="Folder", description="What the keys of all files begin with.")
    endpoint_url: str | None = Field(None, title="Endpoint", description="For stores that speak S3.")
    access_key: str | None = Field(None, title="Access key")
    secret_key: Annotated[SecretStr | None, BoundTo("endpoint_url")] = Field(None, title="Secret key")


@plugin_item(AbstractStorage, name="s3", module=HOME, priority=10, description="A bucket of S3, by django-storages.")
class S3Files(ConfigurablePlugin[S3Config], AbstractStorage):
    """Keeps files in a bucket; needs the extra ``s3``."""

    @shared_client(close=lambda storage: storage.connection.meta.client.close())
    def storage(self) -> Any:
        """Make a storage that has a connection for each thread."""
        secret = self.config.secret_key and self.config.secret_key.get_secret_value()
        options = self.config.model_dump() | {"secret_key": secret, "file_overwrite": False}
        return import_string("storages.backends.s3.S3Storage")(**options)

    def check(self) -> None:
        """Look whether the bucket is there and may be used."""
        self.storage.connection.meta.client.head_bucket(Bucket=self.config.bucket_name)
