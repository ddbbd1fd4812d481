"""The proof of a single entry: its text as C2SP describes it, and what it proves once a part of it is changed."""

from __future__ import annotations

import random
from base64 import b64encode

import pytest

from carecircle.audit import merkle, tlog_proof
from carecircle.audit.tlog_proof import TlogProof, check, parse
from carecircle.audit.verify import ALTERED, UNMARKED, Checkpoint, format_body, leaf_hash, root_of_inclusion
from carecircle.errors import InvalidInput
from tests.audit.exports import BEGAN, Log, Signer, entry, log_of

# A proof as other programs write it: of the second of the five first published inputs, under a strange origin.
STRANGE = """c2sp.org/tlog-proof@v1
index 1
bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=
Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=
vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=

example.com/log
5
Tju7H3tHjc/nH7YxYxUZo7yhLJrvyhYSv85ME6hiZNQ=

"""


def proof_of(log: Log, index: int, *, with_record: bool = True) -> TlogProof:
    leaves = [hashed for hashed, _ in log.leaves]
    stored = {(0, at): one for at, one in enumerate(leaves)}
    checkpoint = Checkpoint.parse(log.notes[len(leaves)])
    record = log.leaves[index][1] if with_record else None
    return TlogProof(index, tuple(merkle.path(index, len(leaves), stored)), checkpoint, record)


@pytest.mark.parametrize("size", [1, 2, 3, 23])
def test_every_entry_of_a_log(size: int) -> None:
    log = log_of(size)
    for index in range(size):
        proof = proof_of(log, index)
        text = proof.text()
        assert parse(text) == proof
        checked = check(text, [log.signer.key])
        assert checked.holds, checked.sentence
        assert checked.entry == log.leaves[index][1]
        assert f"entry {index} of {size}" in checked.sentence


def test_the_text_is_the_format_s() -> None:
    log = log_of(3)
    proof = proof_of(log, 1)
    lines = proof.text().split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1] == "extra " + b64encode(log.leaves[1][1]).decode()
    assert lines[2] == "index 1"
    assert [len(line) for line in lines[3:5]] == [44, 44]
    assert lines[5] == ""
    assert "\n".join(lines[6:]) == log.notes[3]
    assert "extra" not in proof_of(log, 1, with_record=False).text()


def test_a_proof_that_others_wrote_is_read() -> None:
    log = Signer("example.com/log")
    signature = log.note(STRANGE.partition("\n\n")[2].rstrip("\n") + "\n").rpartition("\n\n")[2]
    proof = parse(STRANGE + signature)
    assert (proof.leaf_index, len(proof.path), proof.record) == (1, 3, None)
    root = root_of_inclusion(leaf_hash(b"\0"), proof.leaf_index, proof.checkpoint.size, proof.path)
    assert root == proof.checkpoint.root
    assert log.key.verifies(proof.checkpoint)
    assert "not of a log of carecircle" in check(STRANGE + signature, [log.key], b"\0").sentence


def test_an_entry_may_come_apart_from_its_proof() -> None:
    log = log_of(9)
    text = proof_of(log, 4, with_record=False).text()
    assert check(text, [log.signer.key], log.leaves[4][1]).holds
    assert not check(text, [log.signer.key], log.leaves[5][1]).holds
    assert "does not bring" in check(text, [log.signer.key]).sentence


def test_an_entry_sealed_as_not_ours_says_so() -> None:
    log = Log()
    for number, word in enumerate((b"", UNMARKED, ALTERED)):
        log.add(entry(number), word)
    log.checkpoint()
    for index, word, said in ((1, UNMARKED, "as unmarked"), (2, ALTERED, "as altered")):
        proof = proof_of(log, index)
        assert not check(proof.text(), [log.signer.key]).holds
        checked = check(proof._replace(record=word + log.leaves[index][1]).text(), [log.signer.key])
        assert checked.holds
        assert said in checked.sentence
        assert checked.entry == log.leaves[index][1]


def test_no_changed_proof_holds() -> None:
    log = log_of(23)
    proof = proof_of(log, 12)
    keys = [log.signer.key]
    assert check(proof.text(), keys).holds
    other = proof_of(log, 13)
    forged = Signer().note(proof.checkpoint.signed_text())
    strange = log.signer.note(format_body("019a0000-0000-7000-8000-0000000000ab", 1, 23, leaf_hash(b"x"), BEGAN))
    changed = [
        proof._replace(record=other.record),
        proof._replace(leaf_index=13),
        proof._replace(leaf_index=23),
        proof._replace(path=other.path),
        proof._replace(path=proof.path[:-1]),
        proof._replace(path=(*proof.path, proof.path[0])),
        proof._replace(checkpoint=Checkpoint.parse(forged)),
        proof._replace(checkpoint=Checkpoint.parse(strange)),
        proof._replace(checkpoint=Checkpoint.parse(log.notes[15])),
        proof._replace(checkpoint=Checkpoint.parse(log.signer.note(proof.checkpoint.signed_text()[10:]))),
    ]
    for one in changed:
        assert not check(one.text(), keys).holds
    assert not check(proof.text(), []).holds


def test_no_changed_letter_is_overlooked() -> None:
    log = log_of(23)
    text = proof_of(log, 12).text()
    dice = random.Random(4)
    for _ in range(300):
        at = dice.randrange(len(text))
        letter = dice.choice([one for one in "A0\n +/=x" if one != text[at]])
        try:
            assert not check(text[:at] + letter + text[at + 1 :], [log.signer.key]).holds, (at, letter)
        except InvalidInput:
            continue


@pytest.mark.parametrize("text", ["", "\n\n", "c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v1\nindex x\n\n"])
def test_what_is_no_proof(text: str) -> None:
    with pytest.raises(InvalidInput, match="no tlog-proof"):
        parse(text)


def test_a_proof_has_one_spelling() -> None:
    text = proof_of(log_of(3), 1).text()
    parse(text)
    for wrong in (
        text.replace("index 1", "index 01"),
        text.replace("index 1", "index -1"),
        text.replace("@v1", "@v2"),
        text.replace("extra ", "extra  "),
        text.replace("\n", "\r\n"),
        text + "\n",
        text[:-1],
    ):
        with pytest.raises(InvalidInput):
            parse(wrong)
    assert tlog_proof.SUFFIX == ".tlog-proof"
