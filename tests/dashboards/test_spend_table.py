"""Tables as they go to a browser: what is in no cell is in no byte."""

import struct
from decimal import Decimal

import pyarrow as pa
import pytest
from streamlit import dataframe_util

from dashboards.views import spend_table

_KIND = pa.decimal128(38, 12)


def _left_over(word: bytes) -> pa.Table:
    """Two amounts, the second NULL, in whose place lies a text of somebody, as DuckDB holds a short one."""
    text = struct.pack("<I12s", len(word), word)
    one = pa.array([Decimal("1.5")], _KIND).buffers()[1].to_pybytes()[:16]
    column = pa.Array.from_buffers(_KIND, 2, [pa.py_buffer(b"\x01"), pa.py_buffer(one + text)])
    return pa.table({"model": ["gpt-4o", "gpt-5"], "cost_usd": column})


@pytest.mark.attack("T01")
@pytest.mark.attack("T01", weakened=True)
def test_nothing_of_before_lies_in_the_place_of_a_missing_amount() -> None:
    """T01: the bytes of a drawn table hold no text that memory held; without the blanking they do."""
    found = _left_over(b"canary-key")
    frame = spend_table.framed(found)
    assert frame["cost_usd"].isna().tolist() == [False, True]
    assert frame["cost_usd"][0] == Decimal("1.5")
    assert b"canary-key" not in dataframe_util.convert_anything_to_arrow_bytes(frame)
    weak = found.to_pandas(types_mapper=spend_table._exact)
    assert b"canary-key" in dataframe_util.convert_anything_to_arrow_bytes(weak)
