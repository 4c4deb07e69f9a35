"""References into AWS Secrets Manager, against moto's server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from django_plugin_system.config import backends
from django_plugin_system.config.backends import Unavailable
from django_plugin_system.config.references import Reference, Resolver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import Settings


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Run a server that answers as AWS does, and return its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(endpoint: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Allow references into the store, and return a client of it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    options = {"region_name": "eu-central-1", "endpoint_url": endpoint}
    store = {"BACKEND": "django_plugin_system.contrib.aws.SecretsManager", "ALLOW": ["shop/*", "arn:*"]}
    settings.PLUGIN_SYSTEM = {"REFERENCES": {"aws": {**store, "OPTIONS": {**options, "timeout": 20}}}}
    yield boto3.client("secretsmanager", **options)
    backends.forget_stores()


def test_secrets_are_given_by_name_and_in_part(aws: Any) -> None:
    """Texts, keys of JSON objects and bytes, many at once, by name or ARN; what is not there is said."""
    arn = aws.create_secret(Name="shop/sms", SecretString='{"token": "planted"}')["ARN"]
    aws.create_secret(Name="shop/key", SecretBinary=b"\xff\x00")
    for number in range(25):
        aws.create_secret(Name=f"shop/many-{number}", SecretString=f"value-{number}")
    names = ["shop/sms#token", f"{arn}#token", "shop/key", "shop/none", *(f"shop/many-{n}" for n in range(25))]
    resolver = Resolver()
    resolver.load(Reference("$aws", name) for name in names)
    given = [resolver.get(Reference("$aws", name)) for name in names]
    assert given[:4] == ["planted", "planted", b"\xff\x00", Unavailable("$aws shop/none: there is no such secret")]
    assert given[4:] == [f"value-{number}" for number in range(25)]


def test_a_secret_that_is_refused_is_no_answer(aws: Any) -> None:
    """One that is about to be deleted is not given, and the others are."""
    aws.create_secret(Name="shop/kept", SecretString="kept")
    aws.create_secret(Name="shop/deleted", SecretString="deleted")
    aws.delete_secret(SecretId="shop/deleted")
    resolver = Resolver()
    resolver.load([Reference("$aws", "shop/kept"), Reference("$aws", "shop/deleted")])
    assert resolver.get(Reference("$aws", "shop/kept")) == "kept"
    assert isinstance(resolver.get(Reference("$aws", "shop/deleted")), Unavailable)
