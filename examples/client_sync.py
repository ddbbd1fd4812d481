"""May this provider read this patient's record? Asked of a running service, by a program that blocks.

CARECIRCLE_URL and CARECIRCLE_KEY say where the service is and with which API key or token it is asked. Run it with
`python examples/client_sync.py PROVIDER PATIENT`; it exits 0 when the provider may, 10 when not, 3 without an answer.
"""

import os
import sys

from carecircle.client import Client, Problem
from carecircle.errors import AccessUnavailable


def main(provider: str, patient: str) -> int:
    with Client(os.environ["CARECIRCLE_URL"], os.environ["CARECIRCLE_KEY"]) as circle:
        try:
            decision = circle.check(provider, "read", patient)
        except AccessUnavailable as error:
            print(f"No answer, so no: {error}")
            return 3
        except Problem as problem:
            print(f"Refused: {problem.code}. {problem}")
            return 1
        if decision.allowed:
            print(f"Yes: {', '.join(basis.kind for basis in decision.bases)}")
            return 0
        print(f"No: {decision.code}")
        for remedy in decision.remedies:
            print(f"  {remedy.sentence}")
        return 10


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
