"""E-mail through instances that operators configure: every mail of Django goes out, with failover.

``"django_plugin_system.contrib.email"`` in ``INSTALLED_APPS``, and ``EMAIL_BACKEND`` (or the ``BACKEND`` of one of
``MAILERS``) ``= "django_plugin_system.contrib.email.EmailBackend"``.
"""

from django_plugin_system.contrib.email.backend import AbstractEmail, EmailBackend, MailNotTaken

__all__ = ["AbstractEmail", "EmailBackend", "MailNotTaken"]
