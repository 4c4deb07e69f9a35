"""One row's configuration and its form: what is sent, how the answer is read, what is shown again after a refusal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _

from django_plugin_system.config.codec import Kept
from django_plugin_system.config.json_tree import is_deep, iter_json, map_json, parse_json, walk_json
from django_plugin_system.config.references import read_reference
from django_plugin_system.config.tokens import is_marker
from django_plugin_system.exceptions import FieldProblem, InvalidConfig, Path
from django_plugin_system.forms import controls
from django_plugin_system.forms.builder import build, get_default, is_read_only
from django_plugin_system.forms.containers import EXTRAS, GroupControl
from django_plugin_system.forms.placeholders import MASK_PROBLEM, Placeholders, is_placeholder, map_present
from django_plugin_system.forms.scalars import ChoiceControl, JsonTextControl, TextControl, holds_mask, may_be_secret
from django_plugin_system.schema.tree import SECRET_TYPES, Part, get_tree, iter_models
from django_plugin_system.schema.values import MISSING, find_secrets, get_fields, iter_parts, look_through

if TYPE_CHECKING:
    from pydantic import BaseModel

    from django_plugin_system.forms.placeholders import TypedSecrets

BLOT = "••••••••"
"""What people who may only look see in the place of a secret."""

TOO_DEEP = "{...}"
"""What they see in the place of a configuration that is nested too deeply."""

_WORD = re.compile(r'"(?:[^"\\\n]|\\.)*"?|[^\s{}\[\],:"]+')
"""A text in quotes, perhaps without its end, or any other word."""

_EMPTY: dict[str, Any] = {"string": "", "boolean": False, "array": []}


@dataclass(frozen=True)
class Submission:
    """What an operator sent.

    ``config`` may be given to ``PluginInstance.set_config``. It is None if there are ``problems`` (with form paths).
    """

    config: dict[str, Any] | None = field(repr=False)
    problems: tuple[FieldProblem, ...] = ()
    changed: bool = True
    """Whether anything differs from what was sent to the browser. If not, leave the row's configuration alone."""

    changed_fields: tuple[str, ...] = ()
    """The titles of the fields that differ."""

    form: Any = field(default=None, repr=False)
    """The posted value, to find the place of later problems in."""


