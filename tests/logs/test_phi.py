"""The proof `phi` in small: each way once, nothing found, and every planted leak found."""

from __future__ import annotations

from proofs.phi import prove, told
from proofs.phi_canaries import ALL, BIRTH_DATES, NAMES, hits


def test_no_canary_is_found_where_none_may_be_and_every_planted_leak_is() -> None:
    result = prove(quick=True)
    assert result.search.found == [], told(result)
    assert result.missed == ()
    assert result.requests > 100
    assert result.notices > 1


def test_a_canary_is_recognised_however_it_is_written() -> None:
    assert len(ALL) == 30
    name = NAMES[2]
    for said in (
        name.encode(), b"{\"name\": \"\\u00dcnal K\\u0131rm\\u0131z\\u0131ta\\u015f\"}",
        b"/x?n=%C3%9Cnal%20K%C4%B1rm%C4%B1z%C4%B1ta%C5%9F", name.encode().hex().encode(),
    ):  # fmt: skip
        assert [hit.canary for hit in hits("", said)] == [name], said
    assert [hit.canary for hit in hits("", NAMES[0].upper().encode())] == [NAMES[0]]
    assert hits("", b"born in 1931, on 27 February") == []
    assert [hit.canary for hit in hits("", b"x" + BIRTH_DATES[0].encode())] == [BIRTH_DATES[0]]
