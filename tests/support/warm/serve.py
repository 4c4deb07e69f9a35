"""The process whose forks are the programs: ``python serve.py SOCKET``; it ends when its standard input does."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import runpy
import select
import signal
import socket
import sys
import threading
from importlib.machinery import PathFinder
from typing import Any

PACKAGE = "django_plugin_system"
_DJANGO = (
    *("contrib.admin", "contrib.auth", "contrib.messages", "contrib.staticfiles.handlers", "core.handlers.wsgi"),
    *("core.mail", "core.management", "core.management.commands.migrate", "core.management.commands.shell"),
    *("core.serializers.json", "db.backends.sqlite3.base", "db.migrations.autodetector", "db.migrations.executor"),
    *("db.models", "forms", "template.loader", "urls", "views.generic"),
)
_OWN = ("clients", "config.codec", "conf", "exceptions", "plugin", "registry", "schema.checks", "schema.tree")
WARM = (
    *("coverage", "cryptography.hazmat.primitives.ciphers.aead", "doctest", "pydantic", "pydantic.json_schema"),
    *(f"django.{name}" for name in _DJANGO),
    *("django_jsonform.widgets", *(f"{PACKAGE}.{name}" for name in _OWN)),
)
"""What needs no settings to be imported."""


def receive(connection: socket.socket) -> tuple[list[str], bytes, dict[bytes, bytes], list[int]]:
    """Return what a client sends: arguments, folder, environment and files."""
    head, files, _flags, _address = socket.recv_fds(connection, 10, 3)
    message = b""
    while len(message) < int(head):
        message += connection.recv(1 << 20)
    folder, count, *rest = message.split(b"\0")
    environment = dict(line.split(b"=", 1) for line in rest[int(count) :])
    return [os.fsdecode(argument) for argument in rest[: int(count)]], folder, environment, files


def watch(connection: socket.socket, pid: int) -> None:
    """Hand on the signals that a client gets; let the program end with its client."""
    while received := connection.recv(1):
        os.kill(pid, received[0])
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def attend(connection: socket.socket) -> list[str]:
    """Start a client's program, and tell the client how it ended; in the program's process, return its arguments."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    arguments, folder, environment, files = receive(connection)
    pid = os.fork()
    if pid:
        for file in files:
            os.close(file)
        threading.Thread(target=watch, args=(connection, pid), daemon=True).start()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(OSError):
            connection.send(b"%d" % status)
        os._exit(0)
    connection.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environb.clear()
    os.environb.update(environment)
    return arguments


def serve(path: str) -> list[str]:
    """Answer clients until the standard input ends; return the arguments in each program's process."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        os.write(1, b"ready\n")
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for what attends to a client
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            connection, _address = listener.accept()
            with connection:
                if os.fork() == 0:
                    return attend(connection)
    sys.exit()


def is_imported(name: str) -> bool:
    """Say whether what ``sys.path`` leads to is what is imported already."""
    found = PathFinder.find_spec(name)
    return found is not None and found.origin == sys.modules[name].__file__


def find_program(arguments: list[str], path: list[str]) -> None:
    """Make ``sys.path`` what it is for a program that is started so.

    Another copy of the package is imported anew; with another Django nothing that is imported is of use.
    """
    given = os.environ.get("PYTHONPATH", "")
    first = {"-m": os.getcwd(), "-c": ""}.get(arguments[0], os.path.dirname(os.path.abspath(arguments[0])))  # noqa: PTH100, PTH109, PTH120 - as text
    sys.path[:] = [first, *filter(None, given.split(os.pathsep)), *path]
    if not is_imported("django"):
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - it is a Python program
    if not is_imported(PACKAGE):
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]


def run(arguments: list[str]) -> None:
    """Run what the interpreter's arguments name."""
    kind, *rest = arguments
    if kind == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102
    else:
        sys.argv = arguments
        runpy.run_path(kind, run_name="__main__")


def main() -> None:
    """Import, serve, and be the program in its process."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    for name in WARM:
        importlib.import_module(name)
    path = [entry for entry in sys.path[1:] if entry not in given]
    gc.freeze()
    arguments = serve(sys.argv[1])
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    find_program(arguments, path)
    for stream in (sys.stdout, sys.stderr):
        options: dict[str, Any] = {"write_through": True} if os.environ.get("PYTHONUNBUFFERED") else {}
        stream.reconfigure(**options)  # type: ignore[union-attr]
    importlib.import_module("coverage").process_startup()
    run(arguments)


if __name__ == "__main__":
    main()
