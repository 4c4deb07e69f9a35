"""How rows are saved: every write is announced, and a configuration is in its stored form before it is written."""

from __future__ import annotations

import json
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.db import models, router

from django_plugin_system.changes import changing
from django_plugin_system.exceptions import ConfigError, StaleConfig
from django_plugin_system.rows import config as configuration
from django_plugin_system.rows import secret_dates
from django_plugin_system.rows.fields import NOTES, StoredConfig, to_text
from django_plugin_system.rows.traceback_safety import Concealed, conceal, leaving_frames_behind, reveal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pydantic import BaseModel
    from typing_extensions import Self


class ChangeAnnouncingModel(models.Model):
    """A row whose every write is seen by the next selection, in every process."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, as Django does."""
        kwargs |= dict(zip(("force_insert", "force_update", "using", "update_fields"), args, strict=False))
        self._save_announced(**kwargs)

    def _save_announced(self, **kwargs: Any) -> None:
        with changing(kwargs.get("using") or router.db_for_write(type(self), instance=self)):
            super().save(**kwargs)

    def delete(self, using: Any = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:  # noqa: FBT001, FBT002 - Django's
        """Delete, as Django does."""
        with changing(using or router.db_for_write(type(self), instance=self)):
            return super().delete(using=using, keep_parents=keep_parents)


class ConfiguredModel(ChangeAnnouncingModel):
    """A row with a ``config`` of its item's class: validated and encrypted at every save, never written over unseen."""

    item: Any
    item_id: Any
    config: Any
    config_version: Any
    secret_dates: Any

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
        self._seen: dict[str, int] = {}  # each config that was seen in the database, as text, with its version
        self.dates_as_stored: dict[str, str] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what is copied and pickled; a config that is not encrypted yet is only copied."""
        state: dict[str, Any] = super().__getstate__()
        if state.get("config") and self._sealed != self._get_state():
            state["config"] = Concealed(state["config"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over what ``__getstate__`` returned."""
        super().__setstate__({name: reveal(value) for name, value in state.items()})  # type: ignore[misc] # Django has it

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **kwargs: Any) -> Self:
        """Build a row from the database, and remember its config as it is there."""
        row: Self = super().from_db(db, field_names, values, **kwargs)
        row.remember_stored()
        return row

    def refresh_from_db(
        self, using: str | None = None, fields: Iterable[str] | None = None, *args: Any, **kwargs: Any
    ) -> None:
        """Reload, as Django does, and remember the config as it is in the database."""
        names = None if fields is None else list(fields)
        if names is not None and "config" in names:
            names = [*dict.fromkeys([*names, "config_version", *NOTES])]  # they make sense only with the config
        super().refresh_from_db(using, names, *args, **kwargs)
        if names is None or "config" in names:
            self.remember_stored()

    def remember_stored(self) -> None:
        """Note that the config is in stored form now, for this id, item and version."""
        if "config" not in self.get_deferred_fields():
            self._sealed = self._get_state()
            self._seen[to_text(self.config)] = self.config_version
            self.dates_as_stored = self.__dict__.get("secret_dates")

    def _get_state(self) -> tuple[Any, ...]:
        return (self.pk, self.item_id, self.config_version, to_text(self.config))

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
        previous = self._find_previous()
        self.config, self.config_version = configuration.make_stored(self, config, previous)
        secret_dates.note_change(self, previous.config or config)
        self._sealed = self._get_state()

    def _find_previous(self) -> configuration.Stored:
        """Return what the database held when it was last looked at."""
        text = next(reversed(self._seen), None)
        if text is not None:
            return configuration.Stored(json.loads(text), self._seen[text])
        if configuration.has_bound_secrets(self):  # a row made by hand may be about to overwrite one
            manager: Any = type(self)._base_manager  # noqa: SLF001 - Django documents it
            using = self._state.db or router.db_for_write(type(self), instance=self)
            for found in manager.using(using).filter(pk=self.pk).values_list("config", "config_version"):
                return configuration.Stored(*found)
        return configuration.Stored()

    @leaving_frames_behind
    def renew_config(self) -> None:
        """Put the config of this row, which says the same as before, into the form that its class has today.

        :raises ConfigError: if it cannot be read; then the row is not touched.
        """
        before = self.config
        self.config, self.config_version = configuration.make_current(self)
        secret_dates.note_change(self, before)
        self._sealed = self._get_state()

    def load_config(self) -> BaseModel | None:
        """Return the validated configuration; None if the class takes none.

        :raises ConfigError: if it cannot be read; the message says why, without any secret.
        """
        return configuration.read_config(self)

    def seal_config(self) -> None:
        """Bring the config into stored form before a write; one that is stored already stays as it is, byte by byte.

        :raises ConfigError: if it cannot be stored.
        """
        deferred = self.get_deferred_fields()
        if {"config", "config_version"} <= deferred:
            return
        if "config" in deferred:  # a version is written with its config only
            self.refresh_from_db(fields=["config"])
        self.config = reveal(self.config)
        if self._sealed != self._get_state():
            self.set_config(self.config)
            return
        if isinstance(self.config, dict):
            self.config = StoredConfig(self.config)
        with suppress(ConfigError):  # what cannot be upgraded stays as it was stored
            if configuration.is_outdated(self):
                self.renew_config()

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
        if not self._seen and "config" not in self.get_deferred_fields():
            manager: Any = type(self)._base_manager  # noqa: SLF001 - Django documents it
            for stored in manager.using(using).filter(pk=self.pk).values_list("config_version", flat=True):
                configuration.check_overwritten(self, stored)

    def _is_no_object(self) -> bool:
        """Say whether the config is as it was read, and is none: raw SQL has left something else than an object."""
        stored = self.__dict__.get("config", {})
        return not isinstance(stored, (dict, Concealed)) and self._sealed == self._get_state()

    def _choose_columns(self, asked: Iterable[str] | None) -> set[str] | None:
        """Return the columns to write, None for all: a config that is none stays, byte by byte, beside the others."""
        if asked is not None:
            return set(asked)
        if not self._is_no_object():
            return None
        columns = {field.name for field in self._meta.concrete_fields if not field.primary_key}
        return columns - {"config", "config_version", "item", *NOTES}

    def _save_announced(self, **kwargs: Any) -> None:
        kwargs["update_fields"] = names = self._choose_columns(kwargs.get("update_fields"))
        if names is not None and {"config", "config_version", "item", "item_id"}.isdisjoint(names):
            super()._save_announced(**kwargs)
            return
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        if names is not None or kwargs.get("force_update") or not self._state.adding:
            self.check_overwritten(using)
        self.seal_config()
        if names is not None:
            names |= {"config", "config_version", "updated_at", *NOTES}
        with changing(using):
            up_to_date = self.reconcile(using)
            if up_to_date:
                super()._save_announced(**kwargs)
        if not up_to_date:  # raised out here, so that an outer transaction stays usable
            raise StaleConfig(str(self))
        self.remember_stored()

    def _is_at_home(self, using: str) -> bool:
        """Say whether ``using`` holds the row itself, which may have been read from a replica, and no copy of it."""
        return using in {self._state.db, router.db_for_write(type(self), instance=self)}

    def reconcile(self, using: str) -> bool:
        """Look at the config in the database, inside ``changing()``: no other writer of ours can change it meanwhile.

        A config that this row did not touch is not written over a newer one; the newer one is taken over. Returns
        False if it was changed here and, meanwhile, elsewhere.
        """
        if self._state.adding or not self._is_at_home(using) or "config" in self.get_deferred_fields():
            return True
        manager: Any = type(self)._base_manager  # noqa: SLF001 - Django documents it
        columns = ("config", "config_version", *NOTES)
        for stored, *others in manager.using(using).filter(pk=self.pk).values_list(*columns):
            if to_text(stored) in self._seen or stored == self.config or not self._seen:
                continue
            if to_text(self.config) in self._seen:
                for name, value in zip(columns, (stored, *others), strict=True):
                    setattr(self, name, value)
            elif not any(configuration.says_the_same(self, stored, json.loads(seen)) for seen in self._seen):
                return False
        return True
