"""Shorthands of the unit tests: a key ring, a row to bind to, and everything that an error might show."""

from __future__ import annotations

import json
import pickle
import traceback
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, create_model

from django_plugin_system.config.codec import Codec, Parsed
from django_plugin_system.config.keyring import KeyRing
from django_plugin_system.config.tokens import Binding

if TYPE_CHECKING:
    from collections.abc import Iterator

RING = KeyRing([b"k" * 32])
ROW = Binding("tests.row", "1")
SECRET = "hunter2-planted"


def make_schema(annotation: Any, default: Any = ..., **settings: Any) -> type[BaseModel]:
    """Return a model with one field, ``value``."""
    return create_model("Config", __config__=ConfigDict(**settings), value=(annotation, default))  # type: ignore[typeddict-item]


def make_codec(schema: type[BaseModel], keyring: KeyRing = RING, row: Binding = ROW) -> Codec:
    """Return a codec as a row named "the row" has it."""
    return Codec(schema, row, keyring, "the row")


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
