"""Clients that live as long as the configuration they were made of: ``@shared_client``.

What is made of one configuration of one row is a *generation*. Each plugin that uses one of its clients is its user,
until it is garbage. The generation of a newer configuration outdates the others of its row: these are closed when their
last user is gone, or after a grace. There are two of a row at most, as long as waiting for one to be closed can help.

Nothing is closed by a caller: a thread does that, which garbage collection may call at any moment, so by a queue.
"""

from __future__ import annotations

import asyncio
import atexit
import hmac
import inspect
import itertools
import logging
import os
import queue
import secrets
import threading
import weakref
from collections.abc import Awaitable, Callable, Collection, Hashable
from contextlib import suppress
from dataclasses import InitVar, dataclass, field
from time import monotonic
from typing import Any, Generic, TypeVar, overload

from django_plugin_system.exceptions import ClientUnavailable, PluginSystemError

C = TypeVar("C")

IDLE = 600.0
"""Seconds after which a client that nobody uses is closed."""
GRACE = 60.0
"""Seconds for which an outdated client stays open for those who use it."""
PATIENCE = 5.0
"""Seconds for which a third generation waits for one of the two that are open."""
RETRY_AFTER = 5.0
"""Seconds for which selection passes an instance over whose client could not be made."""
CLOSE_LIMIT = 10.0
"""Seconds that an event loop has to close a client."""
CLOSE_ALL_LIMIT = 30.0
"""Seconds that the end of a process waits until all clients are closed."""
_MOST_OPEN = 2
_LOOK_EVERY = 1.0
_ANY_LOOP = object()
_KEY = secrets.token_bytes(32)

logger = logging.getLogger("django_plugin_system")


@dataclass(eq=False, repr=False)
class Origin:
    """The stored configuration that plugins are built from. Of two of the same row, the one made later is newer."""

    row: Any = None
    line: Hashable = None
    """What tells the row from all others; without it plugins share nothing."""
    contents: InitVar[Collection[object]] = ()
    """What the configuration consists of, references followed. A digest is kept: its key is known to this process."""
    get_config: Any = None
    used: Any = None
    """Knows what the references gave, which need not be what they give by now."""
    number: int = field(default_factory=itertools.count(1).__next__, init=False)
    digest: bytes | None = field(default=None, init=False)

    def __post_init__(self, contents: Collection[object]) -> None:
        """Digest the contents."""
        if self.line is not None:
            text = repr([self.line, *contents]).encode(errors="surrogatepass")
            self.digest = hmac.digest(_KEY, text, "sha256")


NO_ORIGIN = Origin()


class SharedClient(Generic[C]):
    """An attribute that gives each plugin the client of its configuration; ``shared_client`` makes one."""

    def __init__(
        self, make: Callable[[Any], C], close: Callable[[Any], object] | None, idle: float, grace: float
    ) -> None:
        """Take what makes the client and what closes it."""
        self.make, self.close, self.idle, self.grace = make, close or _close_by_its_own_method, idle, grace
        self.name = make.__qualname__
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, plugin: None, owner: type) -> SharedClient[C]: ...
    @overload
    def __get__(self, plugin: object, owner: type) -> C: ...
    def __get__(self, plugin: object | None, owner: type) -> SharedClient[C] | C:
        """Return the client of the plugin's configuration, made now if there is none.

        :raises ClientUnavailable: if it cannot be made; errors of this package's kinds come as they are.
        """
        if plugin is None:
            return self
        while True:
            generation = plugin.__dict__.get("_clients")
            if generation is None or generation.is_over:
                generation = plugin.__dict__["_clients"] = _join(plugin)
            found = generation.get(self, plugin)
            if found is not None:
                client: C = found.client
                return client


@overload
def shared_client(make: Callable[[Any], C], /) -> SharedClient[C]: ...
@overload
def shared_client(
    *, close: Callable[[Any], object] | None = None, idle: float = IDLE, grace: float = GRACE
) -> Callable[[Callable[[Any], C]], SharedClient[C]]: ...
def shared_client(
    make: Callable[[Any], C] | None = None,
    /,
    *,
    close: Callable[[Any], object] | None = None,
    idle: float = IDLE,
    grace: float = GRACE,
) -> Any:
    """Make a method of a plugin class, which makes a client, an attribute that is one client for all of a process.

    All plugins of one row share it as long as the configuration, references followed, stays the same; a client that
    can be entered by ``async with`` is shared within one event loop. ``close`` gets the client, and may be a coroutine
    function; by default its ``aclose()`` or ``close()`` is called, if it has one. A client that no plugin uses is
    closed after ``idle`` seconds, an outdated one when its last user is garbage, or after ``grace`` seconds.
    """
    if make is not None:
        return SharedClient(make, close, idle, grace)
    return lambda method: SharedClient(method, close, idle, grace)


def _close_by_its_own_method(client: Any) -> object:
    close = getattr(client, "aclose", None) or getattr(client, "close", None)
    return None if close is None else close()