class ConfigBinding:
    """The form of one configuration.

    With ``generated`` django-jsonform draws it; without, or where it cannot, the configuration is one JSON text.
    """

    def __init__(  # noqa: PLR0913 - what there is to know about the row
        self,
        schema: type[BaseModel],
        stored: Mapping[str, Any] | None = None,
        opened: Mapping[Path, Any] | None = None,
        *,
        row: str = "",
        start: Mapping[str, Any] | None = None,
        generated: bool = True,
        typed: TypedSecrets | None = None,
    ) -> None:
        """Make the form of ``stored``, None for a new row.

        ``opened`` are the secrets that can be read, by path; ``row`` is the row's id; ``start`` is what the form
        of a new row starts with, without secrets. ``typed`` hands typed secrets back after a refusal; without it, they
        are asked for again.
        """
        self.is_new = stored is None
        self._typed = typed
        self._schema = schema
        known = {} if is_deep(stored) else dict(stored or start or {})  # nothing of what nobody can show
        control = _build(schema)
        self._placeholders = Placeholders(row, opened or {}, _find_declared(schema, known))
        self.plain: dict[str, Any] = self._placeholders.hide(control, known)
        self.generated = generated and isinstance(control, GroupControl)
        try:
            self.control = control.adapt(self.plain)
            self._form = self.control.encode(self.plain)
        except controls.UnfitError:
            self.control, self.generated = control, False
        if not self.generated:
            self._form = {**(_outline(self.control) or {}), **self.plain} if self.is_new else self.plain

    def get_text(self) -> str:
        """Return what is sent to the browser: the form value as JSON."""
        return controls.show_json(self._form)

    def get_schema(self, text: str) -> controls.Schema:
        """Return the schema django-jsonform draws the form with value ``text`` from."""
        schema = self.control.describe([_parse_or_none(text)])
        schema.pop("title", None)
        return schema

    def get_stored_secrets(self) -> dict[Path, tuple[str, str]]:
        """Return the title and the placeholder of each stored secret, by the path it is stored at."""
        return {
            secret.path: (" > ".join(secret.titles), placeholder)
            for placeholder, secret in self._placeholders.secrets.items()
        }

    def has_changed(self, text: str | None) -> bool:
        """Say whether a posted text differs from what was sent in more than the layout of the JSON."""
        return self.is_new or not controls.is_same(_parse_or_none(text), self._form)

    def read(self, text: str | None) -> Submission:
        """Return what was sent. Nothing at all, or no JSON, is a problem: never an empty configuration."""
        if not text or not text.strip():
            return _refuse(_("The form arrived empty, so nothing was changed. Is JavaScript switched off?"))
        try:
            form = parse_json(self._open_text(text))
        except ValueError as error:
            return _refuse(_("This is not valid JSON: %(reason)s.") % {"reason": error})
        if not self.is_new and controls.is_same(form, self._form):
            return Submission(None, changed=False, form=form)
        if not isinstance(form, dict):
            return _refuse(_("A configuration is a JSON object, in braces."), form)
        reading = controls.Reading(self.plain, typed=self._typed)
        plain = self.control.read(form, reading) if self.generated else _read_text(self.control, form, reading)
        misplaced: list[FieldProblem] = []
        config = self._placeholders.reveal(plain, misplaced)
        problems = (*reading.problems, *self.to_form_paths(misplaced, form))
        changed = tuple(self._iter_changed_titles(plain))
        return Submission(None if problems else config, problems, changed_fields=changed, form=form)

    def _iter_changed_titles(self, plain: Mapping[str, Any]) -> Iterator[str]:
        for key in {**self.plain, **plain}:
            if not controls.is_same(self.plain.get(key, MISSING), plain.get(key, MISSING)):
                yield self.control.get_title(key)

    def check_read_only(self, config: Mapping[str, Any], row: Any) -> None:
        """Check that ``config``, which was set in ``row``, changes nothing that the form only shows.

        :raises InvalidConfig: if it does.
        """
        parts = [part for model in iter_models(get_tree(self._schema)) for part in model.parts]
        problems = find_changed(row.load_config(), config, self.plain) if any(map(is_read_only, parts)) else []
        if problems:
            raise InvalidConfig(str(row), problems)

    def to_form_paths(self, problems: Iterable[FieldProblem], form: Any) -> list[FieldProblem]:
        """Return problems with stored paths, as pydantic finds them, with their paths in the posted form."""
        if not self.generated:
            return list(problems)
        return [FieldProblem(_locate(self.control, path, form), message) for path, message in problems]

    def describe_place(self, path: Path, form: Any = None) -> tuple[str, str]:
        """Return how people know the value at a path in a posted form, ``Servers > 1 > Token``; and an example of it.

        Without a form, the path is one in the form that was sent.
        """
        steps = _follow(self.control, path, self._form if form is None else form, stored=not self.generated)
        return " > ".join(title for title, _label in steps), steps[-1][1].placeholder if steps else ""

    def redisplay(self, text: str | None) -> str:
        """Return what may be shown again of a posted text: no typed secret, and of a shape that the widget can show."""
        form = _parse_or_none(self._open_text(text or ""))
        known = {part for _path, part in walk_json(self.plain) if type(part) in (str, int, float)}
        reading = controls.Reading(known=known, typed=self._typed)
        if not text or (self.generated and not isinstance(form, dict)):
            return self.get_text()
        if self.generated:  # what was left out stays, so it must not come back empty
            return controls.show_json(self.control.redisplay({**self._form, **form}, reading))
        if not self.control.label.holds_secret:
            return text if form is None else controls.show_json(form)
        return (
            controls.show_json(_redisplay_text(self.control, form, reading))
            if isinstance(form, dict)
            else self._seal_text(text)
        )

    def _seal_text(self, text: str) -> str:
        """Return a text that is no configuration as it was typed, encrypted wherever it may be a secret."""
        if self._typed is None:
            return self.get_text()
        typed, known = self._typed, {"true", "false", "null"}
        for path, part in (*walk_json(self._form), *walk_json(_outline(self.control))):
            known |= {controls.show_json(word) for word in (*path, part) if type(word) in (str, int, float)}
        opened = self._open_text(text)
        return _WORD.sub(
            lambda word: word[0] if word[0] in known else controls.show_json(typed.seal(word[0], ())), opened
        )

    def _open_text(self, text: str) -> str:
        """Return a text with what ``_seal_text`` encrypted."""
        typed = self._typed
        if self.generated or typed is None:
            return text

        def open_word(word: re.Match[str]) -> str:
            marker = word[0].strip('"')
            opened = str(typed.open(marker, ()))
            return word[0] if opened == marker else opened

        return _WORD.sub(open_word, text)


