"""@guard for plain functions, sync and async: it asks before the function runs, and the function runs only on a yes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar, cast

from carecircle.actor import actor_of
from carecircle.errors import InvalidSetting, Unauthenticated
from carecircle.hosts.asking import AnyAsks, Asker, Wanted, asker_of, granted_by, granted_now, in_use, patient_named
from carecircle.hosts.refusal import Decided

P = ParamSpec("P")
R = TypeVar("R")
_granted: ContextVar[Decided | None] = ContextVar("carecircle_granted", default=None)


def guard(
    action: str,
    *,
    patient: str,
    provider: str | None = None,
    system: str | None = None,
    purpose: str = "TREAT",
    asks: AnyAsks | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Ask whether `provider` may do `action` to `patient` before each call; both name arguments of the function.

    Without `provider`, it is who acts inside `carecircle.acting_as(actor=Actor.provider(…))`. With `system`, the argument
    is a value under that system (`urn:mrn`). A call raises AccessDenied on a no and AccessUnavailable without an answer;
    a function without these arguments raises InvalidSetting when it is decorated.
    """

    def guarded(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        for name in (patient, *([provider] if provider else [])):
            kind = signature.parameters[name].kind if name in signature.parameters else None
            if kind in (None, inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
                raise InvalidSetting(f"{function.__qualname__} has no argument {name}, which its guard names.")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise InvalidSetting(f"{function.__qualname__} is a generator, which runs later: guard what calls it.")

        def asked(args: Any, kwargs: Any) -> tuple[AnyAsks, str, Wanted]:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            who = asker_of(bound.arguments[provider]) if provider else _acting()
            wanted = Wanted(action, patient_named(bound.arguments[patient], system), purpose)
            return who.asks or asks or in_use(), who.provider, wanted

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def later(*args: P.args, **kwargs: P.kwargs) -> Any:
                token = _granted.set(await granted_by(*asked(args, kwargs)))
                try:
                    return await function(*args, **kwargs)
                finally:
                    _granted.reset(token)

            return cast("Callable[P, R]", later)

        @functools.wraps(function)
        def at_once(*args: P.args, **kwargs: P.kwargs) -> R:
            token = _granted.set(granted_now(*asked(args, kwargs)))
            try:
                return function(*args, **kwargs)
            finally:
                _granted.reset(token)

        return at_once

    return guarded


def granted() -> Decided:
    """The decision under which the innermost guarded function runs. Raises InvalidSetting outside of one."""
    decided = _granted.get()
    if decided is None:
        raise InvalidSetting("No guarded function is running here.")
    return decided


def _acting() -> Asker:
    kind, _, provider = actor_of().name.partition(":")
    if kind != "provider" or not provider:
        raise Unauthenticated("A guard asks about a provider, and who acts here is none; see carecircle.acting_as.")
    return Asker(provider)
