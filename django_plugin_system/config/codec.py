"""Store a validated model as JSON with encrypted secrets, and restore it; every write is proved before it happens."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from django_plugin_system.config import tokens
from django_plugin_system.config.declared import iter_secret_texts
from django_plugin_system.config.problems import describe_validation_error
from django_plugin_system.config.unknown import find_unknown_keys
from django_plugin_system.config.walk import (
    MAX_DEPTH,
    MISSING,
    check_storable,
    encode,
    find_changed_fields,
    is_same,
    iter_secrets,
    refuse,
)
from django_plugin_system.exceptions import (
    ConfigShapeError,
    FieldProblem,
    InvalidConfig,
    Path,
    SecretError,
    StoredConfigInvalid,
    UnstorableConfig,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_plugin_system.config.keyring import KeyRing
    from django_plugin_system.config.tokens import Binding

Secrets = dict[Path, Any]
"""Plain secrets by the path they are stored at: JSON values, or bytes."""


@dataclass(frozen=True)
class Codec:
    """How one row's configuration is stored: for which schema, bound to which row, with which keys.

    ``subject`` names the row in errors.
    """

    schema: type[BaseModel]
    binding: Binding
    keyring: KeyRing
    subject: str

    def parse(self, data: Mapping[str, Any] | BaseModel) -> BaseModel:
        """Return the validated model for what an operator or a program gave.

        Mappings may use field names or aliases, and may hold stored secrets where they are stored.

        :raises InvalidConfig: if it does not fit the schema, or has keys that the schema does not know.
        :raises SecretError: if a stored secret in it cannot be opened.
        """
        if isinstance(data, BaseModel):
            return self._parse_model(data)
        if not isinstance(data, Mapping):
            raise InvalidConfig(self.subject, [FieldProblem((), "must be an object with a key for each field")])
        opened, secrets = open_markers(data, self.binding, self.keyring)
        model = self._validate(opened, secrets, InvalidConfig, by_alias=True)
        if problems := [*find_unknown_keys(model, opened), *_find_exposed(model, secrets)]:
            raise InvalidConfig(self.subject, problems)
        return model

    def _parse_model(self, model: BaseModel) -> BaseModel:
        if isinstance(model, self.schema):
            return model
        reason = f"is a {type(model).__name__}, expected a {self.schema.__name__}"
        raise InvalidConfig(self.subject, [FieldProblem((), reason)])

    def store(self, model: BaseModel, previous: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return ``model`` as it is stored. A secret that ``previous`` stores unchanged keeps its token.

        :raises UnstorableConfig: if it would not come back as it is.
        """
        kept = self._find_reusable(previous or {})
        problem = UnstorableConfig(self.subject, [])
        for dump in (_dump(model), MISSING):
            stored, failure = self._try_store(model, dump, kept)
            if failure is None:
                return stored
            problem = failure
        raise problem

    def _try_store(self, model: BaseModel, dump: Any, kept: Secrets) -> tuple[dict[str, Any], UnstorableConfig | None]:
        stored: Any = {}
        problems: tuple[FieldProblem, ...] = ()
        try:
            stored = encode(model, dump, (), self._make_sealer(kept))
            check_storable(stored)
            problems = self._find_difference(model, stored)
        except InvalidConfig as error:
            problems = error.errors
        except SecretError as error:
            problems = (FieldProblem(error.path, f'"{tokens.MARKER}" cannot be used as a key'),)
        return stored, UnstorableConfig(self.subject, problems) if problems else None

    def _find_difference(self, model: BaseModel, stored: Any) -> tuple[FieldProblem, ...]:
        if not isinstance(stored, dict):
            return (FieldProblem((), "a config is stored as an object: give the root model a field"),)
        back = self.restore(json.loads(json.dumps(stored)))
        reason = "does not come back from the database as it is"
        if type(back) is not type(model):
            return (FieldProblem((), reason),)
        return tuple(FieldProblem((name,), reason) for name in find_changed_fields(model, back))

    def _make_sealer(self, kept: Secrets) -> Callable[[Path, Any], Any]:
        def seal(path: Path, value: Any) -> Any:
            marker, plain = kept.get(path, (None, MISSING))
            if is_same(plain, value):
                return copy.copy(marker)
            try:
                return tokens.seal(value, self.binding, path, self.keyring)
            except ValueError:  # infinity, NaN, thousands of digits
                raise refuse(path, "a number that JSON cannot write") from None

        return seal

    def _find_reusable(self, previous: Mapping[str, Any]) -> Secrets:
        """Return the markers of ``previous`` that open and use the first key, with what is in them."""
        found = {}
        for path, marker in iter_markers(previous):
            try:
                plain = tokens.open_marker(marker, self.binding, path, self.keyring)
            except SecretError:
                continue
            if tokens.get_token_key_id(marker[tokens.MARKER]) == self.keyring.primary_id:
                found[path] = (marker, plain)
        return found

    def restore(self, stored: Mapping[str, Any]) -> BaseModel:
        """Return the validated model behind a stored configuration.

        :raises StoredConfigInvalid: if it no longer fits the schema, or a stored secret is no longer declared as one.
        :raises SecretError: if a secret cannot be opened.
        """
        return self.restore_opened(*open_markers(stored, self.binding, self.keyring))

    def restore_opened(self, opened: Any, secrets: Secrets) -> BaseModel:
        """Return the validated model for JSON whose ``secrets`` are in the clear.

        :raises StoredConfigInvalid: as ``restore`` does.
        """
        model = self._validate(opened, secrets, StoredConfigInvalid, by_alias=False)
        if exposed := _find_exposed(model, secrets):
            raise StoredConfigInvalid(self.subject, exposed)
        return model

    def _validate(self, data: Any, secrets: Secrets, error: type[InvalidConfig], *, by_alias: bool) -> BaseModel:
        text = _as_json(data)
        try:
            if text is not None:
                return self.schema.model_validate_json(text, by_name=True, by_alias=by_alias)
            strict = None if by_alias else False
            return self.schema.model_validate(data, strict=strict, by_name=True, by_alias=by_alias)
        except ValidationError as invalid:
            problems = describe_validation_error(invalid, self.schema, data, iter_secret_texts(list(secrets.values())))
        except Exception as foreign:  # noqa: BLE001 - foreign code
            problems = [FieldProblem((), f"validation raised {type(foreign).__name__}")]
        raise error(self.subject, problems)


