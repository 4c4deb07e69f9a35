"""Shorthands of the unit tests: a key ring, a row to bind to, and everything that an error might show."""

from __future__ import annotations

import json
import pickle
import traceback
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, create_model

from django_plugin_system.config.codec import Codec, Parsed
from django_plugin_system.config.keyring import KeyRing
from django_plugin_system.config.tokens import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_plugin_system.config.opened import Opened

RING = KeyRing([b"k" * 32])
ROW = Place("tests.row", "1", "2", "", 3)
SECRET = "hunter2-planted"


def make_schema(annotation: Any, default: Any = ..., **settings: Any) -> type[BaseModel]:
    """Return a model with one field, ``value``."""
    return create_model("Config", __config__=ConfigDict(**settings), value=(annotation, default))  # type: ignore[typeddict-item]


class JsonCodec:
    """A codec that takes and gives what the database holds, and opens it anew each time."""

    def __init__(self, codec: Codec) -> None:
        """Use ``codec``."""
        self.codec = codec

    def _open(self, stored: Any) -> Opened | None:
        return self.codec.open(stored) if stored else None

    def parse(self, data: Any, previous: Any = None) -> Parsed:
        """Return the model for what somebody gave."""
        return self.codec.parse(data, self._open(previous))

    def store(self, parsed: Parsed, previous: Any = None) -> dict[str, Any]:
        """Return it in stored form."""
        stored: dict[str, Any] = self.codec.store(parsed, self._open(previous)).stored
        return stored

    def restore(self, stored: Any) -> Parsed:
        """Return it from stored form."""
        return self.codec.restore(self.codec.open(stored))


def make_codec(schema: type[BaseModel], keyring: KeyRing = RING, row: Place = ROW) -> JsonCodec:
    """Return a codec as a row named "the row" has it."""
    return JsonCodec(Codec(schema, row, keyring, "the row"))


def store(model: BaseModel, keyring: KeyRing = RING) -> dict[str, Any]:
    """Return ``model`` as the database gives it back."""
    stored: dict[str, Any] = json.loads(json.dumps(make_codec(type(model), keyring).store(Parsed(model))))
    return stored


def round_trip(model: BaseModel) -> BaseModel:
    """Return ``model`` after it was stored and restored."""
    return make_codec(type(model)).restore(store(model)).model


def parse(schema: type[BaseModel], data: Any) -> BaseModel:
    """Return ``data`` as an operator gives it, validated."""
    return make_codec(schema).parse(data).model


def iter_chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and whatever hangs on it: its cause, its context, and theirs."""
    if error is not None:
        yield error
        yield from iter_chain(error.__cause__)
        yield from iter_chain(error.__context__)


def show_everything(error: BaseException) -> str:
    """Return all that logs, e-mails, task queues and consoles may show of ``error``."""
    texts = ["".join(traceback.format_exception(type(error), error, error.__traceback__))]
    for one in iter_chain(error):
        texts += [str(one), repr(one), repr(one.args), repr(vars(one)), pickle.dumps(one).decode(errors="replace")]
    return "\n".join(texts)
