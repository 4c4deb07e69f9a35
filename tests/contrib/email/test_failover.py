"""Servers that are dead, refuse, hang or break off: who gets the mail then, and what is known of the server."""

from __future__ import annotations

import gc
import logging
import traceback
from typing import TYPE_CHECKING
from unittest import mock

import django
import pytest
from django.core import mail
from django.core.mail import EmailMessage, get_connection, send_mail
from django.db import OperationalError, connection
from django.utils.log import AdminEmailHandler

from django_plugin_system import explain_selection
from django_plugin_system.contrib.email import AbstractEmail, EmailBackend, MailNotTaken
from django_plugin_system.exceptions import (
    AllPluginsFailed,
    InvalidConfig,
    NoPluginAvailable,
    PluginCredentialsRefused,
    PluginOutcomeUnknown,
    PluginRejected,
    PluginUnavailable,
)
from django_plugin_system.models import PluginInstance
from django_plugin_system.testing import override_plugin
from tests.contrib.email.conftest import ADMINS, MAILERS
from tests.support.mail_servers import Server, dead, listening, running_mail_server

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from django.core.mail.backends.base import BaseEmailBackend
    from pytest_django import Settings

    from tests.contrib.email.conftest import AddInstance

PASSWORD = "hush-planted-Secret"


pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of arguments that Django 6.1 deprecates


def send(to: str | list[str] = "to@example.com") -> int:
    """Send one mail."""
    return send_mail("Hello", "Text", "from@example.com", [to] if isinstance(to, str) else to)


@pytest.fixture
def spare(add: AddInstance) -> Iterator[Server]:
    """Return a server that serves when the first one does not."""
    with running_mail_server() as server:
        add(server, "spare", priority=20)
        yield server


def is_cooling(row: PluginInstance) -> bool:
    """Say whether a failover has put the instance into a cooldown."""
    return PluginInstance.objects.get(pk=row.pk).unavailable_until is not None


def test_a_dead_server(add: AddInstance, spare: Server) -> None:
    """The next one gets the mail, and the dead one a cooldown."""
    row = add(dead())
    assert send() == 1
    assert len(spare.mails) == 1
    assert is_cooling(row)


def test_a_server_that_hangs_when_it_should_greet(add: AddInstance, spare: Server) -> None:
    """After the timeout the next one gets the mail; the hanging server is not asked to say goodbye."""
    with listening() as hanging:
        add(hanging.config | {"timeout": 0.2})
        assert send() == 1
    assert len(spare.mails) == 1


def test_a_server_that_turns_everybody_away(add: AddInstance, spare: Server) -> None:
    """A greeting that says no is of the server, not of the mail."""
    with listening(b"554 No service here\r\n") as refusing:
        row = add(refusing.config | {"timeout": 0.2})
        assert send() == 1
    assert len(spare.mails) == 1
    assert is_cooling(row)


@pytest.mark.parametrize("data_reply", ["421 Closing", "451 Try later", "452 No room"])
def test_a_server_that_cannot_take_the_mail_now(add: AddInstance, spare: Server, data_reply: str) -> None:
    """It has said that it did not take it, so the next one may get it."""
    with running_mail_server(data_reply=data_reply) as busy:
        add(busy)
        assert send() == 1
    assert len(spare.mails) == 1


def test_a_sender_that_is_refused(add: AddInstance, spare: Server) -> None:
    """Another provider may know the sender."""
    with running_mail_server(sender_reply="550 Not with us") as strict:
        add(strict)
        assert send() == 1
    assert len(spare.mails) == 1


def test_a_recipient_that_asks_for_patience(add: AddInstance, spare: Server) -> None:
    """Grey listing is no reason to leave the server alone, but another one may be known already."""
    with running_mail_server(replies={"to@example.com": "450 Come back later"}) as grey:
        add(grey)
        assert send() == 1
    assert len(spare.mails) == 1


class TestRejected:
    """What no provider would take: nobody else is asked, and no server is put into a cooldown."""

    def test_a_recipient(self, add: AddInstance, spare: Server) -> None:
        """A recipient that does not exist is none of the server's faults."""
        with running_mail_server(replies={"gone@example.com": "550 No such user"}) as server:
            row = add(server)
            with pytest.raises(PluginRejected, match="No such user"):
                send("gone@example.com")
            assert send() == 1
        assert len(server.mails) == 1
        assert spare.mails == []
        assert not is_cooling(row)

    def test_one_recipient_of_two(self, add: AddInstance, spare: Server) -> None:
        """The other one has got the mail, once; the error says who has not."""
        with running_mail_server(replies={"gone@example.com": "550 No such user"}) as server:
            row = add(server)
            with pytest.raises(PluginRejected, match=r"gone@example\.com \(550\)"):
                send(["gone@example.com", "to@example.com"])
        assert server.recipients == [["to@example.com"]]
        assert spare.mails == []
        assert not is_cooling(row)

    def test_a_mail(self, add: AddInstance, spare: Server) -> None:
        """A mail that the server finds wrong is wrong."""
        with running_mail_server(data_reply="554 Spam") as server:
            add(server)
            with pytest.raises(PluginRejected, match="Spam"):
                send()
        assert spare.mails == []


