"""Where values stand that a configuration refers to: a backend for each kind of reference, and what is held of a store.

A store that has to be asked over a network is asked in threads. What it gave is used for ``ttl`` seconds and then asked
for again, while nobody waits; as long as it does not answer, what it gave last is used for ``keep`` seconds more.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import PurePath
from time import monotonic, sleep
from typing import Any, NamedTuple

from django.utils.module_loading import import_string

from django_plugin_system.conf import get_settings
from django_plugin_system.exceptions import InvalidSetting

ENV = "$env"
FILE = "$file"
MAX_BYTES = 2 * 1024 * 1024
"""How long a file may be that is referred to."""
RETRY_AFTER = 10.0
"""Seconds after which a store that did not answer is asked again."""
MOST_ASKING = 4
"""Threads that ask one store at a time; one that hangs counts until it ends, as a thread cannot be ended."""

logger = logging.getLogger("django_plugin_system")


class Unavailable(NamedTuple):
    """A reference gives no value; ``reason`` says why, and names the variable, the file or the secret."""

    reason: str


Given = str | bytes | Unavailable
"""What a reference gives: text, or bytes where it is not UTF-8."""


class ReferenceBackend:
    """Base of what a kind of reference stands for. ``PLUGIN_SYSTEM["REFERENCES"]`` names a subclass and its options."""

    def __init__(self, *, ttl: float = 300, keep: float = 3600, timeout: float = 5) -> None:
        """Take for how many seconds (1 or more) a value is used, and used on while the store does not answer.

        A call that needs a value which is not held waits for ``timeout`` seconds at most.
        """
        self.ttl, self.keep, self.timeout = max(1.0, ttl), keep, timeout

    def resolve(self, names: Sequence[str]) -> Mapping[str, Given]:
        """Return what the store has under each of ``names``; a name that it does not have is left out.

        What cannot be answered for now is ``Unavailable``. If none of it can be, raise anything: only the type is told.
        """
        raise NotImplementedError


class EnvBackend(ReferenceBackend):
    """The environment of this process."""

    def resolve(self, names: Sequence[str]) -> Mapping[str, Given]:
        """Return the variables."""
        missing = "the environment variable {} is not set"
        return {
            name: _to_text(os.fsencode(os.environ[name])) if name in os.environ else Unavailable(missing.format(name))
            for name in names
        }


class FileBackend(ReferenceBackend):
    """Files below the directories of ``PLUGIN_SYSTEM["FILE_REFERENCES"]``."""

    def resolve(self, names: Sequence[str]) -> Mapping[str, Given]:
        """Return the content of the files."""
        return {name: _read_file(name) for name in names}


def _to_text(content: bytes) -> str | bytes:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def _read_file(name: str) -> Given:
    try:
        real = os.path.realpath(name) if PurePath(name).is_absolute() else ""
        directories = map(os.path.realpath, get_settings().FILE_REFERENCES)
        directory = next((one for one in directories if PurePath(one) in PurePath(real).parents), None)
        if directory is None:
            return Unavailable(f"the file {name} is not below a directory of PLUGIN_SYSTEM['FILE_REFERENCES']")
        content = _read_regular(directory, PurePath(real).relative_to(directory).parts)
    except OSError as error:
        return Unavailable(f"the file {name} cannot be read ({errno.errorcode.get(error.errno or 0, 'error')})")
    if len(content) > MAX_BYTES:
        return Unavailable(f"the file {name} is longer than {MAX_BYTES:,} bytes")
    text = _to_text(content)
    return text if isinstance(text, bytes) else _drop_newline(text)


def _read_regular(directory: str, parts: tuple[str, ...]) -> bytes:
    """Return the content of a file below ``directory``, one byte more than allowed at most.

    A pipe is refused, not waited for. No link is followed: one that is there by now was put there since we looked.

    :raises OSError: if it cannot be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    with ExitStack() as stack:
        folder: int | None = None
        for name in (directory, *parts[:-1]):
            folder = os.open(name, flags | getattr(os, "O_DIRECTORY", 0), dir_fd=folder)
            stack.callback(os.close, folder)
        _require_regular(os.stat(parts[-1], dir_fd=folder, follow_symlinks=False))  # opening a device may have effects
        file = stack.enter_context(os.fdopen(os.open(parts[-1], flags, dir_fd=folder), "rb"))
        _require_regular(os.fstat(file.fileno()))
        return file.read(MAX_BYTES + 1)


