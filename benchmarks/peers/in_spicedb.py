"""Runs where spicedb-embedded is installed: checks over its own gRPC, kept in memory. Prints JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from authzed.api.v1 import (  # type: ignore[import-not-found]  # installed only where this program runs
    CheckBulkPermissionsRequest,
    CheckBulkPermissionsRequestItem,
    CheckPermissionRequest,
    CheckPermissionResponse,
    Consistency,
    ObjectReference,
    Relationship,
    SubjectReference,
)
from spicedb_embedded import EmbeddedSpiceDB  # type: ignore[import-not-found]  # the same

SCHEMA = "definition user {}\ndefinition patient {\n relation circle: user\n permission read = circle\n}"
YES = CheckPermissionResponse.PERMISSIONSHIP_HAS_PERMISSION
BATCH = 128


def patient(identifier: str) -> Any:
    return ObjectReference(object_type="patient", object_id=identifier)


def user(identifier: str) -> Any:
    return SubjectReference(object=ObjectReference(object_type="user", object_id=identifier))


def main() -> None:
    known = json.loads(Path(sys.argv[1]).read_text())
    seconds = float(sys.argv[2])
    asked = [(patient(about), user(who)) for who, about in known["questions"]]
    relationships = [
        Relationship(resource=patient(about), relation="circle", subject=user(who))
        for about, circle in known["circles"].items()
        for who in circle
    ]
    now_known = Consistency(fully_consistent=True)
    with EmbeddedSpiceDB.start(SCHEMA, relationships) as engine:
        permissions = engine.permissions()
        single: list[float] = []
        allowed = 0
        end = time.perf_counter() + seconds
        while (now := time.perf_counter()) < end:
            about, who = asked[len(single) % len(asked)]
            request = CheckPermissionRequest(consistency=now_known, resource=about, permission="read", subject=who)
            allowed += permissions.CheckPermission(request).permissionship == YES
            single.append(time.perf_counter() - now)
        pairs, began, at = 0, time.perf_counter(), 0
        while (took := time.perf_counter() - began) < seconds:
            items = [
                CheckBulkPermissionsRequestItem(resource=about, permission="read", subject=who)
                for about, who in (asked[(at + i) % len(asked)] for i in range(BATCH))
            ]
            at += BATCH
            request = CheckBulkPermissionsRequest(consistency=now_known, items=items)
            pairs += len(permissions.CheckBulkPermissions(request).pairs)
        print(
            json.dumps(
                {
                    "single_p50_us": sorted(single)[len(single) // 2] * 1e6,
                    "single_per_s": len(single) / sum(single),
                    "batch_pairs_per_s": pairs / took,
                    "allowed_share": allowed / len(single),
                }
            )
        )


if __name__ == "__main__":
    main()
