"""Asks a carecircle service over HTTP: Client and AsyncClient, two faces of one core that does no input or output."""

from carecircle.client.asynchronous import AsyncClient
from carecircle.client.problems import (
    Conflicting,
    Forbidden,
    Malformed,
    Missing,
    NotSignedIn,
    Problem,
    RulesBroken,
    TooMany,
    Unavailable,
    UnexpectedAnswer,
)
from carecircle.client.retrying import Limits
from carecircle.client.synchronous import Client
from carecircle.client.values import Basis, Decision, Listing, Primary, Reply, Row

__all__ = [
    "AsyncClient", "Basis", "Client", "Conflicting", "Decision", "Forbidden", "Limits", "Listing", "Malformed", "Missing",
    "NotSignedIn", "Primary", "Problem", "Reply", "Row", "RulesBroken", "TooMany", "Unavailable", "UnexpectedAnswer",
]  # fmt: skip
