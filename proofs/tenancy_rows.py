"""One honest row for every table that holds what people say: what a tenant is filled with, and what tests vary.

A fact's own columns only: its ids and clocks are whoever inserts it to say.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from uuid import UUID, uuid4

import asyncpg

from carecircle.database.crypto import Keyring

Row = dict[str, object]
WORDS = {"legal_holds": "reason", "visits": "reason", "emergency_access": "reason", "emergency_notes": "body"}
"""Where people's own words are kept, by table."""


@dataclass(frozen=True)
class People:
    """Registered in one organization: three providers, three patients and a team; `slug` tells whose rows these are."""

    organization: UUID
    providers: tuple[UUID, UUID, UUID]
    patients: tuple[UUID, UUID, UUID]
    team: UUID
    slug: str
    now: datetime


def honest_facts(people: People) -> dict[str, Row]:
    """By table, what a fact says."""
    one, two, third = people.providers
    patient, other_patient, third_patient = people.patients
    team, slug = people.team, people.slug
    end = people.now + timedelta(days=1)
    since: Row = {"starts_at": people.now}
    return {
        "provider_roles": {"provider_id": one, "role_code": f"role of {slug}", **since},
        "patient_assignments": {
            "patient_id": patient, "provider_id": one, "assignment_type": "consulting", "scope": ["read"],
            "rests_on": ["licence"], "referral_id": uuid4(), "ends_at": end, **since,
        },
        "care_team_patients": {"care_team_id": team, "patient_id": patient, **since},
        "care_team_members": {
            "care_team_id": team, "provider_id": one, "member_role": "nurse", "scope": ["read"],
            "rests_on": ["licence"], **since,
        },
        "care_team_closures": {"care_team_id": team, **since},
        "findings": {"code": "test", "sentence": f"Something at {slug}.", "source_record": uuid4().hex},
        "panel_capacities": {"provider_id": one, "capacity": 7, "accepts_new": True, **since},
        "provider_credentials": {
            "provider_id": one, "kind": "licence", "code": f"licence of {slug}", "system": "urn:licences", **since,
        },
        "provider_absences": {"provider_id": one, "ends_at": end, **since},
        "policies": {
            "version": 1, "document": f'{{"note": "policy of {slug}"}}', "actions": [f"act-{slug}"], **since,
        },
        "legal_holds": {"patient_id": patient, "reason": slug.encode(), **since},
        "patient_merges": {"patient_id": third_patient, "into_patient_id": other_patient, **since},
        "referrals": {
            "patient_id": patient, "referring_provider_id": one, "provider_id": two,
            "specialty_code": f"specialty of {slug}", "ends_at": end, **since,
        },
        "coverage_arrangements": {
            "arrangement_id": uuid4(), "covered_provider_id": one, "covering_provider_id": two,
            "coverage_type": "full", "scope": ["read"], "rests_on": ["licence"], "duty_ends_at": end, "ends_at": end,
            **since,
        },
        "access_restrictions": {"kind": "objection", "provider_id": one, "patient_id": patient, **since},
        "patient_labels": {"patient_id": patient, "label": "CEL", **since},
        "duties": {"provider_id": two, "duty": "supervisor", "contact": f"duty@{slug}.example", **since},
        "reporting_lines": {"provider_id": one, "reports_to_id": two, **since},
        "personal_relations": {"provider_id": two, "patient_id": third_patient, "relation": "family", **since},
        "emergency_access": {
            "provider_id": third, "patient_id": patient, "state": "provisional", "mode": "provisional",
            "scope": ["read"], "despite": ["sensitivity"], "reason_code": f"reason-{slug}",
            "reason": f"reason of {slug}".encode(), "wanted_scope": ["read", "write"], "wanted_until": end,
            "asked_at": people.now, "opened_at": people.now, "signals": [f"signal-{slug}"], "ends_at": end, **since,
        },
        "accounts": {"issuer": f"https://{slug}.example", "subject": uuid4().hex, "provider_id": one, **since},
        "account_roles": {"account_id": uuid4(), "role": "clinician", **since},
        "api_keys": {
            "name": f"key of {slug}", "secret_hash": sha256(slug.encode()).digest(), "may": ["ask"], "ends_at": end,
            **since,
        },
        "sign_ins": {"actor": f"person of {slug}", "token_id": uuid4().hex, "ends_at": end, **since},
        "visits": {
            "home_id": uuid4(), "account_id": uuid4(), "reason": f"visits {slug}".encode(),
            "ends_at": people.now + timedelta(hours=1), **since,
        },
    }  # fmt: skip


