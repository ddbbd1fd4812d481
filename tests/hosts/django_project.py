"""A Django project for the tests: SQLite in a file, a PostgreSQL beside it, and one model. Django is set up once per process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import django
from django.conf import settings
from django.db import connections, models
from sqlalchemy.engine import URL

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    )
    django.setup()


class Note(models.Model):
    """A host's row about a patient: by carecircle's id, and by the same as a ULID's text."""

    patient_id: Any = models.UUIDField(null=True)
    patient_ulid: Any = models.CharField(max_length=26)
    title: Any = models.TextField()

    class Meta:
        app_label = "notes"


@contextmanager
def sqlite_at(file: Path, model: type[models.Model] = Note) -> Iterator[str]:
    """The default database in that file, with the model's table: its alias."""
    connections["default"].close()
    connections["default"].settings_dict["NAME"] = str(file)
    with _table("default", model):
        yield "default"


@contextmanager
def postgres_at(url: URL) -> Iterator[str]:
    """A PostgreSQL, with the model's table: its alias."""
    alias = f"pg_{uuid4().hex}"
    host = url.host or str(url.query["host"])
    wanted = {
        "ENGINE": "django.db.backends.postgresql", "NAME": url.database, "USER": url.username, "PASSWORD": url.password or "",
        "HOST": host, "PORT": str(url.port or url.query.get("port", "")),
    }  # fmt: skip
    connections.databases[alias] = {**connections["default"].settings_dict, **wanted}
    with _table(alias, Note):
        yield alias


@contextmanager
def _table(alias: str, model: type[models.Model]) -> Iterator[None]:
    with connections[alias].schema_editor() as editor:
        editor.create_model(model)
    try:
        yield
    finally:
        with connections[alias].schema_editor() as editor:
            editor.delete_model(model)
        connections[alias].close()
