"""``manage.py demo``: everything at once, from an empty directory to a page in the browser."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler, get_internal_wsgi_application

from apps.frontdesk.seed import follow_ports
from apps.mailbox.server import HOST, MailServer
from project.local import get_local, remember_ports

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

_CHATTY = 2
"""The verbosity from which on every request is logged."""


class Command(BaseCommand):
    """Migrates, seeds, and serves the page and a mail server on the loopback address."""

    help = "Set the demo up and serve it until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add ``--port``."""
        parser.add_argument("--port", type=int, default=8000, help="where to serve the page; 8000 unless given")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until Ctrl-C or SIGTERM.

        :raises CommandError: if the port is taken.
        """
        del args
        with _open_server(options["port"]) as web, MailServer(get_local().smtp_port) as mail:
            call_command("migrate", verbosity=0)
            call_command("seed", stdout=self.stdout)
            follow_ports(web_port=web.server_port, smtp_port=mail.port)
            remember_ports(web_port=web.server_port, smtp_port=mail.port)
            if options["verbosity"] < _CHATTY:
                logging.getLogger("django.server").setLevel(logging.WARNING)
            self.stdout.write(f"Mail server: {HOST}:{mail.port}")
            self.stdout.write(self.style.SUCCESS(f"Ready: http://{HOST}:{web.server_port}/  (Ctrl-C stops)"))
            self.stdout.flush()
            _serve(web)
        self.stdout.write("Stopped.")


def _open_server(port: int) -> ThreadedWSGIServer:
    """Return a server that holds ``port``, with a thread for each request: the page calls the gateway beside it."""
    try:
        server = ThreadedWSGIServer((HOST, port), WSGIRequestHandler)
    except OSError as error:
        message = f"Port {port} cannot be served ({error.strerror}). Choose another with --port."
        raise CommandError(message) from error
    server.daemon_threads = True
    server.set_app(get_internal_wsgi_application())
    return server


def _serve(server: ThreadedWSGIServer) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
