"""URLs of the demo: the front page, the admin, and the SMS gateway that stands in for two providers."""

from django.contrib import admin
from django.contrib.staticfiles.views import serve
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", include("apps.frontdesk.urls")),
    path("admin/", admin.site.urls),
    path("gateway/", include("apps.gateway.urls")),
    path("favicon.ico", RedirectView.as_view(url="/static/frontdesk/mark.svg")),
    # Only a demo serves static files this way: one process, with or without DEBUG.
    path("static/<path:path>", serve, {"insecure": True}),
]

admin.site.site_header = "Plugin demo"
admin.site.site_title = "Plugin demo"
admin.site.index_title = "Behind the front desk"
