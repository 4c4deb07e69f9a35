"""One row's configuration and its form: what is sent, how the answer is read, what is shown again after a refusal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from django_plugin_system.config.parts import map_json
from django_plugin_system.config.references import is_deep
from django_plugin_system.config.texts import collect_secret_texts
from django_plugin_system.exceptions import FieldProblem, Path
from django_plugin_system.forms.builder import Builder, Request
from django_plugin_system.forms.containers import GroupControl, ListControl, PairsControl
from django_plugin_system.forms.controls import (
    MISSING,
    Control,
    Reading,
    Schema,
    UnfitError,
    describe_references,
    is_reference,
    is_same,
    parse_json,
    show_json,
)
from django_plugin_system.forms.jsontext import (
    JOIN,
    JsonTextControl,
    hide_texts,
    holds_secret,
    iter_controls,
    iter_texts,
)
from django_plugin_system.forms.placeholders import Placeholders
from django_plugin_system.forms.scalars import MASK_PROBLEM, SecretControl, TextControl, is_mask, read_placeholder
from django_plugin_system.forms.variants import VariantsControl

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from pydantic import BaseModel


BLOT = "••••••••"
"""What people who may only look see in the place of a secret."""

TOO_DEEP = "{...}"
"""What they see in the place of a configuration that is nested too deeply."""


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

    text_url: str = ""
    """Where the same configuration is edited as one JSON text, if there is such a place."""

    def __init__(
        self,
        schema: type[BaseModel],
        stored: Mapping[str, Any] | None = None,
        opened: Mapping[Path, Any] | None = None,
        *,
        row: str = "",
        start: Mapping[str, Any] | None = None,
        generated: bool = True,
    ) -> None:
        """Make the form of ``stored``, None for a new row.

        ``opened`` are the secrets that can be read, by path; ``row`` is the row's id; ``start`` is what the form
        of a new row starts with, without secrets.
        """
        self._is_new = stored is None
        known = {} if is_deep(stored) else dict(stored or start or {})  # nothing of what nobody can show
        control, self._models = _build(schema)
        self._placeholders = Placeholders(row, opened or {}, collect_secret_texts(schema, known))
        self.plain: dict[str, Any] = self._placeholders.hide(control, known)
        self.generated = generated and isinstance(control, GroupControl)
        try:
            self.control = control.adapt(self.plain)
            self._form = self.control.encode(self.plain)
        except UnfitError:
            self.control, self.generated = control, False
        if not self.generated:
            self._form = {**outline(self.control), **self.plain} if self._is_new else self.plain

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.plain)} fields>"

    @property
    def known(self) -> set[Any]:
        """What the browser was sent: the placeholders, and the values that are no secrets."""
        return {*self._placeholders.get_placeholders(), *_iter_values(self.plain)}

    def get_help(self) -> str:
        """Return what operators should know about the whole form: what they may refer to."""
        return describe_references(self.text_url if self.generated else "")

    def get_text(self) -> str:
        """Return what is sent to the browser: the form value as JSON."""
        return show_json(self._form)

    def get_schema(self, text: str) -> Schema:
        """Return the schema django-jsonform draws the form with value ``text`` from."""
        schema = self.control.describe([_parse_or_none(text)])
        schema.pop("title", None)
        definitions = {name: model.describe(None) for name, model in self._models.items()}
        return {**schema, "$defs": definitions} if definitions else schema

    def get_secret_paths(self) -> list[str]:
        """Return the form paths at which secrets are typed, joined; ``*`` stands for any position."""
        return sorted({key for key, control in iter_controls(self.control) if isinstance(control, SecretControl)})

    def read(self, text: str | None) -> Submission:
        """Return what was sent. Nothing at all, or no JSON, is a problem: never an empty configuration."""
        if not text or not text.strip():
            problem = _("The form arrived empty, so nothing was changed. Is JavaScript switched off?")
            return Submission(None, (FieldProblem((), problem),))
        try:
            form = parse_json(text)
        except ValueError as error:
            message = _("This is not valid JSON: %(reason)s.") % {"reason": error}
            return Submission(None, (FieldProblem((), message),))
        if not self._is_new and is_same(form, self._form):
            return Submission(None, changed=False, form=form)
        return self._read_changed(form)

    def _read_changed(self, form: Any) -> Submission:
        if not isinstance(form, dict):
            problem = FieldProblem((), _("A configuration is a JSON object, in braces."))
            return Submission(None, (problem,), form=form)
        reading = Reading()
        if self.generated:
            plain = self.control.decode(form, self.plain, reading, ())
        else:
            plain = take_text(self.control, form, self.plain, reading, ())
        misplaced: list[FieldProblem] = []
        config = self._placeholders.reveal(plain, misplaced)
        problems = (*reading.problems, *self.to_form_paths(misplaced, form))
        changed = tuple(self._iter_changed_titles(plain))
        return Submission(None if problems else config, problems, changed_fields=changed, form=form)

    def _iter_changed_titles(self, plain: Any) -> Iterable[str]:
        children = self.control.children if isinstance(self.control, GroupControl) else {}
        for key in {**self.plain, **plain}:
            if not is_same(self.plain.get(key, MISSING), plain.get(key, MISSING)):
                child = children.get(key)
                yield str(child.label.title) if child else key

    def to_form_paths(self, problems: Iterable[FieldProblem], form: Any) -> list[FieldProblem]:
        """Return problems with stored paths, as pydantic finds them, with their paths in the posted form."""
        if not self.generated:
            return list(problems)
        return [FieldProblem(self.control.locate(path, form), message) for path, message in problems]

    def get_title(self, path: Path) -> str:
        """Return how people know the value at a form path: ``Servers > 1 > Token``."""
        return " > ".join(get_titles(self.control, path))

    def get_again(self, text: str | None) -> str:
        """Return what may be shown again of a posted text: no typed secret, and of a shape that the widget can show."""
        form = _parse_or_none(text)
        if form is None or (self.generated and not isinstance(form, dict)):
            return self.get_again_unreadable(text)
        if self.generated:  # what was left out stays as it is, so it must not come back empty
            return show_json(self.control.conform({**self._form, **form}, self.known))
        return show_json(hide_typed(self.control, form, self.known))

    def get_again_unreadable(self, text: str | None) -> str:
        """Return what may be shown again of a text that is no JSON: as it was typed only if no secret can be in it."""
        if self.generated or not text or holds_secret(self.control):
            return self.get_text()
        return text


def _build(schema: type[BaseModel]) -> tuple[Control, dict[str, GroupControl]]:
    builder = Builder()
    try:
        return builder.build(schema, Request()), builder.models
    except Exception:  # noqa: BLE001 - the types, defaults and hooks of a foreign model; JSON text serves for any
        return JsonTextControl(may_hold_secret=True), {}


def drop_secrets(stored: Mapping[str, Any], schema: type[BaseModel]) -> dict[str, Any]:
    """Return a stored configuration without its secrets: what a copy of the row may start with."""
    plain = Placeholders(exposed=collect_secret_texts(schema, stored)).hide(_build(schema)[0], dict(stored))
    dropped: dict[str, Any] = _drop(plain)
    return dropped


def redact(stored: Mapping[str, Any], schema: type[BaseModel] | None = None) -> str:
    """Return a stored configuration for people who may only look: neither secrets nor placeholders.

    ``schema`` finds secrets that are not encrypted yet.
    """
    if is_deep(dict(stored)):
        return TOO_DEEP
    control = _build(schema)[0] if schema else None
    exposed = collect_secret_texts(schema, stored) if schema else ()
    return show_json(_blot(Placeholders(exposed=exposed).hide(control, dict(stored))))


def make_error_map(problems: Iterable[FieldProblem]) -> dict[str, list[str]]:
    """Return problems as django-jsonform takes them: messages by path, the parts of a path joined."""
    found: dict[str, list[str]] = {}
    for path, message in problems:
        found.setdefault(JOIN.join(path), []).append(message)
    return found


def _parse_or_none(text: str | None) -> Any:
    try:
        return parse_json(text or "")
    except ValueError:
        return None


def _iter_values(plain: Any) -> Iterator[str | float]:
    if isinstance(plain, (dict, list)):
        for item in plain.values() if isinstance(plain, dict) else plain:
            yield from _iter_values(item)
    elif plain is not None and not isinstance(plain, bool):
        yield plain


def _blot(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {key: _blot(value) for key, value in plain.items()}
    if isinstance(plain, list):
        return [_blot(value) for value in plain]
    return BLOT if read_placeholder(plain) else plain


def _drop(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {key: _drop(value) for key, value in plain.items() if not read_placeholder(value)}
    if isinstance(plain, list):
        return [_drop(value) for value in plain if not read_placeholder(value)]
    return plain


_EMPTY: dict[str, Any] = {"string": "", "boolean": False, "array": []}


def outline(control: Control) -> Any:
    """Return what the text of a new configuration starts with: every field with its default, or empty."""
    if not isinstance(control, GroupControl):
        return {}
    return {name: _outline_field(child) for name, child in control.children.items()}


def _outline_field(control: Control) -> Any:
    if control.label.default is not MISSING and not holds_secret(control):
        return control.label.default
    if isinstance(control, GroupControl):
        return outline(control)
    if isinstance(control, PairsControl):
        return {}
    return None if control.nullable else _EMPTY.get(control.kind)


def take_text(control: Control | None, plain: Any, old: Any, reading: Reading, at: Path) -> Any:
    """Return typed JSON without empty fields that must be filled; refuse masks in the place of secrets.

    What stood there before, in ``old``, may be empty.
    """
    control = _resolve(control, plain)
    if isinstance(plain, dict):
        past = old if isinstance(old, dict) else {}
        return {
            key: take_text(_get_child(control, key, plain), value, past.get(key), reading, (*at, key))
            for key, value in plain.items()
            if past.get(key) == value or not _is_unfilled(_get_child(control, key, plain), value)
        }
    if isinstance(plain, list):
        before = dict(enumerate(old)) if isinstance(old, list) else {}
        return [
            take_text(_get_child(control, str(index), plain), item, before.get(index), reading, (*at, str(index)))
            for index, item in enumerate(plain)
        ]
    secret = isinstance(control, SecretControl) or (isinstance(control, JsonTextControl) and control.may_hold_secret)
    if secret and any(map(is_mask, iter_texts(plain))):
        reading.refuse(at, MASK_PROBLEM)
    return plain


def _is_unfilled(control: Control | None, value: Any) -> bool:
    return value == "" and (
        isinstance(control, SecretControl) or (isinstance(control, TextControl) and control.label.required)
    )


def hide_typed(control: Control, plain: Any, known: Container[str]) -> Any:
    """Return typed JSON as it may be shown again: nothing that was typed where a secret or nothing belongs."""
    return _hide(control, plain, known) if holds_secret(control) else plain


def _hide(control: Control | None, plain: Any, known: Container[str]) -> Any:
    if is_reference(plain):
        return plain
    control = _resolve(control, plain)
    if control is None or isinstance(control, (SecretControl, JsonTextControl)):
        harmless = isinstance(control, JsonTextControl) and not control.may_hold_secret
        return plain if harmless else hide_texts(plain, known)
    return map_json(plain, lambda key, item: _hide(control.get_child(key, plain), item, known))


def _resolve(control: Control | None, plain: Any) -> Control | None:
    return control.pick_plain(plain) if isinstance(control, VariantsControl) else control


def _get_child(control: Control | None, key: str, plain: Any) -> Control | None:
    return control.get_child(key, plain) if control else None


def get_titles(control: Control, path: Path) -> list[str]:
    """Return the titles of the controls on a form path; list positions count from 1."""
    if not path:
        return []
    part, rest = path[0], path[1:]
    if isinstance(control, (ListControl, PairsControl)) and part.isdigit():
        return [str(int(part) + 1), *_get_titles_in_item(control, rest)]
    child = _find_child(control, part)
    if child is None:
        return list(path)
    return [str(child.label.title) or part, *get_titles(child, rest)]


def _get_titles_in_item(control: ListControl | PairsControl, path: Path) -> list[str]:
    if isinstance(control, ListControl):
        return get_titles(control.item, path)
    return get_titles(control.value, path[1:]) if path[:1] == ("value",) else list(path)


def _find_child(control: Control, part: str) -> Control | None:
    options = control.options if isinstance(control, VariantsControl) else (control,)
    for option in options:
        for key, child in option.iter_children():
            if key == part:
                return child
    return None
