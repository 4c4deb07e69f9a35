"""Store a validated model as JSON with encrypted secrets, and restore it; every write is proved before it happens."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from django_plugin_system.config import tokens
from django_plugin_system.config.bound import declares_bound, iter_bound, make_tie
from django_plugin_system.config.entering import (
    NOTHING_ENTERED,
    Entry,
    Snapshot,
    find_typed,
    find_unentered,
    find_untied,
)
from django_plugin_system.config.location import locate, make_loc
from django_plugin_system.config.opening import Secrets, iter_readable, open_given, open_markers
from django_plugin_system.config.references import Reference, Resolved, Resolver, parse_given, resolve
from django_plugin_system.config.reserved import find_carried, find_misplaced, iter_texts
from django_plugin_system.config.texts import iter_default_texts, iter_secret_texts
from django_plugin_system.config.unknown import find_unknown_keys
from django_plugin_system.config.validating import validate
from django_plugin_system.config.walk import (
    MISSING,
    check_storable,
    encode,
    find_changed_fields,
    is_same,
    iter_secrets,
    refuse,
)
from django_plugin_system.exceptions import (
    FieldProblem,
    InvalidConfig,
    Path,
    StoredConfigInvalid,
    UnresolvedReference,
    UnstorableConfig,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django_plugin_system.config.keyring import KeyRing
    from django_plugin_system.config.tokens import Binding, Sealed


@dataclass(frozen=True)
class Parsed:
    """A validated model and what it was made of."""

    model: BaseModel = field(repr=False)
    references: Mapping[Path, Reference] = field(default_factory=dict)
    """What stands elsewhere, by the path it is stored at."""
    resolver: Resolver = field(default_factory=Resolver)
    entry: Entry = NOTHING_ENTERED
    """What a bound secret may stay for."""
    data: Any = field(default=None, repr=False)
    """The JSON it was made of, secrets in the clear, references as they are."""
    secrets: Secrets = field(default_factory=dict, repr=False)
    """The secrets in ``data`` that were encrypted."""


@dataclass(frozen=True)
class Codec:
    """How one row's configuration is stored: for which schema, bound to which row, with which keys.

    ``subject`` names the row in errors.
    """

    schema: type[BaseModel]
    binding: Binding
    keyring: KeyRing
    subject: str

    def parse(self, data: Mapping[str, Any] | BaseModel) -> Parsed:
        """Return the validated model for what an operator or a program gave.

        Mappings may use field names or aliases, and may hold stored secrets where they are stored, and references.

        :raises InvalidConfig: if it does not fit the schema, has keys that the schema does not know, or refers to what
            is not there.
        :raises SecretError: if a stored secret in it cannot be opened.
        """
        if isinstance(data, BaseModel):
            return Parsed(self._parse_model(data))
        if not isinstance(data, Mapping):
            raise InvalidConfig(self.subject, [FieldProblem((), "must be an object with a key for each field")])
        opened, secrets = open_given(data, self.binding, self.keyring, self.schema)
        resolver = Resolver()
        resolved = resolve(opened, resolver, secrets)
        places = {path: self._locate(path, resolved.data) for path in resolved.references}
        if resolved.problems:
            found = [FieldProblem(self._locate(path, resolved.data), text) for path, text in resolved.problems]
            raise InvalidConfig(self.subject, found)
        model = self._validate(resolved, resolver, secrets, InvalidConfig, by_alias=True)
        references = {places[path]: reference for path, reference in resolved.references.items()}
        problems = find_unknown_keys(model, resolved.data)
        if problems := [*_cut(problems, references), *_find_exposed(model, secrets)]:
            raise InvalidConfig(self.subject, problems)
        typed = find_typed(data, self.schema, resolved.data) if declares_bound(self.schema) else ()
        ties = {path: sealed.tie for path, _, sealed in iter_readable(data, self.binding, self.keyring) if sealed.tie}
        return Parsed(model, references, resolver, Entry(typed, ties), opened, secrets)

    def _locate(self, path: Path, data: Any) -> Path:
        return locate(make_loc(path, data), self.schema, data)

    def _parse_model(self, model: BaseModel) -> BaseModel:
        if isinstance(model, self.schema):
            return model
        reason = f"is a {type(model).__name__}, expected a {self.schema.__name__}"
        raise InvalidConfig(self.subject, [FieldProblem((), reason)])

    def store(self, parsed: Parsed, previous: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return ``parsed`` as it is stored. A secret that ``previous`` stores unchanged keeps its token.

        :raises UnstorableConfig: if it would not come back as it is.
        """
        kept = self._find_reusable(previous or {})
        problem = UnstorableConfig(self.subject, [])
        for dump in (_dump(parsed.model), MISSING):
            stored, failure = self._try_store(parsed, dump, kept)
            if failure is None:
                return stored
            problem = failure
        raise problem

    def _try_store(
        self, parsed: Parsed, dump: Any, kept: Mapping[Path, _Reusable]
    ) -> tuple[dict[str, Any], UnstorableConfig | None]:
        stored: Any = {}
        secrets: dict[Path, tuple[Any, dict[str, str]]] = {}

        def leave_room(path: Path, plain: Any) -> dict[str, str]:
            secrets[path] = (plain, {})
            return secrets[path][1]

        given = {path: reference.to_json() for path, reference in parsed.references.items()}
        try:
            stored = encode(parsed.model, dump, (), leave_room, given)
            check_storable(stored)
            problems = self._find_obstacles(stored, parsed, {path: plain for path, (plain, _room) in secrets.items()})
            if not problems:
                self._fill(stored, parsed.model, secrets, kept)
                problems = self._find_difference(parsed, stored)
        except InvalidConfig as error:
            problems = error.errors
        return stored, UnstorableConfig(self.subject, problems) if problems else None

    def _find_obstacles(self, stored: Any, parsed: Parsed, secrets: Secrets) -> Sequence[FieldProblem]:
        """Return what keeps ``stored``, its secrets left out, from being stored."""
        if not isinstance(stored, dict):
            return (FieldProblem((), "a config is stored as an object: give the root model a field"),)
        problems = find_misplaced(stored, parsed.references)
        if problems or not parsed.references:
            return problems
        texts = [*iter_texts(stored, parsed.references)]
        texts += [(path, text) for path, plain in secrets.items() for text in iter_secret_texts(plain)]
        given = [str(parsed.resolver.get(reference)) for reference in parsed.references.values()]
        known = {*iter_secret_texts(parsed.data), *iter_default_texts(self.schema)}
        return find_carried(texts, given, known)

    def _find_difference(self, parsed: Parsed, stored: Any) -> Sequence[FieldProblem]:
        back = self.restore(json.loads(json.dumps(stored)), parsed.resolver).model
        reason = "does not come back from the database as it is"
        if type(back) is not type(parsed.model):
            return (FieldProblem((), reason),)
        return tuple(FieldProblem((name,), reason) for name in find_changed_fields(parsed.model, back))

    def _fill(
        self,
        stored: Any,
        model: BaseModel,
        secrets: Mapping[Path, tuple[Any, dict[str, str]]],
        kept: Mapping[Path, _Reusable],
    ) -> None:
        """Put each of ``secrets`` as a token into the room that was left for it in ``stored``."""
        ties = {path: make_tie(stored, path, endpoints) for path, endpoints in iter_bound(model)}
        for path, (plain, room) in secrets.items():
            if path in kept:
                marker, known = kept[path]
                if is_same(known.value, plain) and known.tie == ties.get(path):
                    room.update(marker)
                    continue
            try:
                room.update(tokens.seal(plain, self.binding, path, self.keyring, ties.get(path)))
            except ValueError:  # infinity, NaN, thousands of digits
                raise refuse(path, "a number that JSON cannot write") from None

    def _find_reusable(self, previous: Mapping[str, Any]) -> dict[Path, _Reusable]:
        """Return the markers of ``previous`` that open and use the first key, with what is in them."""
        found = {}
        for path, marker, sealed in iter_readable(previous, self.binding, self.keyring):
            if tokens.get_token_key_id(marker[tokens.MARKER]) == self.keyring.primary_id:
                found[path] = (marker, sealed)
        return found

    def find_unentered(
        self, parsed: Parsed, stored: Mapping[str, Any], previous: Iterable[Mapping[str, Any]]
    ) -> list[FieldProblem]:
        """Return where ``stored``, made of ``parsed``, sends a secret elsewhere that was not entered anew.

        ``previous`` are the stored configurations that it takes the place of.
        """
        bound = dict(iter_bound(parsed.model))
        if not bound and not parsed.entry.ties:
            return []
        past = [Snapshot(one, self.binding, self.keyring) for one in previous]
        new = Snapshot(stored, self.binding, self.keyring)
        unentered = find_unentered(new, bound.items(), parsed.entry, past)
        return [*unentered, *find_untied(new, bound, parsed.entry.ties)]

    def restore(self, stored: Mapping[str, Any], resolver: Resolver | None = None) -> Parsed:
        """Return the validated model behind a stored configuration.

        :raises StoredConfigInvalid: if it no longer fits the schema, or a stored secret is no longer declared as one.
        :raises SecretError: if a secret cannot be opened.
        :raises UnresolvedReference: if it refers to what is not there.
        """
        return self.restore_opened(*open_markers(stored, self.binding, self.keyring), resolver)

    def restore_opened(self, opened: Any, secrets: Secrets, resolver: Resolver | None = None) -> Parsed:
        """Return the validated model for JSON whose ``secrets`` are in the clear.

        :raises StoredConfigInvalid: as ``restore`` does.
        :raises UnresolvedReference: as ``restore`` does.
        """
        resolver = resolver or Resolver()
        resolved = resolve(opened, resolver, secrets)
        if resolved.problems:
            raise UnresolvedReference(self.subject, resolved.problems)
        model = self._validate(resolved, resolver, secrets, StoredConfigInvalid, by_alias=False)
        if exposed := _find_exposed(model, secrets):
            raise StoredConfigInvalid(self.subject, exposed)
        return Parsed(model, resolved.references, resolver, data=opened, secrets=secrets)

    def _validate(
        self, resolved: Resolved, resolver: Resolver, secrets: Secrets, error: type[InvalidConfig], *, by_alias: bool
    ) -> BaseModel:
        """Return the model. What a reference gives is taken as text; where no text fits, as the JSON that it spells."""
        given = {path: resolver.get(reference) for path, reference in resolved.references.items()}
        texts = [*iter_secret_texts([*secrets.values(), *given.values()])]
        model, problems = validate(self.schema, resolved.data, texts, by_alias=by_alias)
        places = {self._locate(path, resolved.data): path for path in given} if problems else {}
        unfit = {places[place] for place in places for problem in problems if problem.path[: len(place)] == place}
        if unfit and _take_as_json(resolved, {path: given[path] for path in unfit}):
            model, problems = validate(self.schema, resolved.data, texts, by_alias=by_alias)
        if model is None:
            names = {place: resolved.references[path] for place, path in places.items()}
            raise error(self.subject, _cut(problems, names))
        return model


_Reusable = tuple[dict[str, str], "Sealed"]


def _take_as_json(resolved: Resolved, given: Mapping[Path, Any]) -> bool:
    """Replace texts in ``resolved.data`` by the JSON that they spell; say whether there was any."""
    values = {path: parse_given(text) for path, text in given.items()}
    found = {path: value for path, value in values.items() if value is not None}
    for path, value in found.items():
        container, key = resolved.places[path]
        container[key] = value
    return bool(found)


def _cut(problems: Iterable[FieldProblem], references: Mapping[Path, Reference]) -> list[FieldProblem]:
    """Return ``problems`` at references or in fields of their own: the keys inside of what was given are not shown."""

    def cut(problem: FieldProblem) -> FieldProblem:
        for place, reference in references.items():
            if problem.path[: len(place)] == place:
                return FieldProblem(place, f"{problem.message} (from {reference})")
        return problem

    return list(dict.fromkeys(map(cut, problems)))


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