@dataclass(frozen=True, eq=False)
class _Made:
    shared: SharedClient[Any]
    client: Any = field(repr=False)
    loop: asyncio.AbstractEventLoop | None

    def close(self) -> None:
        """Close the client, in its event loop if that still runs; what goes wrong is logged."""
        try:
            if self.loop is not None and self.loop.is_running():
                asyncio.run_coroutine_threadsafe(self._close(), self.loop).result(CLOSE_LIMIT)
            elif hasattr(type(self.client), "__aenter__"):
                asyncio.run(self._close())
            elif inspect.isawaitable(result := self.shared.close(self.client)):
                asyncio.run(_finish(result))
        except BaseException as error:  # noqa: BLE001 - foreign code, whose text may quote a secret; the thread goes on
            logger.warning("The shared client %s could not be closed: %s", self.shared.name, type(error).__name__)

    async def _close(self) -> None:
        result = self.shared.close(self.client)
        if inspect.isawaitable(result):
            await result


async def _finish(result: Awaitable[object]) -> None:
    await result


class _Generation:
    """The clients of one configuration of one row, in the order in which they were made."""

    def __init__(self, origin: Origin, *, is_private: bool = False) -> None:
        self.line: Hashable = self if is_private else origin.line
        self.digest, self.number = origin.digest, origin.number
        self.clients: dict[Any, _Made] = {}
        self.users: dict[int, int] = {}
        """The thread of each plugin that uses a client, by a number of its own."""
        self.is_over = False
        self.outdated_since: float | None = float("inf") if is_private else None
        self.last_used = monotonic()
        self.failed_at = float("-inf")
        self.making = threading.RLock()

    def get(self, shared: SharedClient[Any], plugin: Any) -> _Made | None:
        """Return the client, made now if there is none; None if this generation is over."""
        found = self._find(shared)
        if found is not None:
            return found
        began = monotonic()
        with self.making:
            return None if self.is_over else self._find(shared) or self._make(shared, plugin, began)

    def _find(self, shared: SharedClient[Any]) -> _Made | None:
        return self.clients.get((shared, _ANY_LOOP)) or self.clients.get((shared, _get_loop()))

    def _make(self, shared: SharedClient[Any], plugin: Any, began: float) -> _Made:
        failure: PluginSystemError = ClientUnavailable(shared.name, "another thread has just tried")
        if self.failed_at < began:
            try:
                client = shared.make(_copy(plugin))
            except PluginSystemError as error:  # the plugin's own word
                failure = error
            except Exception as error:  # noqa: BLE001 - foreign code, whose text may quote a secret
                failure = ClientUnavailable(shared.name, type(error).__name__)
            else:
                is_bound = hasattr(type(client), "__aenter__")
                made = _Made(shared, client, _get_loop() if is_bound else None)
                self.clients[shared, made.loop if is_bound else _ANY_LOOP] = made
                return made
            self.failed_at = monotonic()
            _note_failure(self.digest, self.failed_at, failure, shared.name)
        raise failure

    def is_due(self) -> bool:
        """Say whether it is to be closed."""
        options = [made.shared for made in list(self.clients.values())]
        if self.outdated_since is None:
            idle = max((shared.idle for shared in options), default=0)
            return not self.users and monotonic() - self.last_used >= idle
        grace = max((shared.grace for shared in options), default=0)
        return not self.users or monotonic() - self.outdated_since >= grace

    def release(self, user: int) -> None:
        """Note that a user is gone. Garbage collection calls this, in any thread, whatever lock that holds."""
        self.users.pop(user, None)
        self.last_used = monotonic()
        if self.outdated_since is not None:
            _due.put(self)

    def close(self) -> None:
        """Close all clients, the newest first."""
        with self.making:
            for made in reversed(self.clients.values()):
                made.close()

    def close_orphans(self) -> None:
        """Close the clients of event loops that were closed."""
        orphans = [key for key, made in list(self.clients.items()) if made.loop is not None and made.loop.is_closed()]
        for key in orphans:
            self.clients.pop(key).close()


def _get_loop() -> asyncio.AbstractEventLoop | None:
    with suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None


def _copy(plugin: Any) -> Any:
    """Return a plugin like this one, for a client to hold: nobody's user, with the configuration as it is stored."""
    made = object.__new__(type(plugin))
    made.__dict__.update(plugin.__dict__)
    get_config = _get_origin(plugin).get_config
    if get_config is not None and "config" in made.__dict__:
        made.config = get_config()
    return made


def _get_origin(plugin: Any) -> Origin:
    origin: Origin = getattr(plugin, "_origin", NO_ORIGIN)
    return origin


# All of this process

_lines: dict[Hashable, list[_Generation]] = {}
_changed = threading.Condition()
"""Guards the lines; notified when a generation was closed."""
_due: queue.SimpleQueue[_Generation | threading.Event] = queue.SimpleQueue()
"""Generations that may have to be closed. Garbage collection may put one here: a SimpleQueue may be entered again.

An event asks for all to be closed, and is set when they are.
"""
_closer: threading.Thread | None = None
_users = itertools.count()
failures: dict[bytes | None, tuple[float, tuple[str, str]]] = {}
"""By digest, until when selection passes an instance over, which error is the reason, and what raised it."""


