"""One HTTP exchange with an SMS provider, with its failures said in the words of the plugin system."""

from dataclasses import dataclass, field
from http.client import HTTPException
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from django.views.decorators.debug import sensitive_variables

from django_plugin_system import PluginOutcomeUnknown, PluginUnavailable

_LIMIT = 64 * 1024
"""Bytes of an answer that are read."""


class _NoRedirects(HTTPRedirectHandler):
    """Follows no redirect: urllib would hand the credentials on to wherever it points."""

    def redirect_request(self, *_args: object) -> None:
        """Return no request to follow, so that urllib reports the redirect as an error status."""


_OPENER = build_opener(ProxyHandler({}), _NoRedirects)


@dataclass(frozen=True)
class Answer:
    """What a provider said."""

    status: int
    body: bytes = field(repr=False)


@sensitive_variables()
def exchange(
    provider: str, url: str, *, headers: dict[str, str], body: bytes | None = None, timeout: float = 10
) -> Answer:
    """Send a POST with ``body``, or a GET without one, and return the answer whatever its status.

    ``provider`` is the name to use in errors; ``timeout`` is in seconds.

    :raises PluginUnavailable: the request did not get through.
    :raises PluginOutcomeUnknown: a POST got through, and no answer came back.
    """
    request = Request(url, data=body, headers=headers)  # noqa: S310 - HttpUrl admits http and https only
    try:
        with _OPENER.open(request, timeout=timeout) as response:
            return _read(response.status, response)
    except HTTPError as error:
        with error:
            return _read(error.code, error)
    except URLError as error:
        failure = f"{provider} cannot be reached ({type(error.reason).__name__})."
    except (HTTPException, OSError) as error:
        failure = f"{provider} took the request and did not answer ({type(error).__name__})."
        if body is not None:
            raise PluginOutcomeUnknown(failure) from None
    # Outside of the except blocks: urllib's own frames hold the credentials and must not hang on to the error.
    raise PluginUnavailable(failure)


def _read(status: int, stream: IO[bytes]) -> Answer:
    return Answer(status, stream.read(_LIMIT))
