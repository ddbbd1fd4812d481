"""Counting what happened to emergency access once it is committed, and not at all when it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransaction

_UNCOUNTED = "carecircle.emergency_uncounted"


def once_committed(db: AsyncSession, count: Callable[[], None]) -> None:
    """Count when the caller's transaction commits, with whatever else it holds; not when a savepoint around this is undone."""
    session = db.sync_session
    if _UNCOUNTED not in session.info:
        event.listen(session, "after_transaction_create", _forget)
        event.listen(session, "after_soft_rollback", _undo)
        event.listen(session, "after_commit", _count)
    session.info.setdefault(_UNCOUNTED, []).append((frozenset(_around(session)), count))


def _around(session: Session) -> Iterator[SessionTransaction]:
    """The transaction and every savepoint that must hold for what happens now to be kept."""
    one = session.get_nested_transaction() or session.get_transaction()
    while one is not None:
        yield one
        one = one.parent


def _forget(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info[_UNCOUNTED] = []


def _undo(session: Session, transaction: SessionTransaction) -> None:
    session.info[_UNCOUNTED] = [one for one in session.info[_UNCOUNTED] if transaction not in one[0]]


def _count(session: Session) -> None:
    if not session.in_nested_transaction():
        for _, count in session.info[_UNCOUNTED]:
            count()
        session.info[_UNCOUNTED] = []
