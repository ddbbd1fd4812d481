"""What the proof `phi` sends through everything: thirty values such as patients have, and how each could show elsewhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

NAMES = (
    "Zebediah Quillfeather", "Ottoline Marchbanksen", "Ünal Kırmızıtaş", "Philippa Vandersluys", "Marguerite O'Shaunnessey-Blythe",
    "Jaroslava Przybyszewska", "Temperance Holloquist", "Barnaby Featherwick",
)  # fmt: skip
MRNS = (
    "urn:mrn|MRN-7731904-QX", "http://hospital.example/mrn|88412-ZQ-0031", "urn:oid:2.16.840.1.113883.4.1|078-05-1120-X9",
    "urn:mrn|4479-QUOLL-21", "urn:insurance|XK77310042LM", "urn:mrn|WOMBAT55190", "urn:passport|PXQ9087712",
)  # fmt: skip
BIRTH_DATES = ("1931-02-27", "1947-11-03", "1986-06-19")
ADDRESSES = ("17 Quagmire Lantern Lane", "4 Obsidian Heron Court")
PHONES = ("+49 170 5550 77193", "555-0142-77198")
REASONS = (
    "collapsed near the foundry with blue lips", "cousin says insulin since the equinox",
    "asked why the cardigan patient twice", "answered that the ambulance had no papers",
    "denied as not this team's cardigan case", "reviewed and spoke with sister Winterbourne",
    "downtime note about the flooded theatre", "held for claim of the Winterbourne estate",
)  # fmt: skip
ALL = (*NAMES, *MRNS, *BIRTH_DATES, *ADDRESSES, *PHONES, *REASONS)


@dataclass(frozen=True, slots=True)
class Hit:
    """A canary that was seen where none may be."""

    where: str
    canary: str
    around: str


def forms(canary: str) -> set[bytes]:
    """The canary as it could be written: plainly, in JSON, in an address, in hexadecimal, in base 64; all in lower case."""
    plain = canary.partition("|")[2] or canary
    encoded = plain.encode()
    wordings = {
        encoded, json.dumps(plain)[1:-1].encode(), ascii(plain)[1:-1].encode(), quote(plain).encode(),
        plain.replace(" ", "+").encode(), encoded.hex().encode(),
    }  # fmt: skip
    for shift in range(3):  # in base 64 it depends on what stands before
        whole = base64.b64encode(b"\0" * shift + encoded)
        wordings.add(whole[(8 * shift + 5) // 6 : len(whole) - 4])
    return {one.lower() for one in wordings}


FORMS = {canary: forms(canary) for canary in ALL}
PLAIN = {canary: (canary.partition("|")[2] or canary).encode() for canary in ALL}


def hits(where: str, said: bytes, canaries: Iterable[str] = ALL) -> list[Hit]:
    """Which canaries stand in what was said, in any form."""
    lower, found = said.lower(), []
    for canary in canaries:
        for form in FORMS[canary]:
            at = lower.find(form)
            if at >= 0:
                found.append(Hit(where, canary, lower[max(0, at - 60) : at + 80].decode("utf-8", "replace")))
                break
    return found


def raw_hits(where: str, said: bytes) -> list[Hit]:
    """Which canaries stand there plainly: for files that are too large for more."""
    return [Hit(where, canary, "") for canary, plain in PLAIN.items() if plain in said]
