"""Settings of a project whose admin is drawn by django-jazzmin."""

from tests.settings import *  # noqa: F403 - a project like that of the tests

INSTALLED_APPS = ["jazzmin", *INSTALLED_APPS]  # noqa: F405 - as above
