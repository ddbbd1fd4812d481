"""Files as they come: every form is read, a broken one is one clear sentence, and memory does not grow with their size."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from carecircle.errors import InvalidInput
from carecircle.interop.fhir import files
from carecircle.interop.fhir.bundles import Malformed, elements, may_be_split
from carecircle.interop.fhir.files import read_file
from carecircle.interop.fhir.report import Progress
from tests.interop.conftest import OnWard
from tests.interop.ward import Ward, bundle, encounter, participant, patient, practitioner, to

RESOURCES = (practitioner("d"), patient("p"), encounter("e", participant("ATND", to("Practitioner/d"))))


def lines(*resources: Any) -> bytes:
    return b"\n".join(json.dumps(resource).encode() for resource in resources) + b"\n\n"


FORMS: dict[str, tuple[str, bytes]] = {
    "bundle": ("a.json", json.dumps(bundle(*RESOURCES, type="transaction"), indent=2).encode()),
    "bundle with a mark": ("a.json", b"\xef\xbb\xbf" + json.dumps(bundle(*RESOURCES)).encode()),
    "bundle in a bundle": ("a.json", json.dumps(bundle(bundle(*RESOURCES))).encode()),
    "lines": ("a.ndjson", lines(*RESOURCES)),
    "wrapped lines": ("A.NDJSON", lines(*({"fullUrl": "urn:x", "resource": one} for one in RESOURCES))),
    "bundles as lines": ("a.ndjson", lines(bundle(*RESOURCES[:2]), bundle(RESOURCES[2]))),
    "packed bundle": ("a.json.gz", gzip.compress(json.dumps(bundle(*RESOURCES)).encode())),
    "packed lines": ("a.ndjson.gz", gzip.compress(lines(*RESOURCES))),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_from_deep_in_a_folder(on_ward: OnWard, form: str) -> None:
    async def body(ward: Ward) -> None:
        name, content = FORMS[form]
        deep = ward.folder / "in" / "deep"
        deep.mkdir(parents=True)
        (deep / name).write_bytes(content)
        (deep / "notes.txt").write_text("not ours")
        seen: list[Progress] = []
        report = await ward.take_path(ward.folder / "in", progress=seen.append)
        assert (report.resources, report.taken, report.facts_recorded, report.files) == (3, 3, 1, 1)
        assert (seen[-1].bytes_read, seen[-1].bytes_total) == (len(content), len(content))
        assert (seen[-1].taken, seen[-1].to_take, seen[-1].resources) == (3, 3, 3)

    on_ward(body)


def test_single_resources_and_several_files_find_each_other(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        for position, resource in enumerate(reversed(RESOURCES)):
            (ward.folder / f"{position}.json").write_text(json.dumps(resource))
        report = await ward.take_path(ward.folder)
        assert (report.files, report.facts_recorded, report.findings_opened) == (3, 1, 0)

    on_ward(body)


BROKEN: dict[str, tuple[str, bytes, str]] = {
    "cut short": ("b.json", b'{"resourceType": "Bundle", "entry": [', "line 1, column"),
    "not JSON": ("b.json", b"<Bundle/>", "line 1, column 1"),
    "empty": ("b.json", b"", "line 1"),
    "not a resource": ("b.json", b'{"a": 1}', "no resourceType"),
    "a list": ("b.json", b"[]", "not a FHIR resource"),
    "bad entry": ("b.json", b'{"resourceType": "Bundle", "entry": [{"resource": {}}]}', "entry 1"),
    "entries no list": ("b.json", b'{"resourceType": "Bundle", "entry": {}}', "must be a list"),
    "bad line": ("b.ndjson", lines(practitioner("x")) + b'{"resourceType": \n', "line 3, column"),
    "NUL in an id": ("b.ndjson", lines(practitioner("x"), practitioner("a\0b")), "line 2"),
    "NUL in a URL": ("b.json", json.dumps(bundle({"fullUrl": "urn:\0", "resource": patient("q")})).encode(), "entry 1"),
    "not text": ("b.ndjson", b"\xff\xfe\x00", "line 1"),
    "not packed": ("b.ndjson.gz", b"plain", "gzip"),
    "packed cut short": ("b.ndjson.gz", gzip.compress(lines(*RESOURCES) * 50)[:-20], "gzip"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_one_sentence_and_nothing_is_written(on_ward: OnWard, kind: str) -> None:
    async def body(ward: Ward) -> None:
        name, content, said = BROKEN[kind]
        (ward.folder / "a.ndjson").write_bytes(lines(*RESOURCES))
        (ward.folder / name).write_bytes(content)
        before = await ward.audit()
        with pytest.raises(InvalidInput) as refused:
            await ward.take_path(ward.folder)
        assert said in refused.value.message
        assert str(ward.folder / name) in refused.value.message
        assert "\n" not in refused.value.message
        assert await ward.audit() == before
        assert await ward.rows("select 1 from carecircle.patients") == []

    on_ward(body)


def test_a_path_that_holds_nothing_says_so(on_ward: OnWard, tmp_path: Path) -> None:
    async def body(ward: Ward) -> None:
        (tmp_path / "x.txt").write_text("")
        for path in (tmp_path / "none", tmp_path / "x.txt", tmp_path):
            with pytest.raises(InvalidInput):
                await ward.take_path(path)

    on_ward(body)


def test_a_large_bundle_is_read_entry_by_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attachment = json.dumps({"resource": {"resourceType": "Binary", "data": 'A"\\' * 100_000}})
    file = tmp_path / "large.json"
    with file.open("w") as out:
        out.write('{"meta": {"tag": ["entry", {"entry": [1]}]}, "entry": [')
        for number in range(200):
            out.write(json.dumps({"resource": practitioner(f'{{[{number}\\"')}) + ",\n" + attachment + ",")
        out.write(json.dumps({"request": {"method": "DELETE"}}) + '], "resourceType": "Bundle"}')
    assert file.stat().st_size > 20 * files.AT_ONCE
    tracemalloc.start()
    found = [
        one.resource["id"] for one in read_file(file, lambda _: None) if one.resource["resourceType"] == "Practitioner"
    ]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [f'{{[{number}\\"' for number in range(200)]
    assert peak < 40 << 20
    monkeypatch.setattr(files, "LONGEST", 1 << 18)
    with pytest.raises(InvalidInput, match="longer than"):
        list(read_file(file, lambda _: None))


@pytest.mark.parametrize("end", ["", "]", "]}}", "]]", ']} "x', "]} {"])
def test_a_large_bundle_whose_brackets_do_not_add_up_is_malformed(end: str) -> None:
    start = b'{"resourceType": "Bundle", "entry": [{"resource": {}}' + end.encode()
    assert may_be_split(start)
    with pytest.raises(Malformed):
        list(elements(start, io.BytesIO(), 1 << 20))
    assert list(elements(start[:53] + b"]}", io.BytesIO(), 1 << 20)) == [b'{"resource": {}}']
