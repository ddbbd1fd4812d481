"""The primary-provider document's check under its own name: `carecircle quality primary-providers`, with the same options."""

from __future__ import annotations

import sys

from carecircle.cli.main import run

if __name__ == "__main__":
    run(["quality", "primary-providers", *sys.argv[1:]])
