"""The stand-in for Courier: a key buys a token, a token buys messages, for a short while."""

from __future__ import annotations

import secrets
import time

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.gateway.models import Message, Provider, is_down
from apps.gateway.phone import is_number
from project.digest import matches

LIFETIME = 20
"""Seconds that a token is good for."""


@csrf_exempt
@require_POST
def give_token(request: HttpRequest) -> JsonResponse:
    """Answer a customer's key with a new token, and when it ends."""
    if is_down(Provider.COURIER):
        return JsonResponse({"error": "on strike"}, status=503)
    if not matches(request.POST.get("key", ""), settings.GATEWAY_COURIER_KEY_DIGEST):
        return JsonResponse({"error": "the key is wrong"}, status=401)
    token = signing.dumps(secrets.token_urlsafe(8), salt=__name__)
    return JsonResponse({"token": token, "expires_at": time.time() + LIFETIME})


@csrf_exempt
@require_POST
def take_message(request: HttpRequest) -> JsonResponse:
    """Take a form with ``from``, ``to`` and ``text`` from whoever has a token that has not ended."""
    if is_down(Provider.COURIER):
        return JsonResponse({"error": "on strike"}, status=503)
    try:
        signing.loads(request.headers.get("Authorization", ""), salt=__name__, max_age=LIFETIME)
    except signing.BadSignature:
        return JsonResponse({"error": "the token has ended"}, status=401)
    form = request.POST
    if not is_number(form.get("to", "")):
        return JsonResponse({"error": "that is no phone number"}, status=422)
    message = Message.objects.create(
        provider=Provider.COURIER, sender=form.get("from", ""), number=form["to"], text=form.get("text", "")
    )
    return JsonResponse({"id": f"co-{message.pk}"})
