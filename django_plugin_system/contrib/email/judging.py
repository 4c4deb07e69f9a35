"""What an error of a mail server, or of a foreign mail backend, means for a failover."""

from __future__ import annotations

import smtplib
from contextlib import suppress

from django_plugin_system import exceptions
from django_plugin_system.contrib.email.backend import MailNotTaken

FINAL, TEMPORARY, CLOSING = 500, 400, 421
"""Replies of SMTP: from where on they are final, or for now, and the one of a server that goes away."""
MAIL_REFUSED = (smtplib.SMTPDataError, smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused)
UNAUTHORIZED, TOO_MANY_REQUESTS, GATEWAY_TIMEOUT = 401, 429, 504
NEVER_CONNECTED = {"ConnectionRefusedError", "gaierror", "SSLCertVerificationError", "ConnectTimeoutError"}
"""Names of errors of the socket, and of urllib3, that come before anything is sent."""


def judge(error: Exception, said: str, *, has_mail: bool) -> exceptions.PluginSystemError:
    """Return what ``error`` means, to be raised where no frame holds it: its own frames hold passwords.

    ``said`` is its text as it may be shown. ``has_mail`` says whether the provider may hold the mail if the connection
    broke.
    """
    if isinstance(error, smtplib.SMTPException):
        return _judge_smtp(error, has_mail=has_mail)(said)
    if isinstance(status := getattr(error, "status_code", None), int):
        return _judge_http(status, said, error)
    if not has_mail or _never_connected(error):
        return exceptions.PluginUnavailable(said)
    if type(error).__name__ == "AnymailRecipientsRefused":
        return exceptions.PluginRejected(said)
    return exceptions.PluginOutcomeUnknown(said)


def _judge_smtp(error: smtplib.SMTPException, *, has_mail: bool) -> type[exceptions.PluginSystemError]:
    replies = [code for code, _text in getattr(error, "recipients", {}).values()]
    code = min(replies, default=getattr(error, "smtp_code", None))
    if code is None:
        return exceptions.PluginOutcomeUnknown if has_mail else exceptions.PluginUnavailable
    if isinstance(error, smtplib.SMTPAuthenticationError) and code >= FINAL:
        return exceptions.PluginCredentialsRefused
    if code == CLOSING or not isinstance(error, MAIL_REFUSED):
        return exceptions.PluginUnavailable
    if code >= FINAL and not isinstance(error, smtplib.SMTPSenderRefused):  # another provider may know this sender
        return exceptions.PluginRejected
    return MailNotTaken if code >= TEMPORARY else exceptions.PluginOutcomeUnknown


def _judge_http(status: int, said: str, error: Exception) -> exceptions.PluginSystemError:
    if status == UNAUTHORIZED:
        return exceptions.PluginCredentialsRefused(said)
    if status < TEMPORARY or status == GATEWAY_TIMEOUT:
        return exceptions.PluginOutcomeUnknown(said)
    if status < FINAL and status != TOO_MANY_REQUESTS:
        return MailNotTaken(said)
    seconds = None
    with suppress(AttributeError, LookupError, TypeError, ValueError):  # there is no such header, or it holds a date
        seconds = max(0.0, float(error.response.headers["Retry-After"]))  # type: ignore[attr-defined] # suppressed
    return exceptions.PluginUnavailable(said, retry_after=seconds)


def _never_connected(error: BaseException | None) -> bool:
    """Say whether ``error``, or what led to it, came before anything was sent."""
    while error is not None and type(error).__name__ not in NEVER_CONNECTED:
        error = error.__cause__ or error.__context__
    return error is not None