def _note_failure(digest: bytes | None, now: float, error: PluginSystemError, name: str) -> None:
    for key in [key for key, (until, _failed) in list(failures.items()) if until < now]:
        failures.pop(key, None)
    if digest is not None:
        error_name = error.error_name if isinstance(error, ClientUnavailable) else type(error).__name__
        failures[digest] = (now + RETRY_AFTER, (error_name, f"its shared client {name}"))


def find_failure(origin: Origin) -> tuple[str, str] | None:
    """Return which error kept a client of this configuration from being made a moment ago, and what raised it."""
    until, failed = failures.get(origin.digest, (0.0, None))
    return failed if monotonic() < until else None


def _join(plugin: Any) -> _Generation:
    """Return the generation of the plugin's configuration, which has the plugin among its users from now on."""
    origin = _get_origin(plugin)
    with _changed:
        if origin.digest is None:
            found = _Generation(origin, is_private=True)
            _lines[found.line] = [found]
        else:
            found = _find_or_add(origin)
        user = next(_users)
        found.users[user] = threading.get_ident()
        weakref.finalize(plugin, found.release, user).atexit = False
        _start_closer()
    return found


def _find_or_add(origin: Origin) -> _Generation:
    deadline = monotonic() + PATIENCE
    found, line, newest = _find(origin)
    while found is None and len(line) >= _MOST_OPEN and (left := deadline - monotonic()) > 0 and _may_end(line):
        _changed.wait(left)
        found, line, newest = _find(origin)
    if found is None:
        found = _Generation(origin)
        line.append(found)
        _mark(found, is_outdated=found.number < newest)
    return found


def _find(origin: Origin) -> tuple[_Generation | None, list[_Generation], int]:
    """Return the generation of this configuration, if it is there, all of its row, and the number of the newest."""
    line = _lines.setdefault(origin.line, [])
    newest = max([origin.number, *(one.number for one in line)])
    found = next((one for one in line if one.digest == origin.digest and not one.is_over), None)
    if found is not None:
        found.number = max(found.number, origin.number)
    for one in line:
        _mark(one, is_outdated=one.number < newest)
    return found, line, newest


def _mark(generation: _Generation, *, is_outdated: bool) -> None:
    if not is_outdated:
        generation.outdated_since = None
    elif generation.outdated_since is None:
        generation.outdated_since = monotonic()
        if not generation.users:
            _due.put(generation)


def _may_end(line: list[_Generation]) -> bool:
    """Say whether waiting may help: this thread does not wait for itself."""
    here = threading.get_ident()
    return any(one.is_over or (one.outdated_since and here not in list(one.users.values())) for one in line)


def _start_closer() -> None:
    global _closer  # noqa: PLW0603 - one thread for the process
    if _closer is None:
        thread = threading.Thread(target=_close_what_is_due, name="plugin-clients", daemon=True)
        with suppress(RuntimeError):  # none can be started: the process ends, say
            thread.start()
            _closer = thread


def _close_what_is_due() -> None:
    look_at = monotonic() + _LOOK_EVERY
    while True:
        with suppress(queue.Empty):
            due = _due.get(timeout=max(0.0, look_at - monotonic()))
            if isinstance(due, _Generation):
                _end(due)
            else:
                for generation in _list_all():
                    _end(generation, at_once=True)
                due.set()
        if monotonic() >= look_at:
            for generation in _list_all():
                generation.close_orphans()
                _end(generation)
            look_at = monotonic() + _LOOK_EVERY


def _list_all() -> list[_Generation]:
    with _changed:
        return [one for line in reversed(_lines.values()) for one in line]


def _end(generation: _Generation, *, at_once: bool = False) -> None:
    """Close a generation if it is due."""
    with _changed:
        if generation.is_over or not (at_once or generation.is_due()):
            return
        generation.is_over = True
    generation.close()
    with _changed:
        line = _lines[generation.line]
        line.remove(generation)
        if not line:
            del _lines[generation.line]
        _changed.notify_all()


def close_clients() -> None:
    """Close every shared client of this process now; who still needs one gets another one.

    A thread does it, as a client that hangs must not keep a process from ending: this waits for half a minute at most.
    """
    if _closer is not None:
        is_done = threading.Event()
        _due.put(is_done)
        is_done.wait(CLOSE_ALL_LIMIT)


_inherited: list[Any] = []
"""What a forked process must neither use nor close: the parent does."""


def _forget() -> None:
    """Begin anew after a fork: no lock, no thread and no connection of the parent's is any good here."""
    global _changed, _due, _closer
    for generation in [one for line in list(_lines.values()) for one in line]:
        generation.is_over = True
    _inherited.append(dict(_lines))
    _lines.clear()
    _changed, _due, _closer = threading.Condition(), queue.SimpleQueue(), None


getattr(os, "register_at_fork", lambda **_options: None)(after_in_child=_forget)
atexit.register(close_clients)