def _refuse(problem: str, form: Any = None) -> Submission:
    return Submission(None, (FieldProblem((), problem),), form=form)


def _build(schema: type[BaseModel]) -> controls.Control:
    try:
        return build(get_tree(schema))
    except Exception:  # noqa: BLE001 - the types, defaults and hooks of a foreign model; JSON text serves for any
        return JsonTextControl(controls.Label(holds_secret=True))


# A stored configuration without its secrets


def drop_secrets(stored: Mapping[str, Any], schema: type[BaseModel]) -> dict[str, Any]:
    """Return a stored configuration without its secrets: what a copy of the row may start with."""
    dropped: dict[str, Any] = _hide(_build(schema), stored, schema, MISSING)
    return dropped


def show_fields(stored: Mapping[str, Any], schema: type[BaseModel] | None) -> str:
    """Return a stored configuration as HTML: each field with its title, lists and models inside of it as lists.

    Without a schema, which is gone, fields have their keys.
    """
    if is_deep(dict(stored)):
        return TOO_DEEP
    if schema is None:
        return _show(None, Placeholders(instead=BLOT).hide(None, dict(stored)))
    control = _build(schema)
    return _show(control, _hide(control, stored, schema, BLOT))


def _show(control: controls.Control | None, plain: Any) -> str:
    control = control and control.resolve(plain)
    if not isinstance(plain, (dict, list)) or not plain or controls.is_reference(plain):
        return _show_value(control, plain)
    parts = []
    for key, part in iter_json(plain):
        title = control.get_title(key) if control else key
        parts.append((title, _show(control and control.get_child(key), part)))
    if isinstance(plain, dict):
        lines = format_html_join("", "<div><dt>{}</dt><dd>{}</dd></div>", parts)
        return format_html('<dl class="dps-fields">{}</dl>', lines)
    return format_html("<ol>{}</ol>", format_html_join("", "<li>{}</li>", ((text,) for _title, text in parts)))


def _show_value(control: controls.Control | None, plain: Any) -> str:
    if reference := read_reference(plain):
        return str(reference)
    if plain is None or plain in ("", [], {}):
        return _("Not set")
    if isinstance(plain, bool):
        return _("Yes") if plain else _("No")
    return control.get_choice_title(plain) if isinstance(control, ChoiceControl) else str(plain)


def _hide(control: controls.Control, stored: Mapping[str, Any], schema: type[BaseModel], instead: Any) -> Any:
    return Placeholders(declared=_find_declared(schema, stored), instead=instead).hide(control, dict(stored))


def _find_declared(schema: type[BaseModel], stored: Mapping[str, Any]) -> set[Path]:
    """Return where the types declare secrets in ``stored``, which may not be encrypted."""
    return {path for path, _value in find_secrets(get_tree(schema), stored, controls.is_reference)}


def _parse_or_none(text: str | None) -> Any:
    try:
        return parse_json(text or "")
    except ValueError:
        return None


# Paths


def _follow(control: controls.Control, path: Path, form: Any, *, stored: bool) -> list[tuple[str, controls.Label]]:
    """Return the title and the label of each part on a path, which goes by form keys or by those that are ``stored``.

    What is not there has its key, and no label.
    """
    slots = {slot.key if stored else slot.at[0]: slot for slot in control.split(form)}
    slot = slots.get(path[0] if path else "")
    if slot is None:
        return [(str(int(key) + 1) if key.isdecimal() else key, controls.Label()) for key in path]
    rest = _follow(slot.control, path[1 if stored else len(slot.at) :], slot.form, stored=stored)
    has_free_key = len(slot.at) > 1
    title = path[0] if has_free_key else str(slot.control.label.title) or path[0]
    return [(str(int(path[0]) + 1) if isinstance(form, list) else title, slot.control.label), *rest]


def _locate(control: controls.Control, path: Path, form: Any) -> Path:
    """Return the form path of the value that is stored at ``path``; as far as it leads."""
    slots = {slot.key: slot for slot in control.split(form)} if path else {}
    if slot := slots.get(path[0] if path else ""):
        return (*slot.at, *_locate(slot.control, path[1:], slot.form))
    if extras := slots.get(EXTRAS):
        return (*extras.at, *_locate(extras.control, path, extras.form))
    return ()


# The whole configuration as one JSON text, for projects without django-jsonform and schemas that no form can show


