"""A mail through an instance against the same one through Django's own backend, mail by mail, side by side."""

from __future__ import annotations

import subprocess
import sys
import time
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend as PlainBackend
from django.db import connection

from bench.machine import describe_load, say
from django_plugin_system.contrib.email import EmailBackend
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.mail_servers import HOST, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

AIM, IN_EARNEST = 1.3, 400
"""How much longer a mail may take; with how many mails that is judged."""
SLICES = 10
"""Ratios are taken of the fastest tenth and of the middle of all: the rest tells of the machine."""


def measure(mails: int) -> None:
    """Send so many ``mails`` each way, and print both times of a mail; exit if they differ too much in earnest."""
    import_module("django_plugin_system.contrib.email.plugins")
    sync_registered_plugins_to_db()
    server = subprocess.Popen(
        [sys.executable, "-m", "bench.mail_server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with server:
        port = int(server.stdout.readline()) if server.stdout else 0
        config = Server(port=port).config
        PluginInstance.objects.create(item=PluginItem.objects.get(name="smtp"), name="main", config=config)
        make_plain = partial(PlainBackend, host=HOST, port=port, username="", password="", use_tls=False, timeout=5)
        holds = _compare("a connection each", mails, _send_each(make_plain), _send_each(EmailBackend))
        plain, ours = make_plain(), EmailBackend()
        plain.open()
        ours.open()
        holds &= _compare("a connection kept", mails, plain.send_messages, ours.send_messages)
        plain.close()
        ours.close()
        if server.stdin:
            server.stdin.close()
    say(describe_load())
    if not holds and mails >= IN_EARNEST:
        sys.exit("A mail takes too long.")


def _send_each(make: Callable[[], PlainBackend | EmailBackend]) -> Callable[[Sequence[EmailMessage]], object]:
    return lambda mails: make().send_messages(mails)


def _compare(case: str, mails: int, *ways: Callable[[Sequence[EmailMessage]], object]) -> bool:
    """Send one mail each way, again and again, and say whether ours takes at most so much longer than the other."""
    times: tuple[list[float], list[float]] = ([], [])
    for _number in range(mails):
        for way, taken in zip(ways, times, strict=True):
            mail = EmailMessage("Hello", "Text", "shop@example.com", ["ada@example.com"])
            start = time.perf_counter()
            way([mail])
            taken.append(time.perf_counter() - start)
    plain, ours = (sorted(taken) for taken in times)
    vendor = "postgres" if connection.vendor == "postgresql" else connection.vendor
    ratios = []
    for place, position in (("fastest tenth", mails // SLICES), ("middle", mails // 2)):
        ratios.append(ours[position] / plain[position])
        figures = f"{plain[position] * 1000:.2f} ms, through an instance {ours[position] * 1000:.2f} ms"
        say(f"{vendor}, {case}, {place}: {figures}, {ratios[-1]:.2f} of it (aim: {AIM})")
    return min(ratios) <= AIM
