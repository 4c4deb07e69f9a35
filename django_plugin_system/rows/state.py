"""What a provider hands out at run time: kept beside the configuration, encrypted as a whole, renewed by one at a time.

Each revision of a configuration has a row of its own. A renewal takes the row's lease by a conditional write, asks the
provider under no lock, and stores the answer where the row still holds what the answer was made of. All of that is
committed at once: inside a transaction of the caller's it is written on another connection.

SQLite has room for one writer only. There the lease is a lock on a file beside the database, and what is renewed inside
a transaction is kept in this process, with the lock, and written by a thread when that is over, committed or not.
"""

from __future__ import annotations

import base64
import datetime as dt
import logging
import random
import sqlite3
import threading
import uuid
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import DatabaseError, connections, router, transaction
from django.db.models import BooleanField, Case, Q, QuerySet, Value, When
from django.db.models.functions import Now
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.changes import adopt_schema, get_place, get_schema, is_in_transaction, outside_transaction
from django_plugin_system.config.codec import Codec, Parsed
from django_plugin_system.config.json_tree import INSIDE, replace_json
from django_plugin_system.config.keyring import get_keyring
from django_plugin_system.config.tokens import MARKER, Place, open_token, seal
from django_plugin_system.exceptions import (
    FieldProblem,
    PluginCredentialsRefused,
    SecretError,
    StateUnavailable,
    StoredConfigInvalid,
)
from django_plugin_system.rows.traceback_safety import leaving_frames_behind

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from pydantic import BaseModel

    from django_plugin_system.models import PluginInstance

TABLE = "django_plugin_system.pluginstate"
"""What the tokens of this table are bound to, beside the instance, its item, scope and configuration's revision."""
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5
LOOK_EVERY = 0.002
KEPT_FOR = 600.0
"""Seconds for which this process tries to write an answer that the database does not take."""

logger = logging.getLogger("django_plugin_system")


# A state as it is stored


def make_state_place(row: PluginInstance) -> Place:
    """Return where the state of an instance belongs."""
    return Place(TABLE, str(row.pk), str(row.item_id), row.scope, 0)


def seal_state(plain: Any, place: Place, revision: uuid.UUID) -> str:
    """Return a whole state, plain JSON, as one token."""
    return seal(plain, place, (str(revision),), get_keyring())[MARKER]


@leaving_frames_behind
def open_state(text: str, place: Place, revision: uuid.UUID) -> Any:
    """Return what ``seal_state`` took.

    :raises SecretError: if it cannot be opened, and for a token of another place.
    """
    try:
        return open_token({MARKER: text}, place, (str(revision),), get_keyring()).value
    except SecretError as error:
        failure = error.at(("state",))
    raise failure


class Seen(NamedTuple):
    """What the database holds: a token, empty before the first one, and who is renewing it."""

    text: str = ""
    lease: uuid.UUID | None = None
    is_leased: bool = False


@dataclass(eq=False)
class Hold:
    """Keeps others from renewing, until all who share it have released it."""

    end: Callable[[], object]
    users: list[None] = field(default_factory=lambda: [None])

    def share(self) -> Hold:
        """Return this, for one user more."""
        self.users.append(None)
        return self

    def release(self) -> None:
        """Let go, for one user."""
        self.users.pop()
        if not self.users:
            self.end()


class Kept(NamedTuple):
    """An answer that is not committed: what it was made of, itself, and what others wait for until it is."""

    before: str
    after: str
    connection: BaseDatabaseWrapper
    over: Callable[[], None]
    hold: Hold

    def is_awaited(self) -> bool:
        """Say whether the transaction in which it was made is open still."""
        return self.over in [entry[1] for entry in list(self.connection.run_on_commit)]


_kept: dict[Hashable, Kept] = {}


