"""Settings of a project with Django's own admin under a strict policy, which django-csp announces."""

from tests.settings import *  # noqa: F403 - a project like that of the tests

INSTALLED_APPS = [*INSTALLED_APPS, "csp"]  # noqa: F405 - as above
MIDDLEWARE = [*MIDDLEWARE, "csp.middleware.CSPMiddleware"]  # noqa: F405 - as above
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {"default-src": ["'self'"], "frame-ancestors": ["'none'"], "form-action": ["'self'"]}
}
