"""Routes that need a permission of their own: a request to each that succeeds, in an order in which it does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.api.clinic import EARLIER, Route

THIS_MONTH = f"{datetime.now(UTC):%Y-%m}"
BEFORE = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
PATIENT = {"patient": "{ines}"}

AUDIT = (
    Route("GET", "/v1/audit/entries", entry="audit-searched"),
    Route("GET", "/v1/audit/entries/{entry}", entry="audit-entry-read"),
    Route("GET", "/v1/audit/entries/{entry}/proof", entry="audit-entry-proved"),
    Route("GET", "/v1/audit/entries/{entry}/explanation", entry="decision-explained"),
    *(Route("GET", f"/v1/audit/{path}") for path in ("checkpoint", "checkpoints", "keys", "months")),
    Route("GET", "/v1/audit/months/{month}/retirement"),
    Route("POST", "/v1/audit/verification", {}, entry="audit-verified"),
)
EXPORT = "GET /v1/audit/export"

PRIVACY = (
    Route("POST", "/v1/legal-holds", {"reason": "Claim 7", **PATIENT}, 201, entry="hold-placed", gives="hold"),
    Route("GET", "/v1/legal-holds", entry="holds-read"),
    Route("DELETE", "/v1/legal-holds/{hold}", entry="hold-lifted"),
    Route("POST", "/v1/reports/disclosures", PATIENT, entry="disclosures-accounted"),
    Route("POST", "/v1/reports/patient-access", PATIENT, entry="access-reported"),
)
ADMINISTER = (
    Route("PUT", "/v1/policy", {"document": {}}, entry="policy-set"),
    Route("GET", "/v1/data-keys"),
    Route("GET", "/v1/data-keys/progress"),
    Route("POST", "/v1/data-keys/resealing", {}),
    Route("POST", "/v1/data-keys", {"margin": 3600}, 201, entry="key-rotated"),
    Route("POST", "/v1/audit/months"),
)
READ = (
    Route("GET", "/v1/findings"),
    Route("GET", "/v1/primary-provider-gaps?days=30"),
    Route("GET", "/v1/several-primary-providers"),
    Route("GET", "/v1/reassignments"),
)
PLANNED = "/v1/reassignments/{plan}"
CHANGE = (
    Route("POST", "/v1/panel-capacities", {"provider": "{brown}", "capacity": 9}, 201, entry="panel-capacity-set"),
    Route(
        "POST", "/v1/reassignments", {"leaver": "{adams}", "destinations": [{"provider": "{brown}"}]}, 201,
        entry="reassignment-planned", gives="plan",
    ),
    *(Route("GET", f"{PLANNED}{what}") for what in ("", "/preview", "/letters", "/certificate")),
    Route("POST", f"{PLANNED}/apply", {}),
    Route("POST", f"{PLANNED}/revert", {}),
    Route("POST", "/v1/offboardings?preview=true", {"person": "{adams}"}),
    Route(
        "POST", "/v1/break-glass/downtime",
        {"provider": "{adams}", **PATIENT, "starts_at": BEFORE, "ends_at": EARLIER, "reason": "life-threat",
         "words": "Sheet 12", "witness": "{brown}"}, 201, entry="emergency-downtime-recorded",
    ),
    Route("POST", "/v1/findings/{finding}/resolution", {"keep": "none"}, entry="finding-resolved"),
)  # fmt: skip

PERMITTED = {"audit": AUDIT, "privacy": PRIVACY, "administer": ADMINISTER, "read": READ, "change": CHANGE}
TEMPLATES = frozenset({EXPORT, *(route.template for routes in PERMITTED.values() for route in routes)})
