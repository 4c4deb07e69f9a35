"""Try each extra as a user would: the wheel in an environment that holds nothing else, against servers on loopback.

``.venv/bin/python .ci/extras.py [EXTRA ...]`` after ``make build``. It takes a minute or two, and downloads packages.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import venv
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from moto.server import ThreadedMotoServer  # noqa: E402 - after the path

from tests.support.mail_servers import running_mail_server  # noqa: E402 - as above
from tests.support.token_server import CLIENT_ID, CLIENT_SECRET, running_token_server  # noqa: E402 - as above

PROJECT = """
import json, sys
import django
from django.conf import settings
from django.core.management import call_command

given = json.loads(sys.argv[1])
settings.configure(
    SECRET_KEY="only here", DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django_plugin_system", *given["apps"]], **given["settings"])
django.setup()
call_command("migrate", verbosity=0)
from django_plugin_system import ConfigurablePlugin, get_plugin, plugin_item, plugin_type
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.sync import sync_registered_plugins_to_db

def add(item, name, config, **values):
    return PluginInstance.objects.create(item=PluginItem.objects.get(name=item), name=name, config=config, **values)
"""

OF_A_TYPE = """
from abc import ABC, abstractmethod
from pydantic import BaseModel, SecretStr

class AbstractCall(ABC):
    @abstractmethod
    def call(self): ...

class Config(BaseModel):
    url: str = ""
    secret: SecretStr
"""

EMAIL = """
from django.core.mail import get_connection, send_mail
add("smtp", "main", given["config"])
backend = get_connection("django_plugin_system.contrib.email.EmailBackend")
assert send_mail("Hello", "Text", "shop@example.com", ["ada@example.com"], connection=backend) == 1
"""

S3 = """
import boto3
from django.core.files.base import ContentFile
from django.core.files.storage import storages
for number, region in enumerate(("eu-central-1", "us-west-2")):
    login = {"aws_access_key_id": "x", "aws_secret_access_key": "planted"}
    place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    boto3.client("s3", region, endpoint_url=given["url"], **login).create_bucket(Bucket=region, **place)
    keys = {"access_key": "x", "secret_key": "planted", "endpoint_url": given["url"]}
    add("s3", f"papers--{region}", {"bucket_name": region, "region_name": region, **keys}, priority=number)
first = storages["papers"].save("a.txt", ContentFile(b"Europe"))
PluginInstance.objects.filter(name__endswith="central-1").update(status="disable")
second = storages["papers"].save("a.txt", ContentFile(b"America"))
assert [storages["papers"].open(name).read() for name in (first, second)] == [b"Europe", b"America"]
"""

AWS = """
import os
os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
import boto3
boto3.client("secretsmanager", "eu-central-1", endpoint_url=given["url"]).create_secret(
    Name="shop/sms", SecretString='{"token": "planted"}')
plugin_type(name="call", manager="here")(AbstractCall)

@plugin_item(AbstractCall, name="it", module="here")
class Call(ConfigurablePlugin[Config], AbstractCall):
    def call(self): ...

sync_registered_plugins_to_db()
add("it", "main", {"secret": {"$aws": "shop/sms#token"}})
assert get_plugin(AbstractCall).config.secret.get_secret_value() == "planted"
"""

OAUTH = """
from django_plugin_system.contrib.oauth import OAuthClient, OAuthPlugin
plugin_type(name="call", manager="here")(AbstractCall)

@plugin_item(AbstractCall, name="it", module="here")
class Call(OAuthPlugin[Config], AbstractCall):
    def call(self): ...

    def get_oauth_client(self):
        return OAuthClient(self.config.url, given["client"], self.config.secret)

sync_registered_plugins_to_db()
add("it", "main", {"url": given["url"], "secret": given["secret"]})
assert get_plugin(AbstractCall).access_token == get_plugin(AbstractCall).access_token == "access-1"
"""


def main(names: list[str]) -> None:
    """Try the extras ``names``, or all, and print how each went."""
    [wheel] = (ROOT / "dist").glob("*.whl")
    with ExitStack() as stack:
        mails = stack.enter_context(running_mail_server())
        tokens = stack.enter_context(running_token_server())
        aws = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        aws.start()
        stack.callback(aws.stop)
        url = "http://{}:{}".format(*aws.get_host_and_port())
        contrib = "django_plugin_system.contrib."
        storages = {
            "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
            "papers": {"BACKEND": f"{contrib}storage.PluginStorage", "OPTIONS": {"name": "papers"}},
        }
        options = {"region_name": "eu-central-1", "endpoint_url": url}
        stores = {"aws": {"BACKEND": f"{contrib}aws.SecretsManager", "ALLOW": ["shop/*"], "OPTIONS": options}}
        client = {"url": tokens.url, "client": CLIENT_ID, "secret": CLIENT_SECRET}
        uses = {
            "email": (EMAIL, {"apps": [f"{contrib}email"], "settings": {}, "config": mails.config}),
            "s3": (S3, {"apps": [f"{contrib}storage"], "settings": {"STORAGES": storages}, "url": url}),
            "aws": (OF_A_TYPE + AWS, {"apps": [], "settings": {"PLUGIN_SYSTEM": {"REFERENCES": stores}}, "url": url}),
            "oauth": (OF_A_TYPE + OAUTH, {"apps": [], "settings": {}, **client}),
        }
        for name in names or uses:
            try_extra(wheel, name, *uses[name])
        if "email" in (names or uses):
            assert len(mails.mails) == 1  # noqa: S101 - a test


def try_extra(wheel: Path, name: str, code: str, given: dict[str, object]) -> None:
    """Install the wheel with one extra into a new environment, and use there what the extra enables."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dps-extra-") as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"{wheel}[{name}]"], check=True)
        subprocess.run(
            [python, "-W", "error::ImportWarning", "-c", PROJECT + code, json.dumps(given)], cwd=folder, check=True
        )
    sys.stdout.write(f"{name}: works, {time.monotonic() - began:.0f} s\n")


if __name__ == "__main__":
    main(sys.argv[1:])
