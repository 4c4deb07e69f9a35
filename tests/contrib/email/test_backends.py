"""The item ``backend``: any class that the settings list, django-anymail's among them, against a real HTTP provider."""

from __future__ import annotations

import contextlib
import json
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from django_plugin_system.contrib.email import MailNotTaken
from django_plugin_system.exceptions import (
    InvalidConfig,
    PluginBuildError,
    PluginCredentialsRefused,
    PluginOutcomeUnknown,
    PluginRejected,
    PluginUnavailable,
)
from tests.support.mail_servers import dead, listening, running_mail_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import Settings

    from django_plugin_system.models import PluginInstance
    from tests.contrib.email.conftest import AddInstance

SECRET = "hush-planted-Secret"
LOCMEM = "django.core.mail.backends.locmem.EmailBackend"
SMTP = "django.core.mail.backends.smtp.EmailBackend"
POSTMARK = "anymail.backends.postmark.EmailBackend"
SILENT = f"{__name__}.SilentBackend"


class SilentBackend(BaseEmailBackend):
    """Sends nothing, and says so."""

    def send_messages(self, email_messages: Any) -> int:
        """Take no mail."""
        del email_messages
        return 0


@pytest.fixture(autouse=True)
def listed(settings: Settings) -> None:
    """Let instances use these classes."""
    settings.PLUGIN_SYSTEM = {**settings.PLUGIN_SYSTEM, "EMAIL_BACKENDS": [LOCMEM, SMTP, POSTMARK, SILENT]}


class Provider(ThreadingHTTPServer):
    """Answers every request with ``status`` and ``body``."""

    status = 200
    body: Any = ()
    headers: dict[str, str]
    asked: list[tuple[dict[str, str], Any]]

    class Handler(BaseHTTPRequestHandler):
        """One request."""

        server: Provider

        def do_POST(self) -> None:
            """Keep what is asked; answer."""
            text = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.asked.append((dict(self.headers), json.loads(text)))
            if self.server.status == 0:
                self.connection.close()
                return
            answer = json.dumps(self.server.body).encode()
            self.send_response(self.server.status)
            for name, value in self.server.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            """Stay quiet."""


TAKEN = {"ErrorCode": 0, "Message": "OK", "MessageID": "1", "SubmittedAt": "2026-11-28T12:00:00Z", "To": "to@x.example"}


@pytest.fixture
def provider() -> Iterator[Provider]:
    """Return a running provider that speaks Postmark's API."""
    with Provider(("127.0.0.1", 0), Provider.Handler) as server:
        server.asked, server.headers, server.body = [], {}, TAKEN
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def send_with(row: PluginInstance, **values: Any) -> None:
    """Send a mail with exactly this instance."""
    given = {"subject": "Hello", "body": "Text", "from_email": "a@x.example", "to": ["to@x.example"], **values}
    plugin = row.load_plugin()
    with contextlib.closing(plugin):
        plugin.send(EmailMessage(**given))


@pytest.fixture
def postmark(add: AddInstance, provider: Provider) -> PluginInstance:
    """Return an instance that sends with django-anymail."""
    address = f"http://127.0.0.1:{provider.server_port}/"
    return add({"backend": POSTMARK, "options": {"api_url": address}, "secrets": {"server_token": SECRET}})


def test_a_backend_of_django(add: AddInstance) -> None:
    """A class is built with the options of the instance, and sends."""
    row = add({"backend": LOCMEM})
    row.load_plugin().check()
    send_with(row)
    assert [sent.subject for sent in mail.outbox] == ["Hello"]


def test_a_backend_that_is_not_listed(add: AddInstance) -> None:
    """Only what the settings list can be entered."""
    with pytest.raises(InvalidConfig, match=r"not listed in PLUGIN_SYSTEM\['EMAIL_BACKENDS'\]"):
        add({"backend": "django.core.mail.backends.filebased.EmailBackend"})


def test_options_that_the_class_refuses(add: AddInstance) -> None:
    """The instance is skipped, and the reason names the error."""
    row = add({"backend": SMTP, "options": {"host": "127.0.0.1", "use_tls": True, "use_ssl": True}})
    with pytest.raises(PluginBuildError):
        row.load_plugin()


def test_a_backend_that_takes_nothing(add: AddInstance) -> None:
    """A backend that counts no mail has sent none."""
    with pytest.raises(MailNotTaken):
        send_with(add({"backend": SILENT}))


