"""The core of the client does no input or output: it can be driven by hand, and imports nothing that could."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from carecircle.client.core import Core
from carecircle.client.retrying import Limits
from carecircle.client.wire import Answer, Pause, Send, Unreached
from tests.architecture.house import imported
from tests.client.servers import YES, answer

ROOT = Path(__file__).resolve().parents[2]
CLIENT = Path("src/carecircle/client")
WITH_IO = {"__init__.py", "connection.py", "synchronous.py", "asynchronous.py"}
VALUES = {"errors", "identifiers", "period", "access.decision"}
WORLD = {
    "os",
    "socket",
    "time",
    "random",
    "asyncio",
    "threading",
    "ssl",
    "pathlib",
    "secrets",
    "subprocess",
    "uuid.uuid4",
}


def known(name: str) -> bool:
    """Whether the core may import it."""
    first, _, rest = name.partition(".")
    if first == "carecircle":
        home = rest.rpartition(".")[0]
        return home in VALUES or (home.startswith("client.") and f"{home.removeprefix('client.')}.py" not in WITH_IO)
    return first in sys.stdlib_module_names and first not in WORLD and name not in WORLD


def test_the_core_imports_values_only() -> None:
    files = [path for path in (ROOT / CLIENT).glob("*.py") if path.name not in WITH_IO]
    assert len(files) >= 6
    for path in files:
        assert [name for name in imported(path.relative_to(ROOT)) if not known(name)] == [], path.name


@pytest.mark.parametrize(
    "name",
    ["httpx", "time", "uuid.uuid4", "carecircle.database.session.transaction", "carecircle.client.connection.place"],
)
def test_what_it_must_not_import_is_found(name: str) -> None:
    assert not known(name)


def test_a_conversation_by_hand() -> None:
    core = Core(Limits(tries=2, first=1.0), jitter=lambda: 0.5, new_key=lambda: "k")
    talk = core.check("okafor", "read", "1")
    first = talk.send(None)
    assert isinstance(first, Send)
    assert talk.send(Unreached(connection=True)) == Pause(1.0)
    assert talk.send(None) == first
    said = answer(YES)
    with pytest.raises(StopIteration) as done:
        talk.send(Answer(said.status, said.headers, said.body))
    assert done.value.value.allowed is True
