"""What Django's own tests ask of a mail backend, asked of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.models import User
from django.core import mail
from django.core.mail import EmailMessage, EmailMultiAlternatives, mail_admins, mail_managers, send_mail, send_mass_mail

from django_plugin_system.contrib.email import EmailBackend
from django_plugin_system.exceptions import AllPluginsFailed, NoPluginAvailable, PluginRejected
from tests.contrib.email.conftest import ADMINS
from tests.support.mail_servers import dead, running_mail_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import Settings

    from tests.contrib.email.conftest import AddInstance
    from tests.support.mail_servers import Server


pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of arguments that Django 6.1 deprecates


@pytest.fixture
def server(add: AddInstance) -> Iterator[Server]:
    """Return a server behind the one instance."""
    with running_mail_server() as running:
        add(running)
        yield running


def make_mail(**values: object) -> EmailMessage:
    """Return a mail that can be sent."""
    given = {"subject": "Hello", "body": "Text", "from_email": "from@example.com", "to": ["to@example.com"], **values}
    return EmailMessage(**given)  # type: ignore[arg-type] # names and values are checked by running


def test_send_mail(server: Server) -> None:
    """One mail is sent, and counted."""
    assert send_mail("Hello", "Text", "from@example.com", ["to@example.com"], html_message="<p>Text</p>") == 1
    (sent,) = server.mails
    assert (sent["Subject"], sent["From"], sent["To"]) == ("Hello", "from@example.com", "to@example.com")
    assert {part.get_content_type() for part in sent.iter_parts()} == {"text/plain", "text/html"}


def test_every_recipient_gets_it(server: Server) -> None:
    """Copies, also blind ones, are in the envelope; blind ones stand in no header."""
    assert make_mail(cc=["cc@example.com"], bcc=["bcc@example.com"]).send() == 1
    assert server.recipients == [["to@example.com", "cc@example.com", "bcc@example.com"]]
    assert "bcc@example.com" not in str(server.mails[0])


def test_a_mail_without_recipients(server: Server) -> None:
    """It is not sent and not counted, and nobody is connected to."""
    assert EmailBackend().send_messages([make_mail(to=[])]) == 0
    assert EmailBackend().send_messages([]) == 0
    assert server.connections == 0


def test_many_mails_share_a_connection(server: Server) -> None:
    """``send_mass_mail`` counts what was sent, over one connection."""
    data = tuple((f"Hello {number}", "Text", "from@example.com", ["to@example.com"]) for number in range(3))
    assert send_mass_mail(data) == 3
    assert [sent["Subject"] for sent in server.mails] == ["Hello 0", "Hello 1", "Hello 2"]
    assert server.connections == 1


def test_what_cannot_be_a_header_is_refused(server: Server) -> None:
    """A line break in a header raises what Django raises, also silently, and says nothing of the provider."""
    for fail_silently in (False, True):
        with pytest.raises(ValueError, match=r"newlines|linefeed"):
            make_mail(subject="Hello\nBcc: all@example.com").send(fail_silently=fail_silently)
    assert server.mails == []
    assert make_mail().send() == 1


def test_names_in_addresses(server: Server) -> None:
    """International domains and names are encoded."""
    make_mail(from_email="A Näme <from@exämple.com>", to=["Bob <to@exämple.com>"]).send()
    assert server.recipients == [["to@xn--exmple-cua.com"]]
    assert server.mails[0]["From"].addresses[0].display_name == "A Näme"


def test_attachments_and_headers(server: Server) -> None:
    """What a mail holds arrives."""
    sent = EmailMultiAlternatives("Hello", "Text", "from@example.com", ["to@example.com"], headers={"X-Shop": "1"})
    sent.attach("list.csv", "a;b\n", "text/csv")
    sent.send()
    (attachment,) = server.mails[0].iter_attachments()
    assert (attachment.get_filename(), server.mails[0]["X-Shop"]) == ("list.csv", "1")


def test_mails_to_admins_and_managers(server: Server, settings: Settings) -> None:
    """They go the same way."""
    settings.ADMINS = settings.MANAGERS = ADMINS
    mail_admins("Down", "Text")
    mail_managers("Up", "Text")
    assert [sent["Subject"] for sent in server.mails] == ["[Django] Down", "[Django] Up"]


def test_a_password_reset(server: Server, settings: Settings) -> None:
    """Django's own mails go the same way."""
    settings.ROOT_URLCONF = "django.contrib.auth.urls"
    User.objects.create_user("ada", "ada@example.com", "old-password")
    form = PasswordResetForm({"email": "ada@example.com"})
    assert form.is_valid()
    form.save(domain_override="shop.example", from_email="shop@example.com", use_https=True)
    assert "https://shop.example/" in server.mails[0].get_content()


