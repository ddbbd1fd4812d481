"""Reading who wants whom: CSV with the columns patient and provider, by any id or identifier they are known under."""

from __future__ import annotations

import csv
from pathlib import Path

from carecircle.errors import InvalidInput
from carecircle.staffing.plan_service import Wish


def read_wishes(path: Path, *, never: bool = False) -> list[Wish]:
    """The file's wishes in its order; with `never`, who must not take whom. Raises InvalidInput, naming the line."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if not {"patient", "provider"} <= set(rows.fieldnames or ()):
                raise InvalidInput(f"{path.name}: the first line must name the columns patient and provider.")
            found = []
            for row in rows:
                patient, provider = (row["patient"] or "").strip(), (row["provider"] or "").strip()
                if not patient or not provider:
                    raise InvalidInput(f"{path.name}, line {rows.line_num}: a patient and a provider are needed.")
                found.append(Wish(patient, provider, never))
            return found
    except (OSError, UnicodeDecodeError, csv.Error):
        raise InvalidInput(f"{path.name} cannot be read as CSV in UTF-8.") from None
