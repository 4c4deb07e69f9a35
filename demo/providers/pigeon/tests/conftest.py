"""What Django needs to import a plugin: no database, no admin."""

import django
from django.conf import settings

settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "django_plugin_system", "shop_sms_pigeon"])
django.setup()
