"""URLs of the front page."""

from django.urls import path

from apps.frontdesk import views

urlpatterns = [
    path("", views.show_front, name="front"),
    path("send/", views.send, name="send"),
    path("receipts/<int:pk>/", views.mail_receipt, name="mail-receipt"),
    path("providers/<slug:provider>/", views.switch_provider, name="switch-provider"),
    path("cooldowns/end/", views.end_cooldowns, name="end-cooldowns"),
    path("check/<uuid:instance_id>/", views.check, name="check"),
]
