"""The type ``email`` and its items, declared for each test, and instances that reach servers."""

from __future__ import annotations

import datetime as dt
import ssl
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import django
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from django_plugin_system.contrib.email import AbstractEmail, _last_used
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.register import plugin_item, plugin_type
from django_plugin_system.sync import sync_registered_plugins_to_db

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

    from tests.support.mail_servers import Server


HOME = "django_plugin_system.contrib.email"
BACKEND = f"{HOME}.EmailBackend"
MAILERS: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": BACKEND},
    "marketing": {"BACKEND": BACKEND, "OPTIONS": {"name": "marketing"}},
}
ADMINS: list[Any] = ["ada@example.com"] if django.VERSION >= (6, 0) else [("Ada", "ada@example.com")]


class AddInstance(Protocol):
    """Adds an instance of ``smtp`` for a server, or of another item with a configuration."""

    def __call__(self, server: Server | dict[str, Any], name: str = "main", /, **values: Any) -> PluginInstance:
        """Add it."""


@pytest.fixture
def add(db: None, settings: Settings) -> AddInstance:
    """Send Django's mails through instances; return a function that adds one."""
    del db
    if django.VERSION >= (6, 1):  # pragma: no cover - which of the two runs depends on Django
        settings.MAILERS = MAILERS
    else:  # pragma: no cover - as above
        settings.EMAIL_BACKEND = BACKEND
    plugins = import_module(HOME + ".plugins")  # here: what it registers must end with the test
    plugin_type(name="email", manager=HOME)(AbstractEmail)
    plugin_item(AbstractEmail, name="smtp", module=HOME, priority=10)(plugins.SmtpEmail)
    plugin_item(AbstractEmail, name="backend", module=HOME, priority=20)(plugins.BackendEmail)
    sync_registered_plugins_to_db()
    _last_used.clear()

    def add_instance(server: Server | dict[str, Any], name: str = "main", /, **values: Any) -> PluginInstance:
        config = server if isinstance(server, dict) else server.config
        item = PluginItem.objects.get(name="backend" if "backend" in config else "smtp")
        return PluginInstance.objects.create(item=item, name=name, config=config, **values)

    return add_instance


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Return what a server named localhost encrypts with, so that this process trusts it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now, day = dt.datetime.now(dt.timezone.utc), dt.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = tmp_path / "certificate.pem", tmp_path / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(paths[0]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*paths)
    return context