def test_a_break_after_the_mail(add: AddInstance, spare: Server) -> None:
    """The server may have it: it is not sent again, and the caller is told."""
    with running_mail_server(breaks_after_data=True) as breaking:
        row = add(breaking)
        with pytest.raises(PluginOutcomeUnknown):
            send()
        assert len(breaking.mails) == 1
    assert spare.mails == []
    assert not is_cooling(row)


class TestLogin:
    """Credentials, and that no error shows them."""

    def test_the_right_password(self, add: AddInstance) -> None:
        """``check()`` logs in and sends nothing; a mail is sent."""
        with running_mail_server(user="shop", password=PASSWORD) as server:
            row = add(server)
            row.load_plugin().check()
            assert server.mails == []
            assert send() == 1

    def test_the_wrong_password(self, add: AddInstance, spare: Server) -> None:
        """The next one gets the mail; what the server said is told, the password is not, and no frame holds it."""
        with running_mail_server(user="shop", password=PASSWORD) as server:
            row = add(server.config | {"password": "wrong-planted-Secret"})
            assert send() == 1
            assert len(spare.mails) == 1
            with pytest.raises(PluginCredentialsRefused, match="535") as caught:
                row.load_plugin().check()
        assert "wrong-planted-Secret" not in "".join(traceback.format_exception(caught.value))
        assert caught.value.__context__ is caught.value.__cause__ is None
        assert "SMTP" not in str([type(frame.f_locals.get("self")) for frame, _line in traceback.walk_tb(caught.tb)])

    def test_a_password_that_cannot_be_sent(self, add: AddInstance) -> None:
        """It is the instance's fault, not the mail's, and stays out of the error."""
        with running_mail_server(user="shop", password="x") as server:
            row = add(server.config | {"password": "päss-planted-Secret"})
            with pytest.raises((PluginUnavailable, PluginCredentialsRefused)) as caught:
                row.load_plugin().check()
        assert "planted" not in str(caught.value)

    @pytest.mark.parametrize("security", ["use_tls", "use_ssl"])
    def test_encrypted(self, add: AddInstance, certified: ssl.SSLContext, security: str) -> None:
        """The server's certificate is looked at, whether it encrypts from the first byte or later."""
        with running_mail_server(
            certified, from_the_first_byte=security == "use_ssl", user="shop", password=PASSWORD
        ) as server:
            config = server.config | {"use_tls": False, security: True}
            row = add(config | {"host": "localhost"})
            row.load_plugin().check()
            assert send() == 1
            row.set_config(config)
            with pytest.raises(PluginUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
                row.load_plugin().check()

    @pytest.mark.parametrize("half", [{"username": "shop"}, {"password": PASSWORD}])
    def test_half_a_login(self, add: AddInstance, half: dict[str, str]) -> None:
        """A user name without a password would be ignored by Django, so it is refused."""
        with pytest.raises(InvalidConfig, match="go together"):
            add({"host": "127.0.0.1", **half})

    def test_another_server(self, add: AddInstance) -> None:
        """A password is not sent to another server than the one it was entered for."""
        row = add({"host": "127.0.0.1", "username": "shop", "password": PASSWORD})
        with pytest.raises(InvalidConfig, match="host"):
            row.set_config({**row.config, "host": "mail.example"})


def get_mailer(alias: str) -> BaseEmailBackend:
    """Return a backend as Django 6.1 makes it of the setting ``MAILERS``."""
    if django.VERSION >= (6, 1):  # pragma: no cover - which of the two runs depends on Django
        return mail.mailers[alias]
    return EmailBackend(alias=alias, **MAILERS[alias]["OPTIONS"])  # pragma: no cover - as above


def test_names_choose(add: AddInstance) -> None:
    """With ``name``, instances of that name serve; without, the best of all."""
    with running_mail_server() as one, running_mail_server() as other:
        add(one, "transactional", priority=1)
        add(other, "marketing", priority=2)
        get_mailer("marketing").send_messages([EmailMessage("Hello", "Text", None, ["to@example.com"])])
        assert (len(one.mails), len(other.mails)) == (0, 1)
        send()
        assert (len(one.mails), len(other.mails)) == (1, 1)


def test_scopes_choose(add: AddInstance) -> None:
    """With ``scope``, a tenant's own instances serve, then everybody's, unless these may not."""
    with running_mail_server() as own, running_mail_server() as shared:
        add(own, "main", scope="acme")
        add(shared, "main")
        for scope in ("acme", "other"):
            EmailBackend(scope=scope).send_messages([EmailMessage("Hello", scope, None, ["to@example.com"])])
        assert (len(own.mails), len(shared.mails)) == (1, 1)
        with pytest.raises(NoPluginAvailable):
            EmailBackend(scope="other", shared=False).open()


def test_a_fake_of_the_testing_kit(add: AddInstance) -> None:
    """A test may put its own provider in the place of all."""

    class Outbox(AbstractEmail):
        def __init__(self) -> None:
            self.sent: list[EmailMessage] = []

        def send(self, message: EmailMessage) -> None:
            self.sent.append(message)

    del add
    outbox = Outbox()
    with override_plugin(AbstractEmail, outbox), get_connection():
        assert send() == 1
    assert [message.subject for message in outbox.sent] == ["Hello"]


def test_a_provider_that_breaks_in_a_way_of_its_own(add: AddInstance) -> None:
    """An error that says nothing of the provider is a mistake in its code, and raised as it is."""

    class Broken(AbstractEmail):
        def send(self, message: EmailMessage) -> None:
            raise KeyError(message.subject)

    del add
    with override_plugin(AbstractEmail, Broken), pytest.raises(KeyError):
        send()


class TestWithoutDatabase:
    """A mail about a database that is down has to go out, too."""

    @staticmethod
    def fail(*args: object) -> None:
        """Be a database that is down."""
        del args
        raise OperationalError("down")

    def test_who_served_last_serves_again(self, add: AddInstance) -> None:
        """Where the database cannot be asked, the instance that served last in this process sends."""
        with running_mail_server() as server:
            add(server)
            send()
            with connection.execute_wrapper(self.fail), EmailBackend() as backend:
                assert send() == 1
                assert backend.open() is False
        assert len(server.mails) == 2

    def test_nobody_has_served_yet(self, add: AddInstance) -> None:
        """Then the database's error is raised, or the mail lost silently, as was asked for."""
        add(dead())
        with connection.execute_wrapper(self.fail):
            with pytest.raises(OperationalError):
                send()
            assert send_mail("Hello", "Text", None, ["to@example.com"], fail_silently=True) == 0

    def test_a_database_error_of_a_provider(self, add: AddInstance) -> None:
        """What a provider raises after it may have sent is no reason to send again."""

        class Logging(AbstractEmail):
            def send(self, message: EmailMessage) -> None:
                raise OperationalError(message.subject)

        with running_mail_server() as server:
            add(server)
            send()
            with override_plugin(AbstractEmail, Logging), pytest.raises(OperationalError):
                send()
        assert len(server.mails) == 1


def test_logs_that_are_mailed_end(add: AddInstance, settings: Settings) -> None:
    """A handler that mails what failing mails log does not go on for ever."""
    settings.ADMINS = ADMINS
    add(dead())
    logger, handler = logging.getLogger("django_plugin_system"), AdminEmailHandler()
    logger.addHandler(handler)
    try:
        with mock.patch.object(handler, "emit", wraps=handler.emit) as emit, pytest.raises(AllPluginsFailed):
            send()
    finally:
        logger.removeHandler(handler)
    assert 1 <= emit.call_count < 10


def test_mails_that_send_mails_end(add: AddInstance) -> None:
    """So does a provider that reports by mail, through itself."""
    subjects: list[str] = []

    class Reporting(AbstractEmail):
        def send(self, message: EmailMessage) -> None:
            subjects.append(str(message.subject))
            send_mail(f"{message.subject} was sent", "Text", None, ["ada@example.com"])

    del add
    with override_plugin(AbstractEmail, Reporting):
        assert send() == 1
    assert subjects == ["Hello", "Hello was sent"]


def test_nothing_stays_open(add: AddInstance) -> None:
    """A socket that a failing server leaves behind is closed at once, not by the garbage collector."""
    with listening(b"220 Hello\r\n") as hanging:
        add(hanging.config | {"timeout": 0.1})
        with pytest.raises(AllPluginsFailed):
            send()
    gc.collect()  # an open socket warns, and a warning fails the test


def test_a_mail_that_nobody_knows_of(add: AddInstance) -> None:
    """The error for one candidate is that of a mail, not of a provider."""
    with running_mail_server(sender_reply="550 Not with us") as strict:
        add(strict)
        with pytest.raises(AllPluginsFailed) as caught:
            send()
    assert [type(error) for error in caught.value.exceptions] == [MailNotTaken]
    assert "main (smtp)" in str(explain_selection(AbstractEmail))
