"""Pages with one shape of configuration each, or with several side by side, under a strict Content-Security-Policy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.http import HttpResponse
from django.template import RequestContext, Template
from django.urls import path
from pydantic import Field, ValidationError, create_model

from django_plugin_system.exceptions import FieldProblem
from django_plugin_system.forms.binding import ConfigBinding
from django_plugin_system.forms.field import ConfigFormField
from tests.forms.helpers import open_all
from tests.shapes.table import SHAPES

if TYPE_CHECKING:
    from django.http import HttpRequest
    from pydantic import BaseModel

PAGE = Template(
    """<!doctype html><html lang="en"><head><title>Shape</title>{{ form.media }}</head><body>
    <pre id="result">{{ result }}</pre>
    <form method="post" novalidate>{% csrf_token %}{{ form.as_div }}<button>Save</button></form></body></html>"""
)


def make_schema(names: str) -> type[BaseModel]:
    """Return a model with a shape, ``value``, or several under their names, and a field to edit beside them."""
    shapes = {shape.name: shape for shape in SHAPES if shape.name in names.split("+")}
    fields: dict[str, Any] = {name: (shape.annotation, shape.default) for name, shape in shapes.items()}
    if len(fields) == 1:
        fields = {"value": fields[names]}
    return create_model("Config", **fields, other=(str, Field("start", pattern="^[a-z]*$")))


def reveal(value: Any, secret: Any) -> Any:
    """Return stored JSON with ``secret`` in the place of each token."""
    if isinstance(value, dict):
        return secret if "$secret" in value else {key: reveal(item, secret) for key, item in value.items()}
    return [reveal(item, secret) for item in value] if isinstance(value, list) else value


def validate(schema: type[BaseModel], config: Any) -> list[FieldProblem]:
    """Return what pydantic says about a configuration with its secrets opened."""
    secret_model = next(shape.annotation for shape in SHAPES if shape.name == "secret_model")
    kinds = {name: field.annotation for name, field in schema.model_fields.items()}
    opened = {name: reveal(value, {} if kinds.get(name) == secret_model else "7") for name, value in config.items()}
    try:
        schema.model_validate_json(json.dumps(opened))
    except ValidationError as invalid:
        return [FieldProblem(tuple(map(str, error["loc"])), error["msg"]) for error in invalid.errors()]
    return []


def show_shape(request: HttpRequest, names: str) -> HttpResponse:
    """Show and read the form of shapes; the result is what would be stored, or ``unchanged``."""
    schema = make_schema(names)
    stored = request.GET["stored"]
    config = None if stored == "new" else {**json.loads(stored), "other": "start"}
    binding = ConfigBinding(schema, config, open_all(config or {}), row="row")
    fields = {"config": ConfigFormField(binding)}
    form_class = type("ShapeForm", (forms.Form,), fields)
    form = form_class(request.POST) if request.method == "POST" else form_class()
    result = ""
    if form.is_bound and form.is_valid():
        submission = form.cleaned_data["config"]
        result = json.dumps(submission.config) if submission.changed else "unchanged"
        if problems := validate(schema, submission.config) if submission.config else []:
            field: Any = form.fields["config"]
            form.add_error("config", field.note_problems(binding.to_form_paths(problems, submission.form)))
            result = "invalid"
    answer = HttpResponse(PAGE.render(RequestContext(request, {"form": form, "result": result})))
    answer["Content-Security-Policy"] = "default-src 'self'"
    return answer


urlpatterns = [path("shape/<str:names>/", show_shape)]
