"""For the applications that ask: guards for FastAPI, Django and plain functions. Each asks first, and goes on only on a yes."""

from carecircle.hosts.asking import Asker, Asks, AsksNow, Within, use, using
from carecircle.hosts.guard import granted, guard
from carecircle.hosts.refusal import AccessDenied

__all__ = ["AccessDenied", "Asker", "Asks", "AsksNow", "Within", "granted", "guard", "use", "using"]
