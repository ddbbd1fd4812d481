"""A provider's patients, and who becomes primary: asked and changed at a running service, on an event loop.

CARECIRCLE_URL and CARECIRCLE_KEY say where the service is and with which key that may change it is asked. Run it with
`python examples/client_async.py PROVIDER PATIENT`, both ids of carecircle.
"""

import asyncio
import os
import sys

from carecircle import to_text
from carecircle.client import AsyncClient, Problem


async def main(provider: str, patient: str) -> int:
    async with AsyncClient(os.environ["CARECIRCLE_URL"], os.environ["CARECIRCLE_KEY"]) as circle:
        try:
            # The client gives each change a key of its own: cut off and sent again, it still happens once.
            await circle.assign_primary_provider(patient, provider)
        except Problem as problem:
            print(f"Refused: {problem.code}. {problem}")
            return 1
        mine = await circle.list_patients(provider)
        may_write = await circle.check_many(provider, "write", mine.ids)
        print(f"{len(mine.ids)} patients, {sum(one.allowed for one in may_write)} of them to write")
        print(f"Actions: {', '.join(await circle.actions(provider, patient))}")
        print(f"The record's readers: {', '.join(to_text(one) for one in (await circle.list_providers(patient)).ids)}")
        return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:3])))
