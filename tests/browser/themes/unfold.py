"""Settings of a project whose admin is drawn by django-unfold."""

from tests.settings import *  # noqa: F403 - a project like that of the tests

INSTALLED_APPS = ["unfold", *INSTALLED_APPS]  # noqa: F405 - as above