def _find_exposed(model: BaseModel, secrets: Secrets) -> list[FieldProblem]:
    """Return where a stored secret came out as a plain value."""
    declared = {path for path, _secret in iter_secrets(model)}
    reason = "is stored as a secret, but the schema declares no secret here; write a config migration"
    return [FieldProblem(path, reason) for path in secrets if path not in declared]


def _dump(model: BaseModel) -> Any:
    try:
        return model.model_dump(mode="json", by_alias=False, round_trip=True, warnings="error")
    except Exception:  # noqa: BLE001 - foreign code
        return MISSING


def _as_json(data: Any) -> bytes | None:
    """Return ``data`` as JSON; None if there is something in it that JSON cannot say."""
    with suppress(ValueError):  # half a surrogate pair, thousands of digits
        return json.dumps(data, ensure_ascii=False).encode() if _is_json(data) else None
    return None


def _is_json(data: Any) -> bool:
    if isinstance(data, dict):
        return all(type(key) is str and _is_json(value) for key, value in data.items())
    if isinstance(data, list):
        return all(map(_is_json, data))
    return data is None or type(data) in (str, int, float, bool)


def iter_markers(stored: Any, path: Path = ()) -> list[tuple[Path, dict[str, Any]]]:
    """Return each stored secret, well-formed or not, with its path."""
    if tokens.is_marker(stored):
        return [(path, stored)]
    if isinstance(stored, dict):
        items: Any = stored.items()
    elif isinstance(stored, list):
        items = enumerate(stored)
    else:
        return []
    return [found for key, value in items for found in iter_markers(value, (*path, str(key)))]


def open_markers(data: Any, binding: Binding, keyring: KeyRing) -> tuple[Any, Secrets]:
    """Return a copy of ``data`` with its stored secrets in the clear, and those secrets by path.

    :raises SecretError: if one of them cannot be opened.
    """
    secrets: Secrets = {}

    def visit(value: Any, path: Path) -> Any:
        if len(path) > MAX_DEPTH:
            raise ConfigShapeError(path[:1], f"is nested more than {MAX_DEPTH} levels deep")
        if isinstance(value, dict) and tokens.is_marker(value):
            secrets[path] = tokens.open_marker(value, binding, path, keyring)
            return secrets[path]
        if isinstance(value, dict):
            return {key: visit(item, (*path, str(key))) for key, item in value.items()}
        if isinstance(value, list):
            return [visit(item, (*path, str(index))) for index, item in enumerate(value)]
        return value

    return visit(dict(data) if isinstance(data, Mapping) else data, ()), secrets
