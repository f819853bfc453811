"""Small click logs for tests."""

import pyarrow as pa


def small_log(requests=4, items=3, **changes):
    """A valid log; `changes` replace or add columns (a list of values, or None to drop the column)."""
    rows = requests * items
    columns = {
        "request_id": [f"r{row // items}" for row in range(rows)],
        "timestamp": [1_700_000_000_000_000 + row // items for row in range(rows)],
        "item_id": [f"i{row % items}" for row in range(rows)],
        "position": [row % items + 1 for row in range(rows)],
        "clicked": [int(row % items == 0) for row in range(rows)],
        "context_hour": [float(row // items) for row in range(rows)],
        "item_price": [float(row % 5) for row in range(rows)],
        "affinity": [row / 10 for row in range(rows)],
    }
    for name, values in changes.items():
        if values is None:
            del columns[name]
        else:
            columns[name] = values
    return pa.table(columns)


def with_value(table, column, row, value):
    """The table with one value replaced."""
    values = table[column].to_pylist()
    values[row] = value
    return table.set_column(table.column_names.index(column), column, pa.array(values))
