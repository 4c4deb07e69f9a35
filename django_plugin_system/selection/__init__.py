"""Which instance is used now: the rows in order, what is remembered of them, and the marks that failures leave."""

from django_plugin_system.selection.candidates import Candidate, Request, make_request
from django_plugin_system.selection.choosing import (
    Selection,
    explain,
    forget_selections,
    get_all,
    get_best,
    get_by_id,
    iter_failover,
)

__all__ = [
    "Candidate",
    "Request",
    "Selection",
    "explain",
    "forget_selections",
    "get_all",
    "get_best",
    "get_by_id",
    "iter_failover",
    "make_request",
]