class StateStore:
    """The state of one row, for one revision of its configuration."""

    def __init__(self, row: PluginInstance, schema: type[BaseModel]) -> None:
        """Find out where it is stored, and how."""
        self.row = row
        self.using = router.db_for_write(type(row), instance=row)
        self.codec = Codec(schema, make_state_place(row), get_keyring(), f"the state of {row}")

    @property
    def _key(self) -> Hashable:
        return (get_place(self.using), self.row.pk, self.row.config_revision)

    @property
    def _all(self) -> QuerySet[Any]:
        model: Any = self.row._meta.get_field("states").related_model
        states: QuerySet[Any] = model._base_manager.using(self.using)
        return states.filter(instance_id=self.row.pk)

    @property
    def _own(self) -> QuerySet[Any]:
        return self._all.filter(revision=self.row.config_revision)

    # Reading

    def read(self) -> BaseModel | None:
        """Return the state; None if there is none yet.

        :raises ConfigError: if it cannot be read: its key is missing, it was altered, or no longer fits its schema.
        """
        return self._open(self._overlay(self._own.values_list("stored", flat=True).first() or ""))

    def _look(self) -> Seen:
        """Return what is committed by now."""
        leased = When(lease_until__gt=Now(), then=Value(value=True))
        is_leased = Case(leased, default=False, output_field=BooleanField())
        with outside_transaction(self.using):
            found = self._own.annotate(is_leased=is_leased).values_list("stored", "lease", "is_leased").first()
        seen = Seen(*found) if found else Seen()
        return seen._replace(text=self._overlay(seen.text))

    def _overlay(self, text: str) -> str:
        kept = _kept.get(self._key)
        return kept.after if kept is not None and kept.before == text else text

    @leaving_frames_behind
    def _open(self, text: str) -> BaseModel | None:
        if not text:
            return None
        tree, sealed = open_state(text, self.codec.place, self.row.config_revision)
        secrets = {tuple(path): base64.b64decode(plain) if is_raw else plain for path, is_raw, plain in sealed}
        data = replace_json(tree, lambda path, _value: secrets.get(path, INSIDE))
        try:
            return self.codec.restore_data(data, secrets).model
        except StoredConfigInvalid as invalid:
            problems = [FieldProblem(("state", *problem.path), problem.message) for problem in invalid.errors]
        raise StoredConfigInvalid(str(self.row), problems)

    @leaving_frames_behind
    def _seal(self, parsed: Parsed) -> str:
        encoded, _data = self.codec.encode(parsed)
        sealed = [
            [path, True, base64.b64encode(plain).decode()] if isinstance(plain, bytes) else [path, False, plain]
            for path, plain in encoded.secrets.items()
        ]
        return seal_state([encoded.tree, sealed], self.codec.place, self.row.config_revision)

    # Renewing

    @sensitive_variables()
    def renew(
        self, refresh: Callable[[Any], Any], is_stale: Callable[[Any], object], lease: float, timeout: float
    ) -> BaseModel:
        """Return a state that is not stale: what is stored, what another process is just getting, or a new one.

        :raises StateUnavailable: if another process did not get one, or not in time.
        :raises ConfigError: if what is stored cannot be read, or what ``refresh`` returns cannot be stored.
        """
        deadline, pause, waited_for = monotonic() + timeout, FIRST_PAUSE, None
        while True:
            seen = self._look()
            state = self._open(seen.text)
            if state is not None and not is_stale(state):
                return state
            if waited_for is not None and seen == waited_for._replace(lease=None, is_leased=False):
                raise StateUnavailable(self.codec.subject, "another one tried to renew it, and failed")
            hold = None if seen.is_leased else self._claim(seen, lease)
            if hold is not None:
                return self._refresh(refresh, state, seen, hold)
            waited_for = seen if seen.is_leased else None
            if monotonic() >= deadline:
                raise StateUnavailable(self.codec.subject, f"no chance to renew it within {timeout:g} seconds")
            sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - so that not all look at once
            pause = min(2 * pause, LONGEST_PAUSE)

    def _claim(self, seen: Seen, lease: float) -> Hold | None:
        """Return the lease, which is ours now; None if somebody was faster, or writes just now."""
        if connections[self.using].vendor == "sqlite":
            return self._lock(seen)
        claim, free = uuid.uuid4(), Q(lease=None) | ~Q(lease_until__gt=Now())
        until = Now() + dt.timedelta(seconds=lease)
        new = self._all.model(instance_id=self.row.pk, revision=self.row.config_revision)
        with suppress(DatabaseError), outside_transaction(self.using), transaction.atomic(using=self.using):
            self._all.bulk_create([] if seen.text or seen.lease else [new], ignore_conflicts=True)
            if self._own.filter(free, stored=seen.text).update(lease=claim, lease_until=until):
                return Hold(partial(self._release, claim))
        return None

    def _release(self, claim: uuid.UUID) -> None:
        with suppress(DatabaseError), outside_transaction(self.using), transaction.atomic(using=self.using):
            self._own.filter(lease=claim).update(lease=None, lease_until=None)

    def _lock(self, seen: Seen) -> Hold | None:
        connection = connections[self.using]
        for kept in list(_kept.values()):
            if kept.connection is connection and kept.is_awaited():
                return kept.hold.share()  # the lock is ours until then
        with connection.cursor() as cursor:  # the name in the settings may be a URI
            file = cursor.execute("PRAGMA database_list").fetchone()[2]
        path = f"{file}-plugin-state" if file else ":memory:"  # another process sees no such database
        lock = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        with suppress(sqlite3.OperationalError):
            lock.execute("BEGIN EXCLUSIVE")
            if self._look().text == seen.text:
                return Hold(lock.close)
        lock.close()
        return None

    @sensitive_variables()
    def _refresh(self, refresh: Callable[[Any], Any], state: Any, seen: Seen, hold: Hold) -> BaseModel:
        text = None
        try:
            parsed = self.codec.parse(refresh(state))
            text = self._seal(parsed)
        except PluginCredentialsRefused:
            latest = self._look()
            newer = self._open(latest.text) if latest.text != seen.text else None
            if newer is None:
                raise
            return newer  # somebody used this very token before: one whose lease had run out, or another database
        finally:
            if text is None:
                hold.release()
        self._store(seen.text, text, hold)
        return parsed.model

    def _store(self, before: str, after: str, hold: Hold) -> None:
        """Write what was renewed, unless somebody else has; what cannot be written now is kept until it can."""
        connection = connections[self.using]
        is_sqlite = connection.vendor == "sqlite"
        if not is_sqlite or not is_in_transaction(self.using):
            try:
                with outside_transaction(self.using):
                    self._write(before, after)
            except DatabaseError as error:
                reason = type(error).__name__
                logger.warning("The state of instance %s cannot be stored yet: %s", self.row.pk, reason)
            else:
                if is_sqlite:
                    hold.release()
                return
        known = _kept.get(self._key)
        if known is not None:
            _kept[self._key] = known._replace(after=after)
            hold.release()
            return
        over = threading.Event().set  # what the transaction, if one is open, waits with
        if connection.in_atomic_block:
            transaction.on_commit(over, using=self.using)
        _kept[self._key] = Kept(before, after, connection, over, hold)
        place = (self._key, get_schema(connection))
        threading.Thread(target=self._write_later, args=place, name="plugin-state").start()

    def _write(self, before: str, after: str) -> None:
        with transaction.atomic(using=self.using):
            values = {"stored": after, "lease": None, "lease_until": None}
            if not self._own.filter(stored=before).update(**values) and not before:
                made = self._all.model(instance_id=self.row.pk, revision=self.row.config_revision, **values)
                self._all.bulk_create([made], ignore_conflicts=True)
            current = self._all.filter(instance__config_revision=self.row.config_revision)
            current.exclude(revision=self.row.config_revision).delete()

    def _write_later(self, key: Hashable, schema: str | None) -> None:
        """Write what is kept when its transaction is over, in a thread for which the process waits at its end."""
        until = monotonic() + KEPT_FOR
        while _kept[key].is_awaited():
            sleep(LOOK_EVERY)
        adopt_schema(connections[self.using], schema)
        while monotonic() < until:
            try:
                self._write(_kept[key].before, _kept[key].after)
                break
            except DatabaseError:
                sleep(LOOK_EVERY)
        _kept.pop(key).hold.release()
        connections[self.using].close()
