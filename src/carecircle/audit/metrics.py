"""Counters of what changed and what was refused, under the primary-provider document's names; no ids in labels.

They are this process's own and start at zero with it. `carecircle serve` shows them at /metrics, and `carecircle worker`
on the port given to it; a host that embeds carecircle mounts them with
`prometheus_client.REGISTRY.register(carecircle.audit.metrics.REGISTRY)`. Prometheus' own convention adds `_total` to a
counter's name where it is shown.
"""

from __future__ import annotations

from uuid import UUID

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

PRIMARY_PROVIDER_CHANGES = Counter(
    "primary_provider_changes_count", "Committed changes of a patient's primary provider.", registry=REGISTRY
)
CONSTRAINT_VIOLATIONS = Counter(
    "constraint_violations_attempted", "Refused attempts to make a second primary provider.", registry=REGISTRY
)
BULK_REASSIGNMENTS = Counter(
    "bulk_reassignment_operations", "Times everything a provider holds was handed over or ended.", registry=REGISTRY
)
EMERGENCY_UNDECIDED = Counter(
    "carecircle_emergency_undecided",
    "Emergency accesses about which nobody had decided when a decision was due.",
    registry=REGISTRY,
)
EMERGENCY_DECISION_SECONDS = Histogram(
    "carecircle_emergency_decision_seconds",
    "Time from asking for emergency access to the decision about it.",
    buckets=(5, 15, 30, 60, 120, 180, 240, 300, 600, 900, 1800, 3600),
    registry=REGISTRY,
)
NOTICES = Counter(
    "carecircle_notices",
    "Attempts to send a notice, by channel and outcome.",
    ["channel", "outcome"],
    registry=REGISTRY,
)
SEAL_LAG = Gauge(
    "carecircle_audit_seal_lag_seconds",
    "Age of the oldest entry that was not sealed yet when last looked.",
    registry=REGISTRY,
)
ENTRIES_SEALED = Counter("carecircle_audit_entries_sealed", "Entries given their leaf.", registry=REGISTRY)
SEALING_FINDINGS = Counter(
    "carecircle_audit_sealing_findings",
    "What the sealer found wrong, by finding; each wants somebody to look.",
    ["finding"],
    registry=REGISTRY,
)
CHECKPOINTS_UNPUBLISHED = Gauge(
    "carecircle_audit_checkpoints_unpublished",
    "Organizations whose newest checkpoint a witness has not taken yet.",
    registry=REGISTRY,
)
_WITHOUT_PRIMARY = Gauge(
    "patients_without_primary_count",
    "Patients without a primary provider when last counted, over the organizations counted here.",
    registry=REGISTRY,
)
_counted: dict[UUID, int] = {}


def set_patients_without_primary(organization_id: UUID, count: int) -> None:
    """Say how many patients of an organization have no primary provider now; the gauge shows the sum of what was said."""
    _counted[organization_id] = count
    _WITHOUT_PRIMARY.set(sum(_counted.values()))
