"""A plain function that runs only for those who may: no web framework, no code of its own that asks.

CARECIRCLE_URL and CARECIRCLE_KEY say where the service is. Run it with `python examples/guard.py PROVIDER PATIENT`.
"""

import os
import sys

from carecircle import acting_as
from carecircle.client import Client
from carecircle.errors import AccessUnavailable
from carecircle.hosts import AccessDenied, granted, guard, use


@guard("write", patient="patient_id")
def add_note(patient_id: str, text: str) -> str:
    """Runs only when who acts may write about this patient; the decision's entry is kept beside the note."""
    return f"{text} (entry {granted().id})"


def main(provider: str, patient: str) -> int:
    with Client(os.environ["CARECIRCLE_URL"], os.environ["CARECIRCLE_KEY"]) as circle:
        use(circle)
        with acting_as(actor=f"provider:{provider}"):
            try:
                print(add_note(patient_id=patient, text="Slept well"))
            except AccessDenied as denied:
                print(f"Not written: {denied.decision.code}")
                return 10
            except AccessUnavailable:
                print("Not written: no answer")
                return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
