"""The whole metrics file as tidy tables, laid out from its schema, so that what is added there has its table by itself.

A list of the file becomes a table, a row an entry; a part that stands alone becomes a table of one row; a mapping
becomes a table with a row a key. Parts within a row are columns with the part's name in front. Lists within a row get
a table of their own, whose rows repeat the plain columns of the row they belong to. A mapping within a row, as
`metrics` is, turns that row into one a key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.report.metrics_file import Metrics
from pipelines.report.metrics_schema import Entries, Leaf, Node, Record, Rows, schema_of

Value = str | int | float | bool | None
Path = tuple[str | int, ...]
Found = Sequence[tuple[Mapping[str, Value], Any]]
# Plain fields of the file itself, such as its schema's version.
ROOT = "file"
# What the keys of a mapping are, by table; elsewhere `metric` where they name intervals, else `key`.
KEYS = {
    "data_requests": "split",
    "data_rows": "split",
    "data_clicks": "split",
    "data_quarantine_reasons": "reason",
    "training": "stage",
    "starts": "stage",
}
INTERVAL = {"value", "low", "high", "count"}
# An entry that the others of its row belong to: every row of a history has its step.
STEP = "step"


@dataclass(frozen=True)
class MetricsTable:
    """One table.

    Attributes:
        columns: kind (`string`, `int64`, `float64` or `boolean`) by name, in order; the same for every metrics file.
        rows: values by column; None, or no value, where the file has null or nothing.
    """

    columns: Mapping[str, str]
    rows: Sequence[Mapping[str, Value]]


def metrics_tables(metrics: Metrics) -> dict[str, MetricsTable]:
    """Every value of a metrics file in a table; the same tables for every file, empty ones included."""
    return tables_of(schema_of(Metrics), metrics.model_dump(mode="json"))


def table_columns() -> dict[str, Mapping[str, str]]:
    """Kinds of the columns of every table, by the tables' and the columns' names."""
    return {name: table.columns for name, table in tables_of(schema_of(Metrics), {}).items()}


def tables_of(schema: Node, values: Mapping[str, Any]) -> dict[str, MetricsTable]:
    """Tables of `values`, which `schema`, a record, describes; fields that `values` lacks have empty tables.

    Raises:
        ValueError: two parts would share a table.
    """
    if not isinstance(schema, Record):
        raise ValueError(f"{schema} is no record; give the schema of a model")
    layout = _Layout()
    plain = {name: node for name, node in schema.fields.items() if isinstance(node, Leaf)}
    layout.alone(ROOT, Record(plain), values or None)
    for name, node in schema.fields.items():
        if isinstance(node, Record):
            layout.alone(str(name), node, values.get(str(name)))
        elif not isinstance(node, Leaf):
            layout.several(str(name), node, {}, _present([({}, values.get(str(name)))]))
    return layout.tables


class _Layout:
    """The tables as they fill: schema and values are walked together."""

    def __init__(self) -> None:
        self.tables: dict[str, MetricsTable] = {}

    def alone(self, table: str, record: Record, values: Any) -> None:
        """A part that is there once or not at all: a row of its plain values, a table for each list and mapping."""
        leaves, containers = _flat(record)
        if leaves:
            columns = {_column(path): node.kind for path, node in leaves.items()}
            row = {_column(path): _cell(node, _at(values, path)) for path, node in leaves.items()}
            self._put(table, columns, [] if values is None else [row])
        for path, node in containers.items():
            self.several(f"{table}_{_column(path)}", node, {}, _present([({}, _at(values, path))]))

    def several(self, table: str, node: Node, shared: Mapping[str, str], found: Found) -> None:
        """Lists or mappings in a table; each of `found` comes with the values of `shared`, its rows' first columns."""
        if isinstance(node, Entries):
            key = _free(KEYS.get(table, _key_of(node.value)), shared, table)
            inner = {**shared, key: "string"}
            self._items(
                table, node.value, inner, [({**own, key: k}, v) for own, part in found for k, v in part.items()]
            )
        elif isinstance(node, Rows) and isinstance(node.item, Record | Leaf):
            self._items(table, node.item, shared, [(own, one) for own, part in found for one in part])
        elif isinstance(node, Rows):
            row = _free("row", shared, table)
            numbered = [({**own, row: n}, one) for own, part in found for n, one in enumerate(part, start=1)]
            self._items(table, node.item, {**shared, row: "int64"}, numbered)

    def _items(self, table: str, node: Node, shared: Mapping[str, str], found: Found) -> None:
        if isinstance(node, Record):
            self._records(table, node, shared, found)
        elif isinstance(node, Leaf):
            name = _free("value", shared, table)
            self._put(table, {**shared, name: node.kind}, [{**own, name: _cell(node, one)} for own, one in found])
        elif isinstance(node, Entries) and isinstance(node.value, Leaf):
            self._histories(table, node.value, shared, found)
        else:
            self.several(table, node, shared, _present(found))

    def _histories(self, table: str, leaf: Leaf, shared: Mapping[str, str], found: Found) -> None:
        """Rows whose columns no schema names: one a value, beside the step that they have in common."""
        rows: list[Mapping[str, Value]] = []
        for own, entries in found:
            start = {**own, STEP: _cell(leaf, entries.get(STEP))}
            others = [(name, value) for name, value in entries.items() if name != STEP]
            rows += [{**start, "column": name, "value": _cell(leaf, value)} for name, value in others] or [start]
        self._put(table, {**shared, STEP: leaf.kind, "column": "string", "value": leaf.kind}, rows)

    def _records(self, table: str, record: Record, shared: Mapping[str, str], found: Found) -> None:
        """A row a record, or one a key where it has mappings to plain parts; further tables for the lists within."""
        leaves, containers = _flat(record)
        names = {path: _free(_column(path), shared, table) for path in leaves}
        columns = {**shared, **{names[path]: node.kind for path, node in leaves.items()}}
        own = [
            {**before, **{names[path]: _cell(node, _at(one, path)) for path, node in leaves.items()}}
            for before, one in found
        ]
        keyed = {path: node for path, node in containers.items() if isinstance(node, Entries) and _is_plain(node.value)}
        melted = _Melted(keyed, columns, table)
        rows = [{**row, **more} for row, (_, one) in zip(own, found, strict=True) for more in melted.rows(one)]
        self._put(table, {**columns, **melted.columns}, rows)
        repeated = {**shared, **{names[path]: node.kind for path, node in leaves.items() if len(path) == 1}}
        heads = [{name: row[name] for name in repeated} for row in own]
        for path, node in containers.items():
            if path not in keyed:
                inside = [(head, _at(one, path)) for head, (_, one) in zip(heads, found, strict=True)]
                self.several(f"{table}_{_column(path)}", node, repeated, _present(inside))

    def _put(self, table: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Value]]) -> None:
        if table in self.tables:
            raise ValueError(f"two parts of the file would share the table {table!r}; rename one of them")
        self.tables[table] = MetricsTable(dict(columns), rows)


