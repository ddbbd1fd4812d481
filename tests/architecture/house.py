"""Checks of the tree's own text: sizes, first lines, words, imports and where SQL lives. Each returns its complaints."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path("src/carecircle")

WANTS_A_REASON = 300
MOST_LINES = 400

# Which modules may know a library: a file does when one of these patterns matches its path below src/carecircle.
KNOWS: dict[str, tuple[str, ...]] = {
    "fastapi": (r"api/", r"cli/", r"hosts/fastapi\.py"),
    "starlette": (r"api/", r"cli/", r"hosts/fastapi\.py"),
    "uvicorn": (r"api/", r"cli/"),
    "typer": (r"cli/",),
    "rich": (r"cli/",),
    "sqlalchemy": (
        r"database/",
        r".*tables\.py",
        r".*service\.py",
        r"services/",  # the documents' signatures name AsyncSession
        r"bootstrap\.py",  # assembles the engine
        r"audit/entry\.py",  # an entry joins the session of what it records
        r"audit/refusal\.py",  # a refusal has a transaction of its own
        r".*/rows\.py",  # a room's rows
    ),
    "alembic": (r"database/",),
}

# What imports nothing but the standard library and values.
PURE = (r".*rules\.py", r"access/decision\.py", r"period\.py", r"identifiers\.py", r"errors\.py", r".*merkle\.py")
VALUES = {"errors", "identifiers", "period", "policy", "actor"}

# A statement on our tables lives with the tables, never in a door.
SQL = re.compile(
    r"\b(?:select\b.{0,400}?\bfrom|insert\s+into|update|delete\s+from|truncate)\s+(?:only\s+)?carecircle\.\w",
    re.IGNORECASE | re.DOTALL,
)
MAY_HOLD_SQL = (
    r"database/",
    r"access/.*",
    r".*tables\.py",
    r".*service\.py",
    r".*/rows\.py",
    r"audit/entry\.py",
)

# Words that tell how something was built, or where: spelt in halves, so that this file does not hold them itself.
FORBIDDEN = tuple(
    re.compile(pattern, flags)
    for pattern, flags in (
        (r"\bissue" + r" #?\d", re.IGNORECASE),
        (r"\bissue" + r" #", re.IGNORECASE),
        (r"/wor" + r"k/", 0),
        (r"/tm" + r"p/le" + r"ad\b", 0),
        (r"/ho" + r"me/\w+/", 0),
        (r"\bpypi\." + r"org\b", re.IGNORECASE),
        (r"pythonhos" + r"ted\.org", re.IGNORECASE),
        (r"\bChat" + r"GPT\b|\bOpen" + r"AI\b|\bAnthro" + r"pic\b|\bCla" + r"ude\b|\bCopi" + r"lot\b", re.IGNORECASE),
        (r"\bLL" + r"Ms?\b|\blanguage mo" + r"del\b|\bAI[- ]gener" + r"ated\b", 0),
        (r"shared/see" + r"ds\b", 0),
        (r"\bTO" + r"DO\b|\bFIX" + r"ME\b|\bXX" + r"X\b", 0),
    )
)
# Shipped byte for byte as somebody else published it; a test compares its digest.
PUBLISHED_BY_OTHERS = {
    Path("src/carecircle/api/static/swagger-ui") / name
    for name in ("swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "swagger-ui.css", "LICENSE", "NOTICE")
}
UNREAD = {".lock", ".png", ".ico", ".woff2", ".gz"}


def tracked(root: Path = ROOT) -> list[Path]:
    """What git keeps or would keep, as paths relative to `root`; without git, every file outside hidden folders."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        found = [Path(name) for name in listed.stdout.split("\0") if name]
    else:
        inside = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
        found = [path for path in inside if not any(part.startswith(".") for part in path.parts[:-1])]
    return sorted(path for path in found if (root / path).is_file() and path.suffix != ".pyc")


def source_files(root: Path = ROOT) -> list[Path]:
    return sorted(path.relative_to(root) for path in (root / SOURCE).rglob("*.py"))


def inside(path: Path) -> str:
    """A path as the patterns above know it: below src/carecircle, with forward slashes."""
    return path.relative_to(SOURCE).as_posix()


