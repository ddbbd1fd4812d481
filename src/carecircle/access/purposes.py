"""Purposes of use as HL7 names them (v3 ActReason, PurposeOfUse), each under the broader one it belongs to."""

from __future__ import annotations

from collections.abc import Iterator

SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_UNDER = {
    "TREAT": "CLINTRL COC ETREAT POPHLTH TREATDS",
    "ETREAT": "BTG ERTREAT",
    "HPAYMT": "CLMATTCH COVAUTH COVERAGE REMITADV PMTDS",
    "COVERAGE": "ELIGDTRM ELIGVER ENROLLM MILDCRG",
    "HOPERAT": (
        "CAREMGT DONAT FRAUD GOV HACCRED HCOMPL HDECD HDIRECT HDM HLEGAL HOUTCOMS HPRGRP HQUALIMP HSYSADMIN MEMADMIN"
        " MILCDM PATADMIN PATSFTY PERFMSR RECORDMGT SYSDEV TRAIN MLTRAINING"
    ),
    "HSYSADMIN": "LABELING METAMGT",
    "SYSDEV": "HTEST",
    "HRESCH": "BIORCH CLINTRCH DSRCH POARCH TRANSRCH",
    "CLINTRCH": "CLINTRCHNPC CLINTRCHPC PRECLINTRCH",
    "PATRQT": "FAMRQT PWATRNY SUPNWK",
    "PUBHLTH": "DISASTER THREAT",
    "HMARKT": "",
}
BROADER = {code: broader for broader, codes in _UNDER.items() for code in codes.split()}
KNOWN = frozenset({*_UNDER, *BROADER})


def within(purpose: str) -> Iterator[str]:
    """A purpose and every broader one, the narrowest first: BTG, ETREAT, TREAT. A local code has none above it.

    HL7's codes are known in small letters too.
    """
    code: str | None = purpose.upper() if purpose.upper() in KNOWN else purpose
    while code is not None:
        yield code
        code = BROADER.get(code)