def _require_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.ENOTSUP, "not a regular file")


def _drop_newline(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


# Stores


@dataclass(eq=False)
class _Held:
    value: Given = field(repr=False)
    given_at: float
    used_at: float


class Store:
    """One kind of reference, and what this process holds of it: never shown, and never pickled."""

    def __init__(self, kind: str) -> None:
        """Take the key of such references, ``$aws`` say."""
        self.kind = kind
        self._held: dict[str, _Held] = {}
        self._problem: str | None = None
        self._refused: dict[str, str] = {}
        """Why the store, which answers, does not give what is held of it, by name."""
        self.begin()

    def begin(self) -> None:
        """Begin, also after a fork, with a backend of this process's own."""
        self._backend = _make_backend(self.kind)
        self._lock, self._starting = threading.Lock(), threading.Lock()
        self._refresher: threading.Thread | None = None
        self._asking: list[threading.Thread] = []
        self._retry_at = 0.0

    def get(self, names: Collection[str]) -> dict[str, Given]:
        """Return what each of ``names`` gives; waits only for what is not held."""
        if self.kind in _LOCAL:
            return dict(self._backend.resolve([*names]))
        bases = {name: name.partition("#")[0] for name in names}
        now = monotonic()
        fresh = {base for base in bases.values() if now < self._get_end(base)}
        if missing := sorted({*bases.values()} - fresh):
            self._ask_and_wait(missing, now)
        for base in bases.values():
            if base in self._held:
                self._held[base].used_at = now
        self._start_refresher()
        return {name: _pick(self._get_held(base), name) for name, base in bases.items()}

    def describe_outages(self) -> list[str]:
        """Return what people should know of the store while it does not answer, or not for some names."""
        every, refused = [*self._held], {name: why for name, why in [*self._refused.items()] if name in self._held}
        found = [f"{why}: {self._describe_held([name])}" for name, why in refused.items()]
        if self._problem is not None:
            found.insert(0, f"{self.kind} does not answer ({self._problem}): {self._describe_held(every)}")
        return found

    def _describe_held(self, names: Sequence[str]) -> str:
        left = [max(0.0, self._get_end(name) - monotonic()) for name in names]
        return f"what it gave last is used for {min(left):.0f} s more" if left else "nothing is held of it"

    def _get_end(self, name: str) -> float:
        held = self._held.get(name)
        return held.given_at + self._backend.ttl + self._backend.keep if held is not None else 0.0

    def _get_held(self, name: str) -> Given:
        if monotonic() < self._get_end(name):
            return self._held[name].value
        return Unavailable(f"{self.kind} {name}: the store does not answer ({self._problem})")

    def _ask_and_wait(self, names: Sequence[str], now: float) -> None:
        with self._lock:  # who waits here finds what the first one got
            names = [name for name in names if monotonic() >= self._get_end(name)]
            if not names or now < self._retry_at:
                return
            self._ask_in_time(names)

    def _ask_in_time(self, names: Sequence[str]) -> None:
        """Ask in a thread, and wait for it as long as a call may wait."""
        asking = [one for one in self._asking if one.is_alive()]
        if len(asking) < MOST_ASKING:
            thread = threading.Thread(target=self._ask, args=(names,), name="plugin-references", daemon=True)
            thread.start()
            self._asking = [*asking, thread]
            thread.join(self._backend.timeout)
            if not thread.is_alive():
                return
        self._note_problem(f"not within {self._backend.timeout:g} seconds")

    def _ask(self, names: Sequence[str]) -> None:
        try:
            answer = self._backend.resolve(names)
        except Exception as error:  # noqa: BLE001 - foreign code, whose text may quote a secret
            self._note_problem(type(error).__name__)
            return
        if self._problem is not None:
            logger.warning("Reference store %s answers again.", self.kind)
        self._problem, self._retry_at, now = None, 0.0, monotonic()
        for name in names:
            given = answer.get(name, Unavailable(f"{self.kind} {name}: there is no such secret"))
            is_refused = name in answer and isinstance(given, Unavailable)
            if is_refused and not isinstance(self._get_held(name), Unavailable):
                self._note_refusal(name, str(given[0]))
            else:
                used_at = self._held[name].used_at if name in self._held else now
                self._held[name] = _Held(given, now, used_at)
                self._refused.pop(name, None)

    def _note_refusal(self, name: str, reason: str) -> None:
        is_news, self._refused[name] = name not in self._refused, reason
        if is_news:
            logger.warning("Reference store %s", self.describe_outages()[-1])

    def _note_problem(self, problem: str) -> None:
        is_news, self._problem, self._retry_at = self._problem is None, problem, monotonic() + RETRY_AFTER
        if is_news:
            logger.warning("Reference store %s", self.describe_outages()[0])

    def _start_refresher(self) -> None:
        with self._starting:
            if self._held and not (self._refresher and self._refresher.is_alive()):
                thread = threading.Thread(target=self._refresh, name="plugin-references", daemon=True)
                with suppress(RuntimeError):  # none can be started: the process ends, say
                    thread.start()
                    self._refresher = thread

    def _refresh(self) -> None:
        """Ask for all that was used lately, again and again, until there is nothing, or the settings have changed."""
        while self._held and _stores.get(self.kind) is self:
            sleep(self._backend.ttl if self._problem is None else min(self._backend.ttl, RETRY_AFTER))
            since = monotonic() - self._backend.keep
            for name in [name for name, held in list(self._held.items()) if held.used_at < since]:
                del self._held[name]
            if self._held:
                self._ask_in_time(sorted(self._held))


def _pick(given: Given, name: str) -> Given:
    """Return what the name goes on with after ``#``: a value of the JSON object that stands in the store."""
    _base, mark, key = name.partition("#")
    if not mark or isinstance(given, Unavailable):
        return given
    found = None
    with suppress(ValueError, RecursionError):
        found = json.loads(given)
    if not isinstance(found, dict) or key not in found:
        return Unavailable(f"{name}: there is no JSON object with that key")
    return found[key] if isinstance(found[key], str) else json.dumps(found[key])


_LOCAL: dict[str, type[ReferenceBackend]] = {ENV: EnvBackend, FILE: FileBackend}
"""What is so near that it is asked each time."""
_stores: dict[str, Store] = {}


def get_store(kind: str) -> Store:
    """Return the store for this kind of reference.

    :raises InvalidSetting: if its backend cannot be made.
    """
    if kind not in _stores:
        _stores[kind] = Store(kind)
    return _stores[kind]


def _make_backend(kind: str) -> ReferenceBackend:
    if kind in _LOCAL:
        return _LOCAL[kind]()
    given = get_settings().REFERENCES[kind[1:]]
    setting = f"PLUGIN_SYSTEM['REFERENCES']['{kind[1:]}']"
    try:
        backend: Any = import_string(given["BACKEND"])(**given.get("OPTIONS", {}))
    except Exception as error:  # noqa: BLE001 - foreign code, which may quote an option
        problem = InvalidSetting(setting, f"its backend cannot be made ({type(error).__name__})")
    else:
        return backend  # type: ignore[no-any-return]
    raise problem


def find_fault(kind: str) -> str | None:
    """Return why the backend for this kind of reference cannot be made, or None."""
    try:
        get_store(kind)
    except InvalidSetting as error:
        return str(error)
    return None


def find_outages() -> list[str]:
    """Return what people should know of the stores that do not answer."""
    return [said for store in list(_stores.values()) for said in store.describe_outages()]


def forget_stores() -> None:
    """Forget all that is held, after a change of the settings; the threads that renew it end with that."""
    _stores.clear()


def _begin_anew() -> None:
    for store in list(_stores.values()):
        store.begin()


getattr(os, "register_at_fork", lambda **_options: None)(after_in_child=_begin_anew)