def too_long(files: Iterable[Path], reasons: dict[str, str], root: Path = ROOT) -> Iterator[str]:
    """Files over the cap, files over 300 lines without a reason, and reasons nobody needs any more."""
    needed = set()
    for path in files:
        lines = len((root / path).read_text().splitlines())
        if lines > MOST_LINES:
            yield f"{path} has {lines} lines; no file has more than {MOST_LINES}."
        elif lines > WANTS_A_REASON:
            needed.add(path.as_posix())
            if not reasons.get(path.as_posix()):
                yield f"{path} has {lines} lines; above {WANTS_A_REASON} wants a reason in test_house.py."
    for path_text in set(reasons) - needed:
        yield f"{path_text} needs no reason any more; take it out of test_house.py."


def without_first_line(files: Iterable[Path], root: Path = ROOT) -> Iterator[str]:
    """Python and SQL files that do not open by saying what lives in them. An empty package marker says nothing."""
    for path in files:
        text = (root / path).read_text()
        first = text.splitlines()[0] if text else ""
        opening = {".py": ('"""', "#"), ".sql": ("--",), ".sh": ("#",)}.get(path.suffix)
        if opening and not first.startswith(opening) and not (path.name == "__init__.py" and not text):
            yield f"{path} does not open with a sentence saying what lives there."


def badly_named(files: Iterable[Path]) -> Iterator[str]:
    for path in files:
        if path.stem in {"utils", "util", "helpers", "helper", "common", "misc", "base"} and path.suffix == ".py":
            yield f"{path}: name a file for what lives in it."


def forbidden_words(files: Iterable[Path], root: Path = ROOT) -> Iterator[str]:
    """Words that have no place in the tree, with file and line."""
    for path in files:
        if path.suffix in UNREAD or path in PUBLISHED_BY_OTHERS:
            continue
        try:
            lines = (root / path).read_text().splitlines()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, 1):
            for pattern in FORBIDDEN:
                if found := pattern.search(line):
                    yield f"{path}:{number} says {found[0]!r}."


def imported(path: Path, root: Path = ROOT) -> set[str]:
    """The modules a file imports when it runs, lazily too, as dotted names; what only type checkers read is left out."""
    names = set()
    waiting: list[ast.AST] = [ast.parse((root / path).read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def knows_too_much(files: Iterable[Path], root: Path = ROOT) -> Iterator[str]:
    """Files that import a library only others may know."""
    for path in files:
        for name in imported(path, root):
            allowed = KNOWS.get(name.split(".")[0])
            if allowed is not None and not any(re.match(pattern, inside(path)) for pattern in allowed):
                yield f"{path} imports {name}."


def impure(files: Iterable[Path], standard: frozenset[str], root: Path = ROOT) -> Iterator[str]:
    """Pure files that import more than the standard library, values and other pure files, or that can await."""
    for path in files:
        if not any(re.fullmatch(pattern, inside(path)) for pattern in PURE):
            continue
        for name in imported(path, root):
            first, _, rest = name.partition(".")
            homes = (rest.replace(".", "/") + ".py", rest.rpartition(".")[0].replace(".", "/") + ".py")
            known = rest.split(".")[0] in VALUES or any(re.fullmatch(one, home) for one in PURE for home in homes)
            if first not in standard and not (first == "carecircle" and known):
                yield f"{path} imports {name}; it may know the standard library and values only."
        tree = ast.parse((root / path).read_text())
        if any(isinstance(node, (ast.AsyncFunctionDef, ast.Await)) for node in ast.walk(tree)):
            yield f"{path} can await; rules and values cannot."


def sql_out_of_place(files: Iterable[Path], reasons: dict[str, str], root: Path = ROOT) -> Iterator[str]:
    """Files without a reason that hold a statement on our tables and are neither the database's nor a service."""
    for path in files:
        if not reasons.get(path.as_posix()) and not any(re.match(pattern, inside(path)) for pattern in MAY_HOLD_SQL):
            # Python's own `import select` and `from carecircle.x import y` are no SQL.
            found = SQL.search(
                re.sub(r"^(?:import|from [\w.]+ import) .*$", "", (root / path).read_text(), flags=re.MULTILINE)
            )
            if found:
                yield f"{path} holds SQL: {found[0][:60]!r}."
