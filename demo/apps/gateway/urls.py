"""URLs of the stand-in providers."""

from django.urls import path

from apps.gateway import courier, pigeon, swiftline

urlpatterns = [
    path("swiftline/v1/messages", swiftline.take_message),
    path("swiftline/v1/account", swiftline.show_account),
    path("courier/token", courier.give_token),
    path("courier/messages", courier.take_message),
    path("pigeon/send", pigeon.take_form),
]
