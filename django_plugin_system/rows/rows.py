"""How rows are saved: every write is announced, and a configuration is in its stored form before it is written."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models, router
from typing_extensions import Self

from django_plugin_system.changes import Commit, changing, get_commit
from django_plugin_system.exceptions import ConfigError, StaleConfig
from django_plugin_system.rows import config as configuration
from django_plugin_system.rows.fields import NOTES, StoredConfig, to_text
from django_plugin_system.rows.traceback_safety import Concealed, conceal, leaving_frames_behind, reveal

if TYPE_CHECKING:
    from pydantic import BaseModel

    from django_plugin_system.config.opened import Opened


LOCKED_AT_ONCE = 500
"""How many rows one query locks."""
COMPARED = ("config", "config_version", *NOTES)
"""What is read and written together, and so compared together."""
_SAVE_OPTIONS = ("force_insert", "force_update", "using", "update_fields")


@dataclass
class Loaded:
    """What the database held of a row when an object read or wrote it last, so that a save knows what it changed."""

    values: dict[str, Any] = field(default_factory=dict, repr=False)
    """By column. A config is kept as text, as it may be changed in place."""
    commit: Commit | None = None
    """Until this has come, a rollback brings back what was known before."""
    before: Loaded | None = field(default=None, repr=False)

    def settle(self) -> Loaded:
        """Return this, or what was known before if what wrote this was rolled back."""
        known = self
        while known.commit is not None and known.before is not None:
            if known.commit.is_done:
                known.commit = known.before = None
            elif known.commit.is_awaited():
                break
            else:
                known = known.before
        return known

    def __getstate__(self) -> dict[str, Any]:
        """Return what is copied and pickled: another process knows nothing of the transaction."""
        return {"values": self.values, "commit": None, "before": None}


def _remember(name: str, value: Any) -> Any:
    """Return the value of a column as it can be compared later."""
    return to_text(value) if name == "config" else value


def _to_stored(known: Mapping[str, Any]) -> configuration.Stored:
    """Return the config among remembered columns."""
    values: dict[str, Any] = {name: known.get(name) for name in configuration.Stored._fields}
    return configuration.Stored(**values)._replace(config=json.loads(known["config"]))


class ChangeAnnouncingModel(models.Model):
    """A row whose every write is seen by the next selection, in every process."""

    NATURAL_KEY: ClassVar[tuple[str, ...]] = ()
    """The lookups that ``natural_key()`` has the values of, for models that have one."""
    loaded = Loaded()
    """Nothing, for a row that was made by hand."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, as Django does; but of a row that was read earlier, only the columns that this object changed.

        So an older status is never written over a newer one. ``update_fields`` and ``force_update`` mean what they mean
        to Django.
        """
        options = self._read_save_options(args, kwargs)
        using, forced = options["using"], options.get("force_insert") or options.get("force_update")
        if options["update_fields"] is None and self.get_deferred_fields() and using == self._state.db and not forced:
            options["update_fields"] = self._find_changed()
        with changing(using):
            super().save(**options)
            self.note_stored(options["update_fields"], get_commit(using))

    def delete(self, using: Any = None, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete, as Django does."""
        with changing(using or router.db_for_write(type(self), instance=self)):
            return super().delete(using, *args, **kwargs)

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **kwargs: Any) -> Self:
        """Build a row from the database, and remember what it is there."""
        row: Self = super().from_db(db, field_names, values, **kwargs)
        row.note_stored()
        return row

    def refresh_from_db(self, using: Any = None, fields: Any = None, *args: Any, **kwargs: Any) -> None:
        """Reload, as Django does, and remember what is in the database."""
        names = None if fields is None else list(fields)
        super().refresh_from_db(using, names, *args, **kwargs)
        self.note_stored(names)

    def note_stored(self, names: Collection[str] | None = None, commit: Commit | None = None) -> None:
        """Note that the database has the columns ``names``, by default all, as they are; or will, after ``commit``."""
        known = self.loaded.settle()
        values = {} if names is None else dict(known.values)
        for column in self._meta.concrete_fields:
            is_named = names is None or not {column.name, column.attname}.isdisjoint(names)
            if is_named and column.attname in self.__dict__:
                values[column.attname] = _remember(column.attname, self.__dict__[column.attname])
        if commit is not None:
            self.loaded = Loaded(values, commit, known)
        else:
            self.loaded = Loaded(values) if names is None else replace(known, values=values)

    def is_changed(self, name: str) -> bool:
        """Say whether the column ``name`` is not what this object read or wrote last; an expression always counts."""
        known, value = self.loaded.settle().values, self.__dict__.get(name)
        return hasattr(value, "resolve_expression") or name not in known or known[name] != _remember(name, value)

    def _read_save_options(self, args: Iterable[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of ``save()`` by name, with the database that is meant."""
        options = {**kwargs, **dict(zip(_SAVE_OPTIONS, args, strict=False))}
        options["using"] = options.get("using") or router.db_for_write(type(self), instance=self)
        names = options.get("update_fields")
        options["update_fields"] = None if names is None else set(names)
        return options

    def _find_changed(self) -> set[str]:
        """Return the names of the columns to write where some are deferred: Django does not look at those, either."""
        loaded = [one for one in self._meta.concrete_fields if one.attname in self.__dict__ and not one.primary_key]
        return {one.name for one in loaded if getattr(one, "auto_now", False) or self.is_changed(one.attname)}

    def _do_update(self, base_qs: Any, using: Any, pk_val: Any, values: Any, *args: Any, **kwargs: Any) -> Any:
        """Update the row: Django calls this with each column, its model and its value, unless it inserts the row."""
        update_fields, is_forced = args[:2]
        is_same_row = not self.is_changed(self._meta.pk.attname) and self._is_at_home(using)
        if update_fields is None and not is_forced and is_same_row:
            values = [entry for entry in values if self.is_changed(entry[0].attname)]
        return super()._do_update(base_qs, using, pk_val, values, *args, **kwargs)

    def _is_at_home(self, using: str) -> bool:
        """Say whether ``using`` holds the row itself, which may have been read from a replica, and no copy of it."""
        return using in {self._state.db, router.db_for_write(type(self), instance=self)}


class ConfiguredModel(ChangeAnnouncingModel):
    """A row with a ``config`` of its item's class: validated and encrypted at every save, never written over unseen."""

    item: Any
    item_id: Any
    scope: Any
    config: Any
    config_version: Any
    secret_dates: Any
    config_revision: Any
    read_state: Callable[[], BaseModel | None]

    class Meta:
        abstract = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Build a row; its config counts as typed, not as stored, until ``from_db`` or ``set_config`` knows better."""
        kwargs = conceal(kwargs)
        super().__init__(*args, **kwargs)
        if "config" in kwargs:
            self.config = reveal(self.config)
        self._sealed: tuple[Any, ...] | None = None
        self._says_version = "config_version" in kwargs

    def __getstate__(self) -> dict[str, Any]:
        """Return what is copied and pickled; a config that is not encrypted yet is only copied."""
        state: dict[str, Any] = super().__getstate__()
        if state.get("config") and self._sealed != self._get_state():
            state["config"] = Concealed(state["config"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over what ``__getstate__`` returned."""
        revealed = {name: reveal(value) for name, value in state.items()}
        super().__setstate__(revealed)  # type: ignore[misc] # Django has it

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, with the config in stored form if it is among what is written.

        It is validated and encrypted before anything is locked, then compared with what the database has by now.

        :raises ConfigError: if it cannot be stored.
        :raises StaleConfig: if it was changed here and, meanwhile, elsewhere.
        """
        options = self._read_save_options(args, kwargs)
        using, names = options["using"], options["update_fields"]
        if names is not None and {"config", "config_version", "item", "item_id", "scope"}.isdisjoint(names):
            super().save(**options)
            return
        is_update = names is not None or bool(options.get("force_update"))
        if is_update or not self._state.adding:
            self.check_overwritten(using)
        is_renewed = self.seal_config()
        if names is not None:
            names |= {"config", "config_version", "updated_at", *NOTES}
        is_compared = is_update or self.is_config_changed()
        with changing(using):
            held = self.lock_configs([self], using) if is_compared else {}
            is_current = self.reconcile(held.get(self.pk), is_renewed=is_renewed)
            if is_current:
                super().save(**options)
        if not is_current:  # raised out here, so that an outer transaction stays usable
            raise StaleConfig(str(self))

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Check each field, as Django does, and bring the config into stored form; so forms see what ``save`` refuses.

        :raises ValidationError: naming the fields, ``config`` among them.
        """
        super().clean_fields(exclude)
        if "config" in (exclude or ()) or self.item_id is None:
            return
        problems: list[Any] = []
        try:
            self.seal_config()
        except ConfigError as error:
            problems = [*getattr(error, "errors", ())] or [error]
        if problems:
            raise ValidationError({"config": [str(problem) for problem in problems]})

    def refresh_from_db(self, using: Any = None, fields: Any = None, *args: Any, **kwargs: Any) -> None:
        """Reload, as Django does; a config with the columns that make sense only with it."""
        names = None if fields is None else list(fields)
        if names is not None and "config" in names:
            names = [*dict.fromkeys([*names, "config_version", *NOTES])]
        super().refresh_from_db(using, names, *args, **kwargs)

    def note_stored(self, names: Collection[str] | None = None, commit: Commit | None = None) -> None:
        """Note what is stored; then the config is in stored form, for this id, item, scope and version."""
        super().note_stored(names, commit)
        if "config" in self.__dict__ and (names is None or "config" in names):
            self._sealed = self._get_state(self.loaded.values["config"])

    def _get_state(self, text: str | None = None) -> tuple[Any, ...]:
        return (self.pk, self.item_id, self.scope, self.config_version, text or to_text(self.config))

    @leaving_frames_behind
    def set_config(self, config: Mapping[str, Any] | BaseModel) -> None:
        """Validate ``config`` and put it, secrets encrypted, into this row; ``save()`` writes it.

        A mapping may use field names or aliases, and references in the place of values. A secret that did not change
        keeps its token. One that is bound to a field which did change has to be given anew, as plain text or bytes.

        :raises InvalidConfig: if it does not fit the schema; ``errors`` says where.
        :raises ConfigError: if it cannot be stored here: code gone, row newer than the code, secret unreadable.
        """
        pk: Any = self.pk
        self.pk = pk or uuid.uuid4()  # the tokens are bound to it
        if "config" in self.get_deferred_fields():
            self.refresh_from_db(fields=["config"])
        self._take(*configuration.make_stored(self, config, self._find_previous(config)))

    def _take(self, before: Opened, after: Opened) -> None:
        """Hold ``after``, which was made for this row, and note since when its secrets are stored."""
        self.config, self.config_version = StoredConfig(after.stored), after.place.version
        configuration.note_dates(self, before, after)
        self._sealed = self._get_state()

    def _find_previous(self, config: Any) -> configuration.Stored | None:
        """Return what the database held when it was last looked at."""
        known = self.loaded.settle().values
        if "config" in known:
            return _to_stored(known)
        if self._says_version or configuration.needs_previous(self, config):  # it is a fixture's, or has stored secrets
            return self._read_overwritten(self._state.db or router.db_for_write(type(self), instance=self))
        return None

    def _read_overwritten(self, using: str) -> configuration.Stored | None:
        """Return what a row made by hand may be about to overwrite."""
        manager: Any = type(self)._base_manager
        found = manager.using(using).filter(pk=self.pk).values_list(*configuration.Stored._fields).first()
        return configuration.Stored(*found) if found else None

    @leaving_frames_behind
    def renew_config(self) -> None:
        """Put the config of this row, which says the same as before, into the form that its class has today.

        :raises ConfigError: if it cannot be read; then the row is not touched.
        """
        revision = self.config_revision
        self._take(*configuration.make_current(self))
        self.config_revision = revision

    def load_config(self) -> BaseModel | None:
        """Return the validated configuration; None if the class takes none.

        :raises ConfigError: if it cannot be read; the message says why, without any secret.
        """
        return configuration.read_config(self)

    def seal_config(self) -> bool:
        """Bring the config into stored form before a write; one that is stored already stays as it is, byte by byte.

        Returns whether it was brought up to date without having been touched.

        :raises ConfigError: if it cannot be stored.
        """
        deferred = self.get_deferred_fields()
        if {"config", "config_version"} <= deferred:
            return False
        if "config" in deferred:  # a version is written with its config only
            self.refresh_from_db(fields=["config"])
        self.config = reveal(self.config)
        if self._sealed != self._get_state():
            self.set_config(self.config)
            return False
        is_untouched = not self.is_config_changed()
        if isinstance(self.config, dict):
            self.config = StoredConfig(self.config)
        with suppress(ConfigError):  # what cannot be upgraded stays as it was stored
            if configuration.is_outdated(self):
                self.renew_config()
                return is_untouched
        return False

    def seal_fixture(self, using: str) -> None:
        """Bring the config of a fixture's row into stored form; one of an older version is brought up to date.

        :raises ConfigError: if it cannot be stored.
        """
        self.check_overwritten(using)
        if self._says_version and configuration.is_older(self):
            self.renew_config()
        else:
            self.seal_config()

    def check_overwritten(self, using: str) -> None:
        """Check that a row made by hand would not be written over one of a version that this code does not know.

        :raises NewerConfigVersion: if it would.
        """
        is_typed = "config" not in self.loaded.settle().values and "config" in self.__dict__
        if is_typed and (stored := self._read_overwritten(using)) and self.item.declared is not None:
            configuration.require_codec(self, stored.config_version)

    def is_config_changed(self) -> bool:
        """Say whether the config, or its version, is not what this object read or wrote last."""
        return self.is_changed("config") or self.is_changed("config_version")

    @classmethod
    def lock_configs(cls, rows: Sequence[Self], using: str) -> dict[Any, tuple[Any, ...]]:
        """Lock ``rows`` in the database ``using``, in the order of their keys, and return what they hold there.

        Rows that refer to them can be written meanwhile. New rows, and those of another database, are left out.
        """
        keys = sorted(row.pk for row in rows if row.is_overwriting(using))
        manager: Any = cls._base_manager
        found: dict[Any, tuple[Any, ...]] = {}
        for start in range(0, len(keys), LOCKED_AT_ONCE):
            locked = manager.using(using).filter(pk__in=keys[start : start + LOCKED_AT_ONCE]).order_by("pk")
            for pk, *held in locked.select_for_update(no_key=True).values_list("pk", *COMPARED):
                found[pk] = tuple(held)
        return found

    def is_overwriting(self, using: str) -> bool:
        """Say whether saving the config to ``using`` writes it over the one that this row was read with."""
        return not self._state.adding and self._is_at_home(using) and "config" in self.__dict__

    def reconcile(self, held: tuple[Any, ...] | None, *, is_renewed: bool) -> bool:
        """Say whether the config may be written where the locked row has ``held``; None if there is no such row.

        A config that this object did not touch, or only brought up to date, gives way to a newer one, which it takes
        over.
        """
        known = self.loaded.settle().values
        if held is None or "config" not in known or held[:2] == (self.config, self.config_version):
            return True
        is_same_version = held[1] == known["config_version"]
        if is_same_version and to_text(held[0]) == known["config"]:
            return True
        if is_renewed or not self.is_config_changed():
            for name, value in zip(COMPARED, held, strict=True):
                setattr(self, name, value)
            return True
        stored = configuration.Stored(held[0], held[1], known.get("item_id"), known.get("scope"))
        return is_same_version and configuration.says_the_same(self, stored, _to_stored(known))
