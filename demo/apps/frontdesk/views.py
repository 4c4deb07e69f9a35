"""The front page and its buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.files.base import ContentFile
from django.core.mail import send_mail
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from apps.frontdesk.board import describe, list_purposes
from apps.frontdesk.checking import find_fault
from apps.frontdesk.forms import MessageForm
from apps.frontdesk.models import Delivery
from apps.frontdesk.sending import deliver
from apps.gateway.models import Provider, set_down
from django_plugin_system import PluginSystemError
from django_plugin_system.models import PluginHealth, PluginInstance

if TYPE_CHECKING:
    from uuid import UUID


@require_safe
def show_front(request: HttpRequest) -> HttpResponse:
    """Show the form, who would be chosen, and what arrived."""
    return _render(request, MessageForm(purposes=list_purposes()))


@require_POST
def send(request: HttpRequest) -> HttpResponse:
    """Send the message of the form, and show what came of it."""
    form = MessageForm(request.POST, purposes=list_purposes())
    if not form.is_valid():
        return _render(request, form, status=400)
    deliver(form.get_order())
    return redirect(reverse("front") + "#result")


@require_POST
def mail_receipt(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep a receipt of a delivery in a file, and mail it with Django's own ``send_mail``."""
    delivery = get_object_or_404(Delivery, pk=pk)
    text = f"{delivery.get_outcome_display()}: {delivery.text}\nTo {delivery.recipient}, {delivery.created_at:%c}\n"
    delivery.file.save(f"{pk}.txt", ContentFile(text))
    try:
        send_mail("Your receipt", text, None, ["customer@example.com"])
    except (PluginSystemError, OSError) as error:
        messages.error(request, f"The receipt is kept; it was not mailed: {error}")
    return redirect(reverse("front") + "#result")


@require_POST
def switch_provider(request: HttpRequest, provider: str) -> HttpResponse:
    """Put a provider of the gateway out of service (``down=1``) or back into it."""
    if provider not in Provider.values:
        raise Http404
    set_down(Provider(provider), down=request.POST.get("down") == "1")
    return redirect("front")


@require_POST
def end_cooldowns(request: HttpRequest) -> HttpResponse:
    """Let every instance take part again at once."""
    del request
    PluginHealth.objects.exclude(unavailable_until=None).update(unavailable_until=None, last_error="")
    return redirect("front")


@require_POST
def check(request: HttpRequest, instance_id: UUID) -> HttpResponse:
    """Try the connection of one instance and say what came of it."""
    instance = get_object_or_404(PluginInstance.objects.select_related("item"), pk=instance_id)
    if fault := find_fault(instance):
        messages.error(request, f"{instance}: {fault}")
    else:
        messages.success(request, f"{instance}: the connection works.")
    return redirect("front")


def _render(request: HttpRequest, form: MessageForm, status: int = 200) -> HttpResponse:
    return render(request, "frontdesk/front.html", {"form": form, **describe()}, status=status)
