"""Open sign-ins over HTTP: who is in, and putting them out."""

from __future__ import annotations

from carecircle.api.v1.door import Administering, routes
from carecircle.api.v1.paging import Next, Paging
from carecircle.api.v1.shapes import AN_ID, ANOTHER_ID, Answer, Ended, Id, Moment, OwnId, example, id_of
from carecircle.directory import sign_in_service
from carecircle.directory.account_tables import SignIn as Row
from carecircle.identifiers import to_text
from carecircle.period import show

router = routes("sign-ins")

SIGN_IN = {
    "id": AN_ID, "account_id": ANOTHER_ID, "actor": "provider:01K0000000000000000000000C",
    "starts_at": "2026-01-31T08:00:00Z", "ends_at": "2026-01-31T20:00:00Z",
}  # fmt: skip


class SignIn(Answer):
    """`starts_at` is its first use here, `ends_at` when its token ends; `account_id` is null for the installation's own tokens."""

    model_config = example(**SIGN_IN)
    id: Id
    account_id: Id | None
    actor: str
    starts_at: Moment
    ends_at: Moment


class SignIns(Answer):
    model_config = example(sign_ins=[SIGN_IN], next=None)
    sign_ins: list[SignIn]
    next: Next


@router.get("/sign-ins")
async def list_sign_ins(door: Administering, page: Paging, account: OwnId | None = None) -> SignIns:
    """Sign-ins that are open now, the newest first; of one account, when asked so."""
    async with door.read() as db:
        found = await sign_in_service.sign_ins(db, account_id=account, after=page.after, limit=page.limit + 1)
    shown, onwards = page.cut(found, lambda one: (one.starts_at, one.id))
    return SignIns(sign_ins=[_sign_in(one) for one in shown], next=onwards)


@router.delete("/sign-ins/{sign_in_id}")
async def end_sign_in(door: Administering, sign_in_id: OwnId) -> Ended:
    """End one: the next request with its token is refused, on every worker."""
    async with door.change() as db:
        await sign_in_service.end_sign_in(db, sign_in_id=sign_in_id)
        return Ended(ended=1)


@router.delete("/sign-ins")
async def end_sign_ins_of_account(door: Administering, account: OwnId) -> Ended:
    """End every open sign-in of an account. The person may sign in again; to keep them out, end the account."""
    async with door.change() as db:
        return Ended(ended=await sign_in_service.end_sign_ins(db, account_id=account))


def _sign_in(row: Row) -> SignIn:
    return SignIn(
        id=to_text(row.id), account_id=id_of(row.account_id), actor=row.actor, starts_at=show(row.starts_at),
        ends_at=show(row.ends_at),
    )  # fmt: skip
