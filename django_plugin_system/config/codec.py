"""Store a validated model as JSON with encrypted secrets, and restore it; every write is proved before it happens."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from django_plugin_system import exceptions
from django_plugin_system.config import tokens
from django_plugin_system.config.encoding import (
    UNBOUND,
    Belonging,
    Encoded,
    encode_model,
    encode_plain,
    find_belongings,
)
from django_plugin_system.config.json_tree import (
    INSIDE,
    TOO_DEEP,
    find_deep,
    look_up,
    make_loc,
    replace_json,
    walk_json,
)
from django_plugin_system.config.opened import Opened, Secrets, identify, open_config
from django_plugin_system.config.references import (
    Reference,
    Resolver,
    find_carried,
    find_misplaced,
    parse_given,
    resolve,
)
from django_plugin_system.config.tokens import Bonds, Place, Sealed
from django_plugin_system.config.undeclared import carry, carry_tokens, drop, find_undeclared, is_below
from django_plugin_system.config.validation import unwrap_secrets, upgrade, validate, wrap_secrets
from django_plugin_system.exceptions import FieldProblem, InvalidConfig, Path
from django_plugin_system.schema.errors import find_unknown_keys, locate
from django_plugin_system.schema.tree import get_tree
from django_plugin_system.schema.values import (
    MISSING,
    find_changed_fields,
    is_mask,
    iter_default_secrets,
    iter_default_texts,
    iter_secrets,
    iter_texts,
)

if TYPE_CHECKING:
    from django_plugin_system.config.keyring import KeyRing


@dataclass(frozen=True)
class Kept:
    """A stored secret that was moved within its row; a form gives it instead of its plain value: it was not typed."""

    value: Any = field(repr=False)
    was_encrypted: bool = True
    """It may have been stored before its field was declared a secret."""


@dataclass(frozen=True)
class Parsed:
    """A validated model and what it was made of."""

    model: BaseModel = field(repr=False)
    references: Mapping[Path, Reference] = field(default_factory=dict)
    """What stands elsewhere, by the path it is stored at."""
    resolver: Resolver = field(default_factory=Resolver)
    data: Any = field(default=None, repr=False)
    """The JSON it was made of, secrets in the clear, references as they are."""
    secrets: Secrets = field(default_factory=dict, repr=False)
    """The secrets in ``data`` that were encrypted."""
    given: Opened | None = field(default=None, repr=False)
    """What somebody gave, with the stored secrets that opened where they stand in it."""
    markers: Mapping[Path, Sealed] = field(default_factory=dict, repr=False)
    """All stored secrets that were given."""


@dataclass(frozen=True)
class Codec:
    """How one row's configuration is stored: for which schema, at which place, with which keys.

    ``subject`` names the row in errors; ``plugin_class`` brings what an older version stored up to that of ``place``.
    """

    schema: type[BaseModel]
    place: Place
    keyring: KeyRing
    subject: str
    plugin_class: type | None = None

    def parse(self, data: Mapping[str, Any] | BaseModel, previous: Opened | None = None) -> Parsed:
        """Return the validated model for what an operator or a program gave.

        Mappings may use field names or aliases, and may hold references, and stored secrets: those of ``previous``
        anywhere, any other where it was stored.

        :raises InvalidConfig: if it does not fit the schema, has keys that the schema does not know, or refers to what
            is not there; or if a stored secret in it belongs to another endpoint.
        :raises SecretError: if a stored secret in it cannot be opened.
        """
        if isinstance(data, BaseModel):
            if isinstance(data, self.schema):
                return Parsed(data)
            reason = f"is a {type(data).__name__}, expected a {self.schema.__name__}"
            raise InvalidConfig(self.subject, [FieldProblem((), reason)])
        opened, secrets, markers = self._open_given(self._leave_undeclared(data, previous), previous)
        undeclared = find_undeclared((get_tree(self.schema),), opened.data) if secrets else ()
        opened.data, secrets = _drop_all(opened.data, secrets, {path for path in undeclared if is_below(path, secrets)})
        parsed = self._validate(opened.data, secrets, Resolver(), is_input=True)
        return replace(parsed, given=opened, markers=markers)

    def _leave_undeclared(self, given: Any, previous: Opened | None) -> dict[str, Any]:
        """Return what was given without what stands there because it is stored: that is carried along anyway."""
        if not isinstance(given, Mapping):
            raise InvalidConfig(self.subject, [FieldProblem((), "must be an object with a key for each field")])
        data = dict(given)
        if (deep := find_deep(data)) is not None:
            raise InvalidConfig(self.subject, [FieldProblem(deep, TOO_DEEP)])
        stored = previous.stored if previous is not None else {}
        known = {path for path in self._find_undeclared(previous) if look_up(data, path) == look_up(stored, path)}
        left: dict[str, Any] = drop(data, known)
        return left

    def _open_given(self, data: dict[str, Any], previous: Opened | None) -> tuple[Opened, Secrets, dict[Path, Sealed]]:
        """Return what was given with its stored secrets in the clear, those secrets, and what was in their tokens."""
        opened = Opened(data, self.place)
        opened.references = {}  # those in it were typed
        secrets: Secrets = {}
        markers: dict[Path, Sealed] = {}
        redirected: list[FieldProblem] = []

        def replace(path: Path, value: Any) -> Any:
            if isinstance(value, Kept):
                if value.was_encrypted:
                    secrets[path] = value.value
                return value.value
            if not tokens.is_marker(value):
                return INSIDE
            known = None if previous is None else previous.find_token(path, value)
            if known is None:
                try:
                    known = opened.tokens[path] = tokens.open_token(value, self.place, path, self.keyring, data)
                except exceptions.EndpointChanged as error:
                    redirected.append(_describe_redirected(self._locate(path, data), error.names))
                    return None
            markers[path], secrets[path] = known, known.value
            return known.value

        failed = None
        try:
            opened.data = replace_json(data, replace)
        except exceptions.SecretError as error:  # the path does not lead into a secret, whose keys are secret
            failed = error.at(self._locate(error.path, data))
        if failed is not None:
            raise failed
        if redirected:
            raise InvalidConfig(self.subject, redirected)
        return opened, secrets, markers

    def _locate(self, path: Path, data: Any) -> Path:
        return locate(tuple(make_loc(path, data)), self.schema, data)

    # Storing

    def store(self, parsed: Parsed, previous: Opened | None = None) -> Opened:
        """Return ``parsed`` as it is stored. A secret that is stored unchanged at its place keeps its token.

        :raises UnstorableConfig: if it would not come back as it is.
        :raises InvalidConfig: if a secret that ``previous`` holds was kept while what it is bound to was changed.
        """
        encoded, data = self.encode(parsed)
        belongings = find_belongings(parsed.model, get_tree(self.schema))
        if redirected := list(self._iter_redirected(parsed, encoded, belongings, previous)):
            raise InvalidConfig(self.subject, redirected)
        carried = carry(encoded, data, previous, self._find_undeclared(previous)) if previous is not None else {}
        former = [one for one in (previous, parsed.given) if one is not None]
        stored = Opened(encoded.tree, self.place, data)
        for path, plain in encoded.secrets.items():
            bonds = belongings.get(path, UNBOUND).bonds
            context = tokens.get_context(self.place, encoded.tree, path, bonds)
            sealed = stored.tokens[path] = Sealed(plain, bonds, context)
            known = next(filter(None, (one.find_marker(path, sealed, self.keyring) for one in former)), None)
            marker = known or tokens.seal(plain, self.place, path, self.keyring, encoded.tree, bonds)
            look_up(encoded.tree, path)[0].update(marker)
        if previous is not None:
            carry_tokens(stored, previous, carried, self.keyring)
        return stored

    def _find_undeclared(self, previous: Opened | None) -> Collection[Path]:
        """Return the stored keys of this very row that the schema does not know."""
        if previous is not None and previous.place[:3] == self.place[:3]:
            with suppress(exceptions.ConfigError):
                return self._read(previous)[2]
        return ()

    def encode(self, parsed: Parsed) -> tuple[Encoded, Any]:
        """Return the model as JSON, and the same as it comes from the database, secrets in the clear.

        :raises UnstorableConfig: if it would not come back as it is.
        """
        problems: Sequence[FieldProblem] = ()
        given = {path: reference.to_json() for path, reference in parsed.references.items()}
        dump = MISSING
        with suppress(Exception):  # foreign code
            dump = parsed.model.model_dump(mode="json", by_alias=False, round_trip=True, warnings="error")
        for tried, only_set in ((dump, True), (dump, False), (MISSING, False)):
            try:
                encoded = encode_model(parsed.model, tried, given, only_set=only_set)
                problems = self._find_obstacles(encoded, parsed)
                if not problems:
                    data = _fill_in(encoded)
                    problems = self._find_difference(parsed, data, encoded.secrets)
            except InvalidConfig as error:
                problems = error.errors
            if not problems:
                return encoded, data
        raise exceptions.UnstorableConfig(self.subject, problems)

    def _find_obstacles(self, encoded: Encoded, parsed: Parsed) -> Sequence[FieldProblem]:
        """Return what keeps a model, its secrets left out, from being stored."""
        if not isinstance(encoded.tree, dict):
            return (FieldProblem((), "a config is stored as an object: give the root model a field"),)
        problems = _find_masks(encoded.secrets.items()) or find_misplaced(encoded.tree, parsed.references)
        if problems or not parsed.references:
            return problems
        values = walk_json(encoded.tree, lambda path, _value: path not in parsed.references)
        texts = [(path, text) for path, text in values if isinstance(text, str)]
        texts += [(path, text) for path, plain in encoded.secrets.items() for text in iter_texts(plain)]
        given = [str(parsed.resolver.get(reference)) for reference in parsed.references.values()]
        known = {*iter_texts(parsed.data), *iter_default_texts(self.schema)}
        return find_carried(texts, given, known)

    def _find_difference(self, parsed: Parsed, data: Any, secrets: Secrets) -> Sequence[FieldProblem]:
        back = self.restore_data(data, secrets, parsed.resolver).model
        reason = "does not come back from the database as it is"
        if type(back) is not type(parsed.model):
            return (FieldProblem((), reason),)
        return tuple(FieldProblem((name,), reason) for name in find_changed_fields(parsed.model, back))

    # Secrets that belong to an endpoint

    def _iter_redirected(
        self, parsed: Parsed, encoded: Encoded, belongings: Mapping[Path, Belonging], previous: Opened | None
    ) -> Iterator[FieldProblem]:
        """Yield a problem for each secret that was kept and now goes elsewhere: one that was typed may go anywhere.

        A secret, or the reference to it, that is known from before must have stood beside the same endpoints there.
        """
        former = (self._renew(previous), parsed.given) if belongings else ()
        # where each secret, or the reference to one, is known to have stood: in which tree, and at which path
        places: dict[Any, list[tuple[Any, Path]]] = {}
        for one in filter(None, former):
            for path, value in (*one.secrets.items(), *one.references.items()):
                places.setdefault(identify(value), []).append((one.stored, path))

        @cache
        def find_known(identity: Any, endpoints: Bonds) -> set[str]:
            return {_show_endpoints(tree, path, endpoints) for tree, path in places.get(identity, ())}

        is_kept = self._find_kept(parsed) if places else bool
        for path, belonging in belongings.items():
            here, endpoints = _find_reference(parsed.references, path, belonging.endpoints)
            value = parsed.references[here] if here in parsed.references else encoded.secrets[path]
            is_bound = endpoints and value not in ("", b"") and is_kept(identify(value))
            known = find_known(identify(value), endpoints) if is_bound else ()
            if known and _show_endpoints(encoded.tree, here, endpoints) not in known:
                yield _describe_redirected(here, [name for _up, name in endpoints])
        yield from _iter_loosened(parsed.markers, encoded, belongings)

    def _renew(self, previous: Opened | None) -> Opened | None:
        """Return what was stored as the class stores it today; as it was, where it cannot be read."""
        if previous is not None and get_tree(self.schema).is_bound:
            with suppress(exceptions.ConfigError):
                return self.store(self.restore(previous))
        return previous

    def _find_kept(self, parsed: Parsed) -> Callable[[Any], object]:
        """Return what says whether a secret, or the reference to it, was given other than as a plain value.

        It goes by the value, not by its place: a validator may have put it elsewhere, and a field may be given twice.
        """
        if parsed.given is None:
            return lambda _identity: True
        given = list(_iter_given([parsed.given.stored, *iter_default_secrets(self.schema)]))
        kept = [*parsed.secrets.values(), *parsed.references.values(), *(value for value, _is_kept in given)]
        return ({*map(identify, kept)} - {identify(value) for value, is_kept in given if not is_kept}).__contains__

    # Restoring

    def open(self, stored: Any) -> Opened:
        """Return a stored configuration with its secrets in the clear, as far as they can be opened."""
        return open_config(stored, self.place, self.keyring)

    def restore(self, opened: Opened, resolver: Resolver | None = None) -> Parsed:
        """Return the validated model behind a stored configuration, brought to the version of ``place``.

        :raises StoredConfigInvalid: if it no longer fits the schema, or a stored secret is no longer declared as one.
        :raises SecretError: if a secret could not be opened.
        :raises UnresolvedReference: if it refers to what is not there.
        :raises ConfigMigrationFailed: if it cannot be brought to that version.
        """
        data, secrets, _undeclared = self._read(opened)
        parsed = self.restore_data(data, secrets, resolver)
        if opened.place.version < self.place.version and (masks := _find_masks(iter_secrets(parsed.model))):
            # a step that dumped a model to JSON lost its secrets
            raise exceptions.StoredConfigInvalid(self.subject, masks)
        return parsed

    def _read(self, opened: Opened) -> tuple[Any, Secrets, Collection[Path]]:
        """Return what is stored, brought to the version of ``place``, its secrets, and where the schema knew no key.

        Those keys are left out of it. One that a step made is no stored one: validation will see it.
        """
        data, secrets = opened.data, opened.secrets
        if opened.place.version < self.place.version:
            opened.check()
            wrapped, versions = wrap_secrets(data, secrets), (opened.place.version, self.place.version)
            data, secrets = unwrap_secrets(upgrade(self.plugin_class, wrapped, *versions))
        found = find_undeclared((get_tree(self.schema),), data, [*secrets, *opened.failures])
        undeclared = dict.fromkeys(path for path in found if look_up(opened.data, path) == look_up(data, path))
        for path, failure in opened.failures.items():
            if not is_below(path, undeclared):
                raise failure
        return *_drop_all(data, secrets, undeclared), undeclared

    def restore_data(self, data: Any, secrets: Secrets, resolver: Resolver | None = None) -> Parsed:
        """Return the validated model for JSON of today's version whose ``secrets`` are in the clear.

        :raises StoredConfigInvalid: as ``restore`` does.
        :raises UnresolvedReference: as ``restore`` does.
        """
        return self._validate(data, secrets, resolver or Resolver(), is_input=False)

    def _validate(self, data: Any, secrets: Secrets, resolver: Resolver, *, is_input: bool) -> Parsed:
        """Return the model for what was typed or is stored.

        What a reference gives is taken as text; where no text fits, as the JSON that it spells.
        """
        invalid, unresolved = (InvalidConfig, InvalidConfig) if is_input else _STORED_ERRORS
        resolved = resolve(data, resolver, secrets)
        if resolved.problems:
            found = [FieldProblem(self._locate(path, resolved.data), text) for path, text in resolved.problems]
            raise unresolved(self.subject, found)
        given = {path: resolver.get(reference) for path, reference in resolved.references.items()}
        places = {self._locate(path, resolved.data): path for path in given}
        references = {place: resolved.references[path] for place, path in places.items()}
        hidden = [*secrets.values(), *given.values(), *map(parse_given, given.values())]
        model, problems = validate(self.schema, resolved.data, hidden, by_alias=is_input)
        unfit = [path for place, path in places.items() if any(one.path[: len(place)] == place for one in problems)]
        spelled = {path: value for path in unfit if (value := parse_given(given[path])) is not None}
        if spelled:
            resolved.data = replace_json(resolved.data, lambda path, _value: spelled.get(path, INSIDE))
            model, problems = validate(self.schema, resolved.data, hidden, by_alias=is_input)
        if model is not None:
            problems = [*(find_unknown_keys(model, resolved.data) if is_input else ()), *_find_exposed(model, secrets)]
        if model is None or problems:
            raise invalid(self.subject, _cut(problems, references))
        return Parsed(model, references, resolver, data, secrets)


_STORED_ERRORS = (exceptions.StoredConfigInvalid, exceptions.UnresolvedReference)


def _drop_all(data: Any, secrets: Secrets, paths: Collection[Path]) -> tuple[Any, Secrets]:
    """Return data, and the secrets in it, without what stands at ``paths``."""
    if not paths:
        return data, secrets
    data = drop(data, paths)
    return data, {path: value for path in secrets for value in look_up(data, path)}


def _iter_loosened(
    markers: Mapping[Path, Sealed], encoded: Encoded, belongings: Mapping[Path, Belonging]
) -> Iterator[FieldProblem]:
    """Yield a problem for each stored secret whose row got a class that knows of no endpoints, where these changed."""
    for path, sealed in markers.items():
        loose = tuple(bond for bond in sealed.bonds if bond not in belongings.get(path, UNBOUND).bonds)
        before = [found for bond, found in zip(sealed.bonds, sealed.context[-1], strict=True) if bond in loose]
        if before != tokens.read_bonds(encoded.tree, path, loose):
            yield _describe_redirected(path, [name for _up, name in loose])


def _find_reference(references: Collection[Path], path: Path, endpoints: Bonds) -> tuple[Path, Bonds]:
    """Return where the secret at ``path`` stands, if by reference where that does; and the endpoints outside of it."""
    for end in range(1, len(path)):
        if path[:end] in references:
            inside = len(path) - end
            return path[:end], tuple((up - inside, name) for up, name in endpoints if up > inside)
    return path, endpoints


def _show_endpoints(tree: Any, path: Path, endpoints: Bonds) -> str:
    return json.dumps(tokens.read_bonds(tree, path, endpoints), sort_keys=True)


def _describe_redirected(path: Path, names: Iterable[str | None]) -> FieldProblem:
    fields = ", ".join(name for name in names if name)
    return FieldProblem(path, f"belongs to {fields}, which was changed: enter this secret again")


def _iter_given(data: Any) -> Iterator[tuple[Any, bool]]:
    """Yield each plain value, and each secret that is inside an object, which does not count as plain."""
    if isinstance(data, Kept):
        yield data.value, True
    elif isinstance(data, (str, bytes, int, float)):
        yield data, False
    elif isinstance(data, (Mapping, list, tuple)):
        for item in data.values() if isinstance(data, Mapping) else data:
            yield from _iter_given(item)
    else:
        yield from ((encode_plain(secret.get_secret_value(), path), True) for path, secret in iter_secrets(data))


def _fill_in(encoded: Encoded) -> Any:
    """Return a model as it comes back from a database, with its secrets in the clear."""
    secrets = encoded.secrets
    tree = json.loads(json.dumps(encoded.tree))
    return replace_json(tree, lambda path, _value: secrets.get(path, INSIDE))


def _cut(problems: Iterable[FieldProblem], references: Mapping[Path, Reference]) -> list[FieldProblem]:
    """Return ``problems`` at references or in fields of their own: the keys inside of what was given are not shown."""

    def cut(problem: FieldProblem) -> FieldProblem:
        for place, reference in references.items():
            if problem.path[: len(place)] == place:
                return FieldProblem(place, f"{problem.message} (from {reference})")
        return problem

    return list(dict.fromkeys(map(cut, problems)))


def _find_masks(secrets: Iterable[tuple[Path, Any]]) -> list[FieldProblem]:
    reason = "is a mask that stands for a secret, not the secret itself"
    return [FieldProblem(path, reason) for path, secret in secrets if is_mask(secret)]


def _find_exposed(model: BaseModel, secrets: Secrets) -> list[FieldProblem]:
    """Return where a stored secret came out as a plain value."""
    declared = {path for path, _secret in iter_secrets(model)}
    reason = "is stored as a secret, but the schema declares no secret here; write a config migration"
    return [FieldProblem(path, reason) for path in secrets if path not in declared]
