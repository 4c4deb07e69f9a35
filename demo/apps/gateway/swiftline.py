"""The stand-in for Swiftline: JSON in and out, a bearer token, and HTTP status codes that mean what they say."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from apps.gateway.models import Message, Provider, is_down
from apps.gateway.phone import is_number
from project.digest import matches


@csrf_exempt
@require_POST
def take_message(request: HttpRequest) -> JsonResponse:
    """Take ``{"from", "to", "text"}`` and answer 202 with an id."""
    if refusal := _refuse(request):
        return refusal
    fields = _read_fields(request.body)
    if fields is None:
        return _error(400, "send a JSON object with from, to and text")
    if not is_number(fields["to"]):
        return _error(422, "that is no phone number")
    message = Message.objects.create(
        provider=Provider.SWIFTLINE, sender=fields["from"], number=fields["to"], text=fields["text"]
    )
    return JsonResponse({"id": f"sw-{message.pk}"}, status=202)


@require_GET
def show_account(request: HttpRequest) -> JsonResponse:
    """Answer 200 to a customer."""
    return _refuse(request) or JsonResponse({"status": "active"})


def _refuse(request: HttpRequest) -> JsonResponse | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not matches(token, settings.GATEWAY_SWIFTLINE_TOKEN_DIGEST):
        return _error(401, "the token is wrong")
    if is_down(Provider.SWIFTLINE):
        return _error(503, "down for maintenance")
    return None


def _read_fields(body: bytes) -> dict[str, str] | None:
    """Return the three fields of a message, or None if the body does not hold them."""
    try:
        data: Any = json.loads(body)
    except ValueError:
        return None
    if not isinstance(data, dict):
        return None
    fields: dict[str, Any] = {key: data.get(key) for key in ("from", "to", "text")}
    return fields if all(isinstance(value, str) and value for value in fields.values()) else None


def _error(status: int, reason: str) -> JsonResponse:
    return JsonResponse({"error": reason}, status=status)