def _outline(control: controls.Control) -> Any:
    """Return what the text of a new configuration starts with: every field with its default, or empty."""
    if control.label.default is not MISSING and not control.label.holds_secret:
        return control.label.default
    if isinstance(control, GroupControl):
        return control.unfold({name: _outline(child) for name, child in control.children.items()})
    if control.has_free_keys:
        return {}
    return None if control.nullable else _EMPTY.get(control.kind)


def _read_text(control: controls.Control | None, plain: Any, reading: controls.Reading) -> Any:
    """Return typed JSON without empty fields that must be filled; refuse masks in the place of secrets.

    What was empty before may be so again.
    """
    if control is None or may_be_secret(control):
        plain = reading.open(plain)
        is_mask = control and holds_mask(plain) and not controls.is_same(plain, reading.old)
        return reading.refuse(MASK_PROBLEM) if is_mask else plain
    before = dict(iter_json(reading.old))

    def read_part(key: str, part: Any) -> Any:
        child = control.find(key, part)
        old = before.get(key)
        is_unfilled = part == "" and old != "" and isinstance(plain, dict) and _must_be_filled(child)
        return MISSING if is_unfilled else _read_text(child, part, reading.enter(key, old=old))

    return map_present(plain, read_part)


def _must_be_filled(control: controls.Control | None) -> bool:
    return control is not None and (control.is_secret or (isinstance(control, TextControl) and control.label.required))


def _redisplay_text(control: controls.Control | None, plain: Any, reading: controls.Reading) -> Any:
    """Return typed JSON as it may be shown again: nothing that was typed where a secret or nothing belongs."""
    if control is None or may_be_secret(control):
        return reading.hide(reading.open(plain))
    if controls.is_reference(plain) or isinstance(control, JsonTextControl):
        return plain
    return map_json(plain, lambda key, part: _redisplay_text(control.find(key, part), part, reading.enter(key)))


# Fields that the form shows and never changes, ``readOnly``: also where JSON is typed, other keys or a reference


_Place = tuple[str | None, ...]
"""A path with None for list positions and free keys, as entries may move."""


def find_changed(model: BaseModel, given: Mapping[str, Any], before: Mapping[str, Any]) -> list[FieldProblem]:
    """Return a problem for each read-only field of ``model`` that it was ``given`` otherwise than it was ``before``.

    A new entry of a list or a dict has the default, or what another entry has.
    """
    problems = []
    known: dict[_Place, set[Any]] = {}
    for path, place, part, found in _iter_read_only(model, [given], (), ()):
        if place not in known:
            known[place] = {controls.freeze(_conceal(value)) for value in _look_up(before, place)}
        was_there = list(_look_up(before, path))
        is_new = None in place or not was_there
        allowed = known[place] | ({controls.freeze(get_default(part))} if is_new else set())
        if (not found and not is_new) or any(controls.freeze(_conceal(value)) not in allowed for value in found):
            problems.append(FieldProblem(path, _("This field is read-only: leave it as it is.")))
    return problems


def _iter_read_only(
    value: Any, given: list[Any], path: Path, place: _Place
) -> Iterator[tuple[Path, _Place, Part, list[Any]]]:
    """Yield each read-only field of a validated value, with all that was given for it."""
    value = look_through(value)
    if isinstance(value, SECRET_TYPES):
        return
    fields = {} if get_fields(value) is None else get_tree(type(value)).fields
    for key, item in iter_parts(value):
        part = fields.get(key)
        found = [inner for one in given for inner in _get_given(one, key, part)]
        at, around = (*path, key), (*place, key if part else None)
        if part and is_read_only(part):
            yield at, around, part, found
        else:
            yield from _iter_read_only(item, found, at, around)


def _get_given(given: Any, key: str, part: Part | None) -> Iterable[Any]:
    """Return what is given for a part, by whichever keys; a reference gives all that is inside of it."""
    if controls.is_reference(given):
        return [given]
    ways = [(key,), *part.alias_paths] if part else [(key,)]
    return [value for way in ways for value in _look_up(given, tuple(map(str, way)))]


def _look_up(tree: Any, place: _Place) -> Iterator[Any]:
    """Yield each value of a JSON ``tree`` at ``place``; a reference that stands on the way."""
    if not place or controls.is_reference(tree):
        yield tree
        return
    for key, part in iter_json(tree):
        if place[0] in (None, key):
            yield from _look_up(part, place[1:])


def _conceal(value: Any) -> Any:
    """Return JSON without its stored secrets: they stayed, or are no longer these."""
    if is_placeholder(value) or is_marker(value) or isinstance(value, Kept):
        return {"stored secret": True}
    return map_json(value, lambda _key, part: _conceal(part))
