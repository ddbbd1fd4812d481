"""Counting what happened to emergency access once it is committed, and not at all when it is not."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransaction

_UNCOUNTED = "carecircle.emergency_uncounted"


def once_committed(db: AsyncSession, count: Callable[[], None]) -> None:
    """Count when the caller's transaction commits, with whatever else it holds."""
    session = db.sync_session
    if _UNCOUNTED not in session.info:
        event.listen(session, "after_transaction_create", _forget)
        event.listen(session, "after_commit", _count)
    session.info.setdefault(_UNCOUNTED, []).append(count)


def _forget(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info[_UNCOUNTED] = []


def _count(session: Session) -> None:
    if not session.in_nested_transaction():
        for count in session.info[_UNCOUNTED]:
            count()
        session.info[_UNCOUNTED] = []
