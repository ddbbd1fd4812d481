"""How long entries are kept, over HTTP: the months of the trail, what keeps each, and room for those to come."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from carecircle.api.v1.door import Administering, Auditing, routes
from carecircle.api.v1.shapes import AN_ID, UNUSABLE, Answer, Id, Moment, example, id_of
from carecircle.audit.months_service import prepare_months
from carecircle.audit.own_months_service import OwnMonth, own_month, own_months
from carecircle.directory.policy_service import policy_at
from carecircle.period import show

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.identifiers import OrganizationId

router = routes("audit")

RETIRED = {"file": f"2019-01_{AN_ID}.ndjson", "entries": 42, "sha256": "9f" * 32, "entry_id": AN_ID}
MONTH: dict[str, Any] = {
    "month": "2026-01", "closed": True, "entries": True, "sealed": True, "held": False,
    "retirable_since": "2032-02-01T00:00:00Z", "kept_by": ["retention"], "retired": None,
}  # fmt: skip


def _month(given: Any) -> date:
    try:
        return datetime.strptime(given, "%Y-%m").date()  # noqa: DTZ007 - a month of UTC
    except (ValueError, TypeError):
        raise PydanticCustomError(UNUSABLE, "Write a month as in 2019-01.") from None


WhichMonth = Annotated[
    date,
    PlainValidator(_month),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$", "description": "A month in UTC."}),
]


class Retired(Answer):
    """The file that holds this organization's entries of the month, and by which entry it was retired."""

    model_config = example(**RETIRED)
    file: str
    entries: int
    sha256: str
    entry_id: Id | None


class Month(Answer):
    """A month in UTC as far as this organization's entries go. `kept_by`: `not-over`, `retention`, `hold`, `unsealed`; nothing
    where nothing of this organization keeps it. What keeps others' entries keeps the month too, and is not told."""

    model_config = example(**MONTH)
    month: str
    closed: bool
    entries: bool
    sealed: bool
    held: bool
    retirable_since: Moment
    kept_by: list[str]
    retired: Retired | None


class Months(Answer):
    """The oldest first; `ahead` is for how many months to come there is room."""

    model_config = example(months=[MONTH], ahead=24)
    months: list[Month]
    ahead: int


class Plan(Answer):
    """What would become of a month. The deed is done on the command line, beside the files that are left of it."""

    model_config = example(month=MONTH, retirable=False, command="carecircle audit retire 2026-01 --to DIR --dry-run")
    month: Month
    retirable: bool
    command: str


class Prepared(Answer):
    """How many months were made ahead, and how many that are over were indexed."""

    model_config = example(made=1, indexed=1)
    made: int
    indexed: int


@router.get("/audit/months")
async def list_audit_months(door: Auditing) -> Months:
    """What keeps each month, and what has been retired. It tells of no entry, so that reading it leaves none."""
    async with door.read() as db:
        found, ahead = await own_months(db, auditor=door.circle.auditor, years_of=_years_of)
    return Months(months=[_shown(one) for one in found], ahead=ahead)


@router.get("/audit/months/{month}/retirement")
async def plan_audit_retirement(door: Auditing, month: WhichMonth) -> Plan:
    """Whether a month may be retired as far as this organization goes. Retiring takes it out of the database for files that must
    be kept, of all organizations at once: that is done where the files are."""
    async with door.read() as db:
        found = await own_month(db, month, auditor=door.circle.auditor, years_of=_years_of)
    return Plan(
        month=_shown(found),
        retirable=not found.kept_by and found.retired is None,
        command=f"carecircle audit retire {found.month:%Y-%m} --to DIR --dry-run",
    )


@router.post("/audit/months")
async def prepare_audit_months(door: Administering) -> Prepared:
    """Make months ahead, for all organizations, and index those that are over. What is there already stays as it is."""
    async with door.read():
        pass  # whether the token still holds
    made, indexed = await prepare_months(door.circle.reach)
    return Prepared(made=made, indexed=indexed)


async def _years_of(db: AsyncSession, organization: OrganizationId, at: datetime) -> int:
    return (await policy_at(db, organization, at)).audit_retention_years


def _shown(one: OwnMonth) -> Month:
    gone = one.retired
    return Month(
        month=f"{one.month:%Y-%m}", closed=one.closed, entries=one.entries, sealed=one.sealed, held=one.held,
        retirable_since=show(one.retirable_since), kept_by=list(one.kept_by),
        retired=None if gone is None else Retired(
            file=gone.file_name, entries=gone.entries, sha256=gone.sha256.hex(), entry_id=id_of(gone.entry_id)
        ),
    )  # fmt: skip
