"""The Django field and its widgets."""

from __future__ import annotations

import copy
import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from pydantic import BaseModel, SecretStr

from django_plugin_system.exceptions import FieldProblem
from django_plugin_system.forms.field import ConfigFormField, GeneratedConfigWidget, TextConfigWidget
from tests.forms.helpers import OPENED, SECRET, bind, get_form
from tests.shapes.table import MARKER


class Config(BaseModel):
    """A text and a secret."""

    url: str = ""
    token: SecretStr


STORED = {"url": "https://example.org/?a=1&b=<2>", "token": MARKER}


def make_form(data: dict[str, str] | None = None, **options: Any) -> forms.Form:
    """Return a Django form with the configuration of a stored row."""
    field = ConfigFormField(bind(Config, STORED, **options))
    form: forms.Form = type("ConfigForm", (forms.Form,), {"config": field})(data)
    return form


def test_drawn_form_holds_no_secret() -> None:
    """The page has the container, the text for browsers without JavaScript, and where secrets are typed."""
    page = make_form().as_p()
    assert 'data-django-jsonform-container="true"' in page
    assert "stored secret" in page
    assert "dpsSecret" in page
    assert OPENED not in page
    assert "dps1." not in page
    assert "style=" not in page
    assert "<script" not in page


def test_media() -> None:
    """Our style and script come after the renderer's."""
    media = str(make_form().media)
    assert media.index("react-json-form.js") < media.index("config-form.js")
    assert "config-form.css" in media


def test_refused_form_shows_problems_and_no_secret() -> None:
    """Problems stand in the widget and in the field's errors; a typed secret is nowhere."""
    form = make_form({"config": json.dumps({"url": "x", "token": f"[stored secret {SECRET}"})})
    assert not form.is_valid()
    page = form.as_p()
    assert SECRET not in page
    assert "Token: Text was added" in page
    assert "errorMap" in page
    widget: Any = form.fields["config"].widget
    assert [f"Token: {message}" for message in widget.error_map["token"]] == form.errors["config"]


def test_accepted_form() -> None:
    """The cleaned value is what was sent, with secrets as they are stored."""
    form = make_form({"config": json.dumps({**get_form(bind(Config, STORED)), "url": "x"})})
    assert form.is_valid()
    assert form.cleaned_data["config"].config == {"url": "x", "token": MARKER}


def test_problem_of_the_whole() -> None:
    """A problem without a place is told without a title."""
    field = ConfigFormField(bind(Config, STORED))
    error = field.note_problems([FieldProblem((), "all wrong")])
    assert isinstance(error, ValidationError)
    assert error.messages == ["all wrong"]


def test_changed() -> None:
    """Other white space is no change; another value is."""
    field = ConfigFormField(bind(Config, STORED))
    form = get_form(field.binding)
    assert not field.has_changed(None, json.dumps(form))
    assert field.has_changed(None, json.dumps({**form, "url": "x"}))
    assert field.prepare_value(STORED) == field.binding.get_text()


def test_errors_of_one_form_do_not_reach_another() -> None:
    """A field that is copied for each form keeps its errors to itself."""
    field = ConfigFormField(bind(Config, STORED))
    copied = copy.deepcopy(field)
    copied.note_problems([FieldProblem(("url",), "wrong")])
    assert field.widget.error_map == {}


def test_widgets() -> None:
    """With the renderer the form is generated, without it the configuration is a text."""
    assert isinstance(make_form().fields["config"].widget, GeneratedConfigWidget)
    form = make_form(generated=False)
    assert isinstance(form.fields["config"].widget, TextConfigWidget)
    assert OPENED not in form.as_p()
    assert "data-django-jsonform" not in form.as_p()