def honest_entities(people: People) -> dict[str, Row]:
    """By table, in an order that their foreign keys allow, what a row says that is no fact."""
    one, two, _ = people.providers
    reassignment, item = uuid4(), uuid4()
    return {
        "units": {"id": uuid4(), "name": f"Ward {people.slug}", "value": people.slug},
        "source_records": {"source": "proof", "record": f"record of {people.slug}", "digest": people.slug.encode()},
        "specialties": {"system": "urn:specialties", "code": people.slug, "display": f"Specialty of {people.slug}"},
        "reassignments": {
            "id": reassignment, "provider_id": one, "effective_at": people.now, "entry_id": uuid4(),
        },
        "reassignment_destinations": {"reassignment_id": reassignment, "provider_id": two, "cap": 3},
        "reassignment_items": {
            "reassignment_id": reassignment, "id": item, "kind": "assignment", "fact_id": uuid4(),
            "named": f"named by {people.slug}", "patient_id": people.patients[0], "provider_id": two,
            "planned": "hand-over", "reason": f"reason of {people.slug}",
        },
        "reassignment_outcomes": {
            "reassignment_id": reassignment, "item_id": item, "step": "apply", "outcome": f"done by {people.slug}",
        },
        "emergency_approvers": {
            "id": uuid4(), "emergency_id": uuid4(), "provider_id": two, "duty": "supervisor", "duty_id": uuid4(),
            "call_order": 1, "entry_id": uuid4(),
        },
        "emergency_notes": {
            "id": uuid4(), "emergency_id": uuid4(), "kind": "asked", "provider_id": two,
            "body": f"asked by {people.slug}".encode(), "entry_id": uuid4(),
        },
        # Not due for as long as anybody looks: nobody is to be told of it.
        "outbox": {
            "id": uuid4(), "kind": "email", "subject_id": uuid4(), "recipient_id": two,
            "address": f"told@{people.slug}.example", "due_at": people.now + timedelta(days=1), "entry_id": uuid4(),
        },
        "organization_keys": {
            "id": uuid4(), "purpose": "field", "key_id": uuid4().bytes[:4], "wrapped": f"wrapped by {people.slug}".encode(),
            "root_key_id": b"root", "writes_from": people.now + timedelta(days=365), "entry_id": uuid4(),
        },
        "audit_retirements": {
            "id": uuid4(), "month": date(1999, 1, 1), "entries": 1, "export_sha256": f"file of {people.slug}".encode(),
            "entry_id": uuid4(),
        },
        "idempotent_answers": {
            "caller": f"key of {people.slug}", "key": uuid4().hex, "request_digest": people.slug.encode(), "status": 201,
            "body": f"answer to {people.slug}".encode(),
        },
        "patient_name_indexes": {
            "patient_id": people.patients[0], "kind": "surname", "blind_index": people.slug.encode(),
        },
    }  # fmt: skip


def sealed(people: People) -> dict[str, Row]:
    """By table, what the sealer writes: in an epoch that no tree of this organization has reached."""
    leaf, epoch = sha256(people.slug.encode()).digest(), {"epoch": 9}
    return {
        "audit_leaves": {**epoch, "leaf_index": 0, "entry_id": uuid4(), "recorded_at": people.now, "leaf_hash": leaf},
        "audit_nodes": {**epoch, "level": 1, "node_index": 0, "node_hash": leaf},
    }


async def insert(connection: asyncpg.Connection, organization: UUID, table: str, row: Row) -> None:
    """Insert a row as whoever is connected. Raises asyncpg's errors."""
    said = {"organization_id": organization, **row}
    places = ", ".join(f"${n}" for n in range(1, len(said) + 1))
    await connection.execute(f"insert into carecircle.{table} ({', '.join(said)}) values ({places})", *said.values())


async def fill(connection: asyncpg.Connection, people: People, ring: Keyring) -> None:
    """A row in every table, of facts one that is closed and one that followed it, as the app role does it; words are sealed.

    Raises RuntimeError when an honest closing is refused: then the refusals of others would prove nothing.
    """
    tenant = people.organization
    for table, row in honest_facts(people).items():
        for closing in (True, False):
            id_ = uuid4()
            async with as_tenant(connection, tenant):
                own = {"id": id_, "lineage_id": id_, "entry_id": id_, **_sealed_words(ring, tenant, table, id_, row)}
                await insert(connection, tenant, table, own)
                if closing and await connection.execute(CLOSE.format(table=table), tenant, id_) != "UPDATE 1":
                    raise RuntimeError(f"an honest closing was refused in {table}")
    async with as_tenant(connection, tenant):
        for table, row in honest_entities(people).items():
            await insert(connection, tenant, table, _sealed_words(ring, tenant, table, row.get("id"), row))


def _sealed_words(ring: Keyring, tenant: UUID, table: str, id_: object, row: Row) -> Row:
    """The row with what people wrote in an envelope, as services keep it: a list that opens it must not fail."""
    words = {name: said for name, said in row.items() if name == WORDS.get(table) and isinstance(said, bytes)}
    if not isinstance(id_, UUID):
        return row
    return row | {name: ring.seal(said, tenant, table, name, id_) for name, said in words.items()}


async def seal(connection: asyncpg.Connection, people: People) -> None:
    """A leaf, a node and a checkpoint, as the sealer's role writes them."""
    tenant, leaf = people.organization, sha256(people.slug.encode()).digest()
    async with as_tenant(connection, tenant):
        for table, row in sealed(people).items():
            await insert(connection, tenant, table, row)
        await connection.execute(
            """insert into carecircle.audit_checkpoints (organization_id, epoch, tree_size, root_hash, last_xid, last_entry_id,
                 snapshot_xmax, system_id, signed_at, note)
               values ($1, 9, 1, $2, pg_current_xact_id(), $3, pg_current_xact_id(), 0, now(), $4)""",
            tenant, leaf, uuid4(), f"note of {people.slug}",
        )  # fmt: skip


CLOSE = """
  update carecircle.{table} set superseded_at = statement_timestamp(), superseded_xid = pg_current_xact_id(),
    superseded_entry_id = id where organization_id = $1 and id = $2"""


@asynccontextmanager
async def as_tenant(connection: asyncpg.Connection, organization: UUID) -> AsyncIterator[None]:
    """A transaction of one tenant."""
    async with connection.transaction():
        await connection.execute(f"set local carecircle.organization_id = '{organization}'")
        yield


FACT_TABLES = """
  select c.relname::text from pg_class c
  where c.relnamespace = 'carecircle'::regnamespace and c.relkind in ('r', 'p') and exists (
    select from pg_attribute a where a.attrelid = c.oid and a.attname = 'superseded_xid') order by 1"""


async def fact_tables(connection: asyncpg.Connection) -> list[str]:
    """Every fact table that the catalog knows: one whose rows are superseded."""
    return [row[0] for row in await connection.fetch(FACT_TABLES)]
