"""A mail server in a process of its own, until its standard input ends; it prints its port."""

from __future__ import annotations

import sys

from bench.machine import say
from tests.support.mail_servers import running_mail_server

if __name__ == "__main__":
    with running_mail_server() as running:
        say(str(running.port))
        sys.stdin.read()
