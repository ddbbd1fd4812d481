"""Every story comes out the same through the Python services, over HTTP, and in the reference model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.api.test_service import serving
from tests.conftest import Hospital
from tests.scenarios.in_model import InModel
from tests.scenarios.in_python import InPython
from tests.scenarios.over_http import OverHttp
from tests.scenarios.story import INSTANTS, Story, instant, stories
from tests.scenarios.telling import Refused, Teller, Told

STORIES = {story.name: story for story in stories()}
each_story = pytest.mark.parametrize("name", STORIES)

# How a story writes what Python has words of its own for.
_WORDS = {"from": "start", "until": "end", "as": "name", "type": "kind"}


@each_story
def test_in_python(name: str, in_hospital: Callable[[Callable[[Hospital], Any]], Any]) -> None:
    async def body(hospital: Hospital) -> None:
        teller = InPython(hospital)
        await teller.begin(STORIES[name])
        await _tell(STORIES[name], teller)

    in_hospital(body)


@each_story
def test_over_http(name: str, in_hospital: Callable[[Callable[[Hospital], Any]], Any]) -> None:
    async def body(hospital: Hospital) -> None:
        async with serving(hospital, may=("change", "administer")) as client:
            teller = OverHttp(hospital, client)
            await teller.begin(STORIES[name])
            await _tell(STORIES[name], teller)

    in_hospital(body)


@each_story
def test_in_the_model(name: str) -> None:
    async def whole() -> None:
        teller = InModel()
        await teller.begin(STORIES[name])
        await _tell(STORIES[name], teller)

    asyncio.run(whole())


async def _tell(story: Story, teller: Teller) -> None:
    begun = datetime.now(UTC)
    marks: dict[str, datetime] = {}
    given_up: set[str] = set()
    for number, (step, written) in enumerate(story.steps, 1):
        where = f"{story.name}, step {number}, {step}: {dict(written)}"
        said: dict[str, Any] = {
            key: instant(str(value), begun, marks) if key in INSTANTS else value for key, value in written.items()
        }  # fmt: skip
        if step == "mark":
            marks[said["name"]] = datetime.now(UTC)
        elif step == "ask":
            await _ask(story, teller, said, where, given_up)
        elif step == "list":
            await _list(teller, said, where)
        else:
            await _change(teller, step, said, where)
            if step == "merge" and "refused" not in said:
                given_up.add(said["patient"])
            elif step == "unmerge" and "refused" not in said:
                given_up.discard(said["patient"])


async def _change(teller: Teller, step: str, said: Mapping[str, Any], where: str) -> None:
    wanted = said.get("refused")
    given = {_WORDS.get(key, key): value for key, value in said.items() if key != "refused"}
    met = None
    try:
        await getattr(teller, step)(**given)
    except Refused as refused:
        met = refused.code
    assert met == wanted, where


async def _ask(story: Story, teller: Teller, said: Mapping[str, Any], where: str, given_up: set[str]) -> None:
    asked = said["action"], said["patient"], said.get("at"), said.get("knowing")
    told = await teller.ask(said["provider"], *asked)
    assert told.code == said["answer"], where
    # The answer to `now` says which instant that was; the lists are asked about the same.
    await _agree(story, teller, said["action"], told.at or said.get("at"), said.get("knowing"), given_up)
    _same(told, said, where)


def _same(told: Told, said: Mapping[str, Any], where: str) -> None:
    if "basis" in said and told.basis is not None:
        # Over HTTP nobody is told for whom somebody stands in.
        short = not any(" via " in one for one in told.basis)
        wanted = [one.partition(" via ")[0] if short else one for one in said["basis"]]
        assert told.basis == sorted(wanted), where
    if "until" in said and told.code == "allowed":
        assert told.until == said["until"], where
    if "break glass" in said:
        assert told.may_break_glass is said["break glass"], where
    if "restricted by" in said and told.restricted_by is not None:
        assert told.restricted_by == sorted(said["restricted by"]), where


async def _agree(
    story: Story, teller: Teller, action: str, at: datetime | None, knowing: datetime | None, given_up: set[str]
) -> None:
    """check says yes exactly where list_patients and list_providers name both; of patients who are records of their own."""
    patients = [one for one in story.patients if one not in given_up]
    lists = {one: await teller.patients_of(one, action, at, knowing) for one in story.providers}
    if at is None or None in lists.values():
        return
    for patient in patients:
        seen_by = await teller.providers_of(patient, action, at, knowing)
        assert seen_by is not None
        for provider in story.providers:
            allowed = (await teller.ask(provider, action, patient, at, knowing)).code == "allowed"
            about = f"{story.name}: {provider}, {action}, {patient}, {at}"
            assert allowed == (provider in seen_by) == (patient in (lists[provider] or ())), about


async def _list(teller: Teller, said: Mapping[str, Any], where: str) -> None:
    asked = said.get("action", "read"), said.get("at"), said.get("knowing")
    if "patients of" in said:
        listed = await teller.patients_of(said["patients of"], *asked)
    else:
        listed = await teller.providers_of(said["providers of"], *asked)
    assert listed is None or listed == sorted(said["are"]), where