class TestOpenAndClose:
    """``open()`` and ``close()`` mean what Django says."""

    def test_one_connection_from_open_to_close(self, server: Server) -> None:
        """``open()`` says whether it was needed; what is opened stays open until ``close()``."""
        connection = EmailBackend()
        assert connection.open() is True
        assert connection.open() is False
        for _ in range(2):
            assert connection.send_messages([make_mail()]) == 1
        assert server.connections == 1
        connection.close()
        connection.close()
        assert connection.open() is True
        assert connection.send_messages([make_mail()]) == 1
        connection.close()
        assert server.connections == 2

    def test_as_a_context_manager(self, server: Server) -> None:
        """Mails inside the block share a connection, which ends with it."""
        with mail.get_connection() as connection:
            connection.send_messages([make_mail()])
            make_mail(connection=connection).send()
        assert len(server.mails) == 2
        assert server.connections == 1

    def test_a_server_that_was_started_again_meanwhile(self, add: AddInstance) -> None:
        """A connection that the server closed while it was idle is replaced; the mail is sent once."""
        with running_mail_server() as running:
            add(running)
            connection = EmailBackend()
            connection.open()
        with running_mail_server(port=running.port) as again:
            assert connection.send_messages([make_mail()]) == 1
            connection.close()
        assert len(again.mails) == 1
        assert running.mails == []

    def test_a_configuration_that_is_changed_meanwhile(self, add: AddInstance) -> None:
        """An open backend sends the next mail by what operators have changed."""
        with running_mail_server() as old, running_mail_server() as new:
            row = add(old)
            with EmailBackend() as connection:
                connection.send_messages([make_mail()])
                row.set_config(new.config)
                row.save()
                connection.send_messages([make_mail()])
        assert len(old.mails) == len(new.mails) == 1

    def test_nobody_to_connect_to(self, add: AddInstance) -> None:
        """``open()`` raises, or returns None if it shall fail silently; then nothing is sent."""
        add(dead())
        with pytest.raises(AllPluginsFailed):
            EmailBackend().open()
        with pytest.raises(AllPluginsFailed), EmailBackend():
            raise AssertionError  # pragma: no cover - not reached
        silent = EmailBackend(fail_silently=True)
        assert silent.open() is None
        assert silent.send_messages([make_mail()]) == 0
        silent.close()


class TestFailSilently:
    """``fail_silently`` covers what cannot be handed over."""

    def test_a_dead_server(self, add: AddInstance) -> None:
        """The mail is not counted, and nothing is raised."""
        add(dead())
        assert make_mail().send(fail_silently=True) == 0
        with pytest.raises(AllPluginsFailed):
            make_mail().send()

    def test_no_instance(self, add: AddInstance) -> None:
        """Nothing to send with is an error that says so, unless it shall be silent."""
        del add
        assert make_mail().send(fail_silently=True) == 0
        with pytest.raises(NoPluginAvailable, match=r"No usable instance of email"):
            make_mail().send()

    def test_a_refused_recipient(self, server: Server) -> None:
        """The mail is not counted; those before and after it are."""
        server.replies["gone@example.com"] = "550 No such user"
        mails = [make_mail(to=[f"{name}@example.com"]) for name in ("ada", "gone", "bob")]
        assert EmailBackend(fail_silently=True).send_messages(mails) == 2
        with pytest.raises(PluginRejected):
            EmailBackend().send_messages(mails)
        assert server.recipients == [["ada@example.com"], ["bob@example.com"], ["ada@example.com"]]
