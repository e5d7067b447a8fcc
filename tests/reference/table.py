"""Writes table.parquet, which tests/data.rs reads; run with `python table.py` where pyarrow is installed."""

import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

table = pa.table(
    {
        "x": pa.array([0.5, 1.5, 2.5]),
        "n": pa.array([1, 2, 3]),
        "small": pa.array([7, 8, 9], pa.uint8()),
        "ok": pa.array([True, False, True]),
        "word": pa.array(["a", "b", "ö"]),
        "rows": pa.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        "gaps": pa.array([1.0, None, 3.0]),
    }
)
path = pathlib.Path(__file__).with_name("table.parquet")
pq.write_table(table, path, compression="snappy", store_schema=False, row_group_size=2)
