"""A condition for Django's querysets: a column equals one of these values, all of them bound as parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, F, Func
from django.db.models.sql.compiler import SQLCompiler

_MOST_IN_ONE_LIST = 500
Compiled = tuple[str, list[Any]]


class EqualsAny(Func):
    """`column = ANY(%s)` with one array on PostgreSQL, `column IN (%s, …)` elsewhere."""

    conditional = True

    def __init__(self, field: str | F, values: Iterable[object]) -> None:
        super().__init__(field, output_field=BooleanField())
        self.values = tuple(values)

    def __repr__(self) -> str:
        return f"EqualsAny({len(self.values)} values)"

    @property
    def identity(self) -> tuple[Any, ...]:
        """What tells one such condition from another: Django compares expressions by it."""
        return (type(self), *self.source_expressions, self.values)

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> Compiled:
        column, params, values = self._parts(compiler, connection)
        return f"{column} = ANY(%s)", [*params, values]

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> Compiled:  # type: ignore[override]
        column, params, values = self._parts(compiler, connection)
        if not values:
            raise EmptyResultSet
        most = connection.ops.max_in_list_size() or _MOST_IN_ONE_LIST
        lists = [values[at : at + most] for at in range(0, len(values), most)]
        either = " OR ".join(f"{column} IN ({', '.join(['%s'] * len(some))})" for some in lists)
        return f"({either})", [one for some in lists for one in (*params, *some)]

    def _parts(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any], list[Any]]:
        [source] = self.get_source_expressions()
        column, params = compiler.compile(source)
        field = source.output_field
        return column, list(params), [field.get_db_prep_value(one, connection) for one in self.values]
