"""The contract of every plugin, and how each answer of this provider is understood."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from shop_sms_pigeon.plugins import PigeonAirConfig, PigeonAirSms

from django_plugin_system import PluginCredentialsRefused, PluginOutcomeUnknown, PluginRejected, PluginUnavailable
from django_plugin_system.testing import check_contract

EXAMPLE = {"endpoint": "http://127.0.0.1:9/", "user": "shop", "password": "some-test-password", "sender": "Shop"}


class Provider(HTTPServer):
    """Gives every request the same answer."""

    answer = b"OK 1"
    status = 200


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Provider

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        if not self.server.answer:
            return  # hang up
        self.send_response(self.server.status)
        self.send_header("Location", "http://127.0.0.1:9/")  # of a redirect
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *args: object) -> None:
        """Stay quiet."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    """Return a running provider."""
    with Provider(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def sms(provider: Provider) -> PigeonAirSms:
    """Return the plugin, built by hand."""
    config = {**EXAMPLE, "endpoint": f"http://127.0.0.1:{provider.server_port}/"}
    return PigeonAirSms(PigeonAirConfig.model_validate(config))


def test_contract() -> None:
    """The class keeps what every caller may rely on."""
    check_contract(PigeonAirSms, EXAMPLE)


def test_a_message(sms: PigeonAirSms) -> None:
    """A message that is taken has an id."""
    assert sms.send("+15550100123", "Hello") == "1"
    sms.check()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"ERROR 10", PluginCredentialsRefused),
        (b"ERROR 21", PluginRejected),
        (b"ERROR 40", PluginUnavailable),
        (b"", PluginOutcomeUnknown),
    ],
)
def test_a_refusal(sms: PigeonAirSms, provider: Provider, answer: bytes, error: type[Exception]) -> None:
    """Each answer tells a failover what to do next."""
    provider.answer = answer
    with pytest.raises(error):
        sms.send("+15550100123", "Hello")


@pytest.mark.parametrize("status", [302, 503])
def test_another_status(sms: PigeonAirSms, provider: Provider, status: int) -> None:
    """An error of the server is no answer, nor is a redirect, which is not followed."""
    provider.status = status
    with pytest.raises(PluginUnavailable, match=str(status)):
        sms.send("+15550100123", "Hello")


def test_nobody_answers() -> None:
    """A provider that cannot be reached is unavailable."""
    with pytest.raises(PluginUnavailable):
        PigeonAirSms(PigeonAirConfig.model_validate(EXAMPLE)).check()
