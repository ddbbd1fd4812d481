"""Runs where cedarpy is installed, alone: pairs per second in process, one by one and in batches. Prints JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import cedarpy  # type: ignore[import-not-found]  # installed only where this program runs

POLICY = 'permit(principal, action == Action::"read", resource) when { resource.circle.contains(principal) };'
BATCH = 128


def entity(patient: str, circle: list[str]) -> dict[str, Any]:
    members = [{"__entity": {"type": "User", "id": one}} for one in circle]
    return {"uid": {"type": "Patient", "id": patient}, "attrs": {"circle": members}, "parents": []}


def main() -> None:
    known = json.loads(Path(sys.argv[1]).read_text())
    seconds = float(sys.argv[2])
    asked = [
        (
            {"principal": f'User::"{provider}"', "action": 'Action::"read"', "resource": f'Patient::"{patient}"'},
            entity(patient, known["circles"].get(patient, [])),
        )
        for provider, patient in known["questions"]
    ]
    single: list[float] = []
    allowed = 0
    end = time.perf_counter() + seconds
    while (now := time.perf_counter()) < end:
        request, patient = asked[len(single) % len(asked)]
        allowed += cedarpy.is_authorized(request, POLICY, [patient]).allowed
        single.append(time.perf_counter() - now)
    pairs, began, at = 0, time.perf_counter(), 0
    while (took := time.perf_counter() - began) < seconds:
        batch = [asked[(at + i) % len(asked)] for i in range(BATCH)]
        at += BATCH
        known_to_it = list({one["uid"]["id"]: one for _, one in batch}.values())
        pairs += len(cedarpy.is_authorized_batch([request for request, _ in batch], POLICY, known_to_it))
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
