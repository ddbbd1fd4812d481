"""FakeAccess: the same questions as Access and the clients, answered from what a test allowed; everything else is denied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Unpack
from uuid import UUID

from carecircle.access.decision import remedies
from carecircle.client.core import AnyId, Circumstances
from carecircle.client.values import Basis, Decision, Listing, Row
from carecircle.errors import AccessUnavailable, InvalidRequest
from carecircle.identifiers import EntryId, Identifier, new_id, parse_reference, to_text


class Asked(NamedTuple):
    """A question that was put: which one, by whom, what, about whom (None in a list of patients), for which purpose."""

    question: str
    provider: str | None
    action: str | None
    patient: str | None
    purpose: str = "TREAT"


_Path = tuple[UUID | Identifier, str, UUID | Identifier]


@dataclass
class _Ward:
    """What a FakeAccess and its blocking face know."""

    yes: dict[_Path, Basis] = field(default_factory=dict)
    no: dict[_Path, str] = field(default_factory=dict)
    questions: list[Asked] = field(default_factory=list)
    available: bool = True


class FakeNow:
    """The questions for code that blocks; what Client has."""

    def __init__(self, ward: _Ward) -> None:
        self._ward = ward

    def check(self, provider: AnyId, action: str, patient: AnyId, **said: Unpack[Circumstances]) -> Decision:
        self._put("check", provider, action, patient, said)
        path = (parse_reference(provider), action, parse_reference(patient))
        basis = self._ward.yes.get(path)
        if basis is not None and path not in self._ward.no:
            return Decision(True, "allowed", EntryId(new_id()), (basis,))
        code = self._ward.no.get(path, "no-relationship")
        return Decision(False, code, EntryId(new_id()), remedies=remedies(code))

    def check_many(
        self, provider: AnyId, action: str, patients: Iterable[AnyId], **said: Unpack[Circumstances]
    ) -> list[Decision]:
        return [self.check(provider, action, patient, **said) for patient in patients]

    def list_patients(self, provider: AnyId, action: str = "read", **said: Unpack[Circumstances]) -> Listing:
        self._put("list_patients", provider, action, None, said)
        asking = parse_reference(provider)
        return self._listing(whom for who, what, whom in self._allowed() if (who, what) == (asking, action))

    def list_providers(self, patient: AnyId, action: str = "read", **said: Unpack[Circumstances]) -> Listing:
        self._put("list_providers", None, action, patient, said)
        about = parse_reference(patient)
        return self._listing(who for who, what, whom in self._allowed() if (what, whom) == (action, about))

    def actions(self, provider: AnyId, patient: AnyId, **said: Unpack[Circumstances]) -> tuple[str, ...]:
        self._put("actions", provider, None, patient, said)
        pair = parse_reference(provider), parse_reference(patient)
        return tuple(sorted(what for who, what, whom in self._allowed() if (who, whom) == pair))

    def _allowed(self) -> Iterator[_Path]:
        return (path for path in self._ward.yes if path not in self._ward.no)

    def _listing(self, found: Iterable[UUID | Identifier]) -> Listing:
        ids = []
        for one in found:
            if not isinstance(one, UUID):
                raise InvalidRequest("A list answers ids of carecircle: allow what it shall find by ULID or UUID.")
            ids.append(one)
        return Listing(tuple(Row(one) for one in sorted(ids)), EntryId(new_id()))

    def _put(
        self, question: str, provider: AnyId | None, action: str | None, patient: AnyId | None, said: Circumstances
    ) -> None:
        if not self._ward.available:
            raise AccessUnavailable
        unknown = set(said) - Circumstances.__optional_keys__
        if unknown:
            raise TypeError(f"{question}() got an unexpected keyword argument {min(unknown)!r}")
        about = Asked(question, _text(provider), action, _text(patient), said.get("purpose", "TREAT"))
        self._ward.questions.append(about)


class FakeAccess:
    """Answers without a database or a service. Nobody may do anything until a test says so.

    Ids are compared as carecircle does: a ULID and the UUID it stands for are the same. `now` is its face for code that
    blocks; both know the same, and `questions` has what was asked of either.
    """

    def __init__(self) -> None:
        self._ward = _Ward()
        self.now = FakeNow(self._ward)

    @property
    def questions(self) -> list[Asked]:
        return self._ward.questions

    def allow(
        self, provider: AnyId, action: str, patient: AnyId, *, kind: str = "primary", until: datetime | None = None
    ) -> None:
        """Say yes to this question from now on, on a basis of that kind."""
        self._ward.yes[_path(provider, action, patient)] = Basis(kind, new_id(), until)

    def deny(self, provider: AnyId, action: str, patient: AnyId, *, code: str = "restricted") -> None:
        """Say no with that code, whatever was allowed."""
        if code == "allowed":
            raise InvalidRequest("A denial has another code than allowed.")
        self._ward.no[_path(provider, action, patient)] = code

    def forget(self) -> None:
        """Nobody may do anything any more, and nothing was asked."""
        self._ward.yes.clear()
        self._ward.no.clear()
        self._ward.questions.clear()

    @contextmanager
    def unavailable(self) -> Iterator[None]:
        """Inside the block every question raises AccessUnavailable."""
        before, self._ward.available = self._ward.available, False
        try:
            yield
        finally:
            self._ward.available = before

    async def check(self, provider: AnyId, action: str, patient: AnyId, **said: Unpack[Circumstances]) -> Decision:
        return self.now.check(provider, action, patient, **said)

    async def check_many(
        self, provider: AnyId, action: str, patients: Iterable[AnyId], **said: Unpack[Circumstances]
    ) -> list[Decision]:
        return self.now.check_many(provider, action, patients, **said)

    async def list_patients(self, provider: AnyId, action: str = "read", **said: Unpack[Circumstances]) -> Listing:
        return self.now.list_patients(provider, action, **said)

    async def list_providers(self, patient: AnyId, action: str = "read", **said: Unpack[Circumstances]) -> Listing:
        return self.now.list_providers(patient, action, **said)

    async def actions(self, provider: AnyId, patient: AnyId, **said: Unpack[Circumstances]) -> tuple[str, ...]:
        return self.now.actions(provider, patient, **said)


def _path(provider: AnyId, action: str, patient: AnyId) -> _Path:
    return parse_reference(provider), action, parse_reference(patient)


def _text(given: Any) -> str | None:
    if given is None:
        return None
    known = parse_reference(given)
    return to_text(known) if isinstance(known, UUID) else str(known)