class _Melted:
    """Mappings within a record as a row a key; those of several fields share the keys, a row for all of them."""

    def __init__(self, mappings: Mapping[Path, Entries], taken: Mapping[str, str], table: str) -> None:
        self._mappings, self.columns = mappings, dict[str, str]()
        self._cells: list[tuple[Path, str, Path, Leaf]] = []
        if mappings:
            self._key = _free(_key_of(next(iter(mappings.values())).value), taken, table)
            self.columns[self._key] = "string"
        for field, node in mappings.items():
            leaves = {(): node.value} if isinstance(node.value, Leaf) else _flat(node.value)[0]
            for path, leaf in leaves.items():
                # Without a field's name in front only where there is nothing to mix it up with.
                alone = len(mappings) == 1 and path and _column(path) not in {**taken, **self.columns}
                name = _column(path) if alone else _free(_column((*field, *path)), {**taken, **self.columns}, table)
                self.columns[name] = leaf.kind
                self._cells.append((field, name, path, leaf))

    def rows(self, record: Any) -> Iterator[dict[str, Value]]:
        """The keyed columns of each row that `record` becomes: one without keys where it has nothing in any mapping."""
        inside = {field: _at(record, field) or {} for field in self._mappings}
        keys = dict.fromkeys(key for entries in inside.values() for key in entries)
        if not keys:
            yield {}
        for key in keys:
            cells = {name: _cell(leaf, _at(inside[f].get(key), path)) for f, name, path, leaf in self._cells}
            yield {self._key: key, **cells}


def _flat(record: Node) -> tuple[dict[Path, Leaf], dict[Path, Rows | Entries]]:
    """Plain values, and lists and mappings, of a record and of the records in it, by their paths."""
    leaves: dict[Path, Leaf] = {}
    containers: dict[Path, Rows | Entries] = {}
    for name, node in record.fields.items() if isinstance(record, Record) else ():
        if isinstance(node, Leaf):
            leaves[(name,)] = node
        elif isinstance(node, Record):
            below = _flat(node)
            leaves |= {(name, *path): leaf for path, leaf in below[0].items()}
            containers |= {(name, *path): container for path, container in below[1].items()}
        else:
            containers[(name,)] = node
    return leaves, containers


def _is_plain(node: Node) -> bool:
    return isinstance(node, Leaf) or (isinstance(node, Record) and not _flat(node)[1])


def _key_of(node: Node) -> str:
    return "metric" if isinstance(node, Record) and node.fields.keys() >= INTERVAL else "key"


def _column(path: Path) -> str:
    """`realised_value` for a path of names; places in a tuple are counted from 1."""
    return "_".join(f"value_{part + 1}" if isinstance(part, int) else part for part in path)


def _free(name: str, taken: Mapping[str, str], table: str) -> str:
    """A column's name, with its table's in front where it is taken."""
    return name if name not in taken else _free(f"{table}_{name}", taken, table)


def _at(values: Any, path: Path) -> Any:
    for part in path:
        if values is None:
            return None
        values = values[part] if isinstance(part, int) else values.get(part)
    return values


def _present(found: Found) -> Found:
    return [(own, part) for own, part in found if part is not None]


def _cell(leaf: Leaf, value: Any) -> Value:
    return json.dumps(value) if leaf.kind == "string" and not isinstance(value, str | None) else value
