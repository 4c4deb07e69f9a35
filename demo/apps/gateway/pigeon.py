"""The stand-in for Pigeon Post: one address, forms, Basic auth, and 200 with a line of text whatever happens."""

from __future__ import annotations

import base64
import binascii

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.gateway.models import Message, Provider, is_down
from apps.gateway.phone import is_number
from project.digest import matches

_EXTRAS = ("route", "max_price", "tags", "report_to", "report_on")


@csrf_exempt
@require_POST
def take_form(request: HttpRequest) -> HttpResponse:
    """Answer ``OK <id>`` or ``ERR <code>``: 10 login, 21 number, 30 what to do, 40 loft closed."""
    return HttpResponse(_answer(request), content_type="text/plain")


def _answer(request: HttpRequest) -> str:
    if not _is_customer(request):
        return "ERR 10"
    if is_down(Provider.PIGEON):
        return "ERR 40"
    if request.POST.get("do") == "ping":
        return "OK pong"
    if request.POST.get("do") != "send":
        return "ERR 30"
    return _take_message(request)


def _take_message(request: HttpRequest) -> str:
    form = request.POST
    if not is_number(form.get("to", "")):
        return "ERR 21"
    message = Message.objects.create(
        provider=Provider.PIGEON,
        sender=form.get("from", ""),
        number=form["to"],
        text=form.get("text", ""),
        extras={key: form[key] for key in _EXTRAS if form.get(key)},
    )
    return f"OK pg-{message.pk}"


def _is_customer(request: HttpRequest) -> bool:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    known_user, digest = settings.GATEWAY_PIGEON_LOGIN
    return scheme == "Basic" and user == known_user and matches(password, digest)