def test_django_anymail(postmark: PluginInstance, provider: Provider) -> None:
    """An HTTP provider gets the mail, with the secret option."""
    send_with(postmark)
    ((headers, asked),) = provider.asked
    assert (headers["X-Postmark-Server-Token"], asked["Subject"]) == (SECRET, "Hello")
    assert "hush" not in str(postmark.config)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, PluginCredentialsRefused),
        (422, MailNotTaken),
        (429, PluginUnavailable),
        (500, PluginUnavailable),
        (503, PluginUnavailable),
        (504, PluginOutcomeUnknown),
    ],
)
def test_what_a_status_means(
    postmark: PluginInstance, provider: Provider, status: int, expected: type[Exception]
) -> None:
    """Each answer of a provider leads on, stops, or waits, as it should."""
    provider.status, provider.body = status, {"ErrorCode": 1, "Message": f"No. {SECRET}"}
    with pytest.raises(expected) as caught:
        send_with(postmark)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("Sat, 28 Nov 2026 12:00:00 GMT", None)])
def test_how_long_to_wait(postmark: PluginInstance, provider: Provider, header: str, seconds: float | None) -> None:
    """What the provider asks for is passed on; a date is not looked at."""
    provider.status, provider.headers = 429, {"Retry-After": header}
    with pytest.raises(PluginUnavailable) as caught:
        send_with(postmark)
    assert caught.value.retry_after == seconds


def test_recipients_that_the_provider_refuses(postmark: PluginInstance, provider: Provider) -> None:
    """What django-anymail says of all recipients is final."""
    message = "Found inactive addresses: to@x.example.\nInactive recipients are ones that have bounced."
    provider.status, provider.body = 422, {"ErrorCode": 406, "Message": message}
    with pytest.raises(PluginRejected):
        send_with(postmark)


def test_an_http_provider_that_is_dead(add: AddInstance) -> None:
    """A connection that was never made has sent nothing."""
    address = f"http://127.0.0.1:{dead().port}/"
    row = add({"backend": POSTMARK, "options": {"api_url": address}, "secrets": {"server_token": SECRET}})
    with pytest.raises(PluginUnavailable):
        send_with(row)


def test_an_http_provider_that_breaks_off(postmark: PluginInstance, provider: Provider) -> None:
    """One that was made may have sent it."""
    provider.status = 0
    with pytest.raises(PluginOutcomeUnknown):
        send_with(postmark)


def test_an_http_provider_that_hangs(add: AddInstance) -> None:
    """So may one that does not answer."""
    with listening() as hanging:
        options = {"api_url": f"http://127.0.0.1:{hanging.port}/", "timeout": 0.2}
        row = add({"backend": POSTMARK, "options": options, "secrets": {"server_token": SECRET}})
        with pytest.raises(PluginOutcomeUnknown):
            send_with(row)


def test_djangos_smtp_backend(add: AddInstance) -> None:
    """It serves here, too, without settings and without a warning; what broke after it connected may have been sent."""
    with running_mail_server() as server:
        options = {"host": "127.0.0.1", "port": server.port, "timeout": 5}
        row = add({"backend": SMTP, "options": options})
        send_with(row)
        assert len(server.mails) == 1
        server.replies["to@x.example"] = "550 No such user"
        with pytest.raises(PluginRejected):
            send_with(row)
        server.replies.clear()
        server.breaks_after_data = True
        with pytest.raises(PluginOutcomeUnknown):
            send_with(row)
    with pytest.raises(PluginUnavailable):
        send_with(row)


def test_a_malformed_mail(add: AddInstance) -> None:
    """It is the mail's fault, whatever sends it."""
    with running_mail_server() as server:
        row = add({"backend": SMTP, "options": {"host": "127.0.0.1", "port": server.port}})
        with pytest.raises(ValueError, match=r"newlines|linefeed"):
            send_with(row, subject="Hello\nBcc: all@x.example")


def test_our_own_backend_cannot_be_listed(settings: Settings) -> None:
    """An instance that sends through instances would never end; the check says so."""
    from django_plugin_system.conf import find_setting_problems  # noqa: PLC0415 - used here only

    settings.PLUGIN_SYSTEM = {"EMAIL_BACKENDS": ["django_plugin_system.contrib.email.EmailBackend"]}
    assert ["EMAIL_BACKENDS" in str(problem) for problem in find_setting_problems()] == [True]
