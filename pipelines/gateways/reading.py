"""A log file -> checked records at the boundary: the short road through DuckDB, the careful one line by line.

The short road reads a whole file in columns and gives up on the first line that is wrong; the careful road then finds
that line, puts it into quarantine by number, length and reason, and takes the rest.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from pipelines.gateways import file_stream, logfile, record
from pipelines.gateways.boundary import Boundary
from pipelines.gateways.logfile import LogFile
from pipelines.gateways.provider import Gateway, LineError
from warehouse.control.receipt import Receipt

# Below this the careful road is faster than opening DuckDB's reader.
SHORT_ROAD_BYTES = 1024 * 1024
# Rows of the careful road are Python objects, a kilobyte each.
CAREFUL_ROWS = 50_000
# A line may have megabytes in fields that are read; so many of what is kept are gathered.
CAREFUL_BYTES = 16 * 1024 * 1024
_PLAIN_BYTES = 4096
_SAMPLED_LINES = 200
# A line can be a million keys: what is sampled is of a plain size.
_SAMPLED_BYTES = 256 * 1024
# Names that gateways and SDKs are known to write. Others are counted without a name: a key can be a prompt, too.
_TELLING = frozenset(
    """messages prompt completion response request body headers metadata proxy_server_request content input output text
    choices error_str traceback tool_calls tools system query url api_key authorization password email name session_id
    trace_id model_parameters hidden_params model_map_information cost_breakdown saved_cache_cost cache_key call_type
    stream total_tokens completionStartTime model_id response_time guardrail_information status_fields""".split()  # noqa: SIM905 (forty words read better than forty literals)
)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Reader:
    """Reads files of one gateway into a boundary; small files are gathered into parts of CAREFUL_ROWS rows.

    `give_way` is called before each part: what it raises comes through.
    """

    def __init__(
        self,
        gateway: Gateway,
        scratch: duckdb.DuckDBPyConnection,
        boundary: Boundary,
        tmp: Path,
        give_way: Callable[[], None] = lambda: None,
    ) -> None:
        self._gateway = gateway
        self._give_way = give_way
        self._scratch = scratch
        self._boundary = boundary
        self._tmp = tmp
        self._receipts: dict[int, Receipt] = {}
        self._rows: list[tuple[Any, ...]] = []
        self._bytes = 0

    def read(self, file: LogFile, receipt: Receipt) -> None:
        """Read one file. RefusedFileError where it is no log as a whole; nothing of it is kept then."""
        self._receipts[receipt.load_no] = receipt
        is_plain = self._sample(file, receipt)
        if file.size < SHORT_ROAD_BYTES or not is_plain or not self._short_road(file, receipt):
            self._careful_road(file, receipt)

    def flush(self) -> None:
        """Hand what is gathered to the boundary and close its part; call once after the last file."""
        if not self._rows:
            self._boundary.cut()
            return
        self._give_way()
        *columns, load_nos, line_nos, sizes = zip(*self._rows, strict=True)
        self._rows, self._bytes = [], 0
        arrays = [pa.array(values, type=f.type) for values, f in zip(columns, self._gateway.columns, strict=True)]
        lines = pa.table(arrays, schema=self._gateway.columns)
        for name, values in (("load_no", load_nos), ("line_no", line_nos), ("line_bytes", sizes)):
            lines = lines.append_column(name, pa.array(values, type=pa.int64()))
        self._scratch.register("lines", lines)
        # The source's own columns know no load: row numbers carry it across.
        meaning = self._gateway.meaning_sql("lines").replace("SELECT ", "SELECT load_no, line_no, line_bytes, ", 1)
        checked = self._scratch.execute(
            record.admitted(meaning, "load_no", also="line_no, line_bytes,"), {"pepper": self._boundary.pepper}
        ).to_arrow_table()
        self._scratch.unregister("lines")
        self._scratch.register("checked", checked)
        wrong = self._scratch.execute(
            "SELECT load_no, line_no, line_bytes, problem FROM checked WHERE problem IS NOT NULL"
        ).fetchall()
        for load_no, line_no, size, problem in wrong:
            reason = record.RULES[problem - 1][0]
            self._receipts[load_no].hold_back(line_no, size, reason)
        right = self._scratch.execute(
            "SELECT * EXCLUDE (line_no, line_bytes, problem) FROM checked WHERE problem IS NULL"
        ).to_arrow_table()
        self._scratch.unregister("checked")
        self._boundary.admit(right, self._receipts)
        self._boundary.cut()

    def _short_road(self, file: LogFile, receipt: Receipt) -> bool:
        """Take the whole file in columns; False, and nothing taken, where a line of it is wrong or of another form."""
        if not self._gateway.file_sql:
            return False
        inflated = logfile.inflate(file, self._tmp / "inflated.jsonl") if file.is_gzip else None
        try:
            with file_stream.opened(self._scratch, inflated or file.path) as parts:
                return bool(parts) and any(
                    self._taken([form(part) for part in parts], receipt) for form in self._gateway.file_sql
                )
        finally:
            if inflated is not None:
                inflated.unlink(missing_ok=True)

    def _taken(self, sources: Sequence[str], receipt: Receipt) -> bool:
        before = self._boundary.cut()
        meanings = (self._gateway.meaning_sql(source) for source in sources)
        try:
            taken = self._all_admitted([record.admitted(meaning, str(receipt.load_no)) for meaning in meanings])
        except duckdb.Error:
            taken = False
        if not taken:
            self._boundary.drop_parts(before)
            receipt.clear()
        return taken

    def _all_admitted(self, queries: Sequence[str]) -> bool:
        pepper: dict[str, object] = {"pepper": self._boundary.pepper}
        with closing(file_stream.batches(self._scratch, queries, pepper)) as batches:
            for batch in batches:
                self._give_way()
                table = pa.Table.from_batches([batch])
                if table.column("problem").null_count < table.num_rows:
                    return False
                self._boundary.admit(table.drop_columns(["problem"]), self._receipts)
        return True

    def _careful_road(self, file: LogFile, receipt: Receipt) -> None:
        decode, spread = self._gateway.decode, self._gateway.spread
        before = self._boundary.cut()
        try:
            for number, line in logfile.lines(file):
                if isinstance(line, int):
                    receipt.hold_back(number, line, "the line is longer than 8 MiB")
                elif line.strip():
                    try:
                        rows = (decode(line),) if spread is None else spread(line)
                    except (msgspec.MsgspecError, LineError, UnicodeDecodeError, RecursionError) as error:
                        receipt.hold_back(number, len(line), _reason(error))
                        continue
                    for row in rows:
                        if isinstance(row, LineError):
                            receipt.hold_back(number, len(line), str(row))
                        else:
                            self._rows.append((*row, receipt.load_no, number, len(line)))
                            self._bytes += len(line) if len(line) < _PLAIN_BYTES else _held_bytes(row)
                if len(self._rows) >= CAREFUL_ROWS or self._bytes > CAREFUL_BYTES:
                    self.flush()
        except logfile.RefusedFileError:
            self._rows = [row for row in self._rows if row[-3] != receipt.load_no]
            self._boundary.forget(receipt.load_no, before)
            raise

    def _sample(self, file: LogFile, receipt: Receipt) -> bool:
        """Count the top-level names that are not read, in the first lines; unknown words are counted without a name.

        False where one of them does not decode: DuckDB's reader passes over what is no JSON, such as a last comma.
        """
        odd: Counter[str] = Counter()
        is_plain = True
        for number, line in logfile.lines(file):
            if number > _SAMPLED_LINES:
                break
            if isinstance(line, bytes) and len(line) <= _SAMPLED_BYTES and line.strip():
                try:
                    names = _OBJECT.decode(line).keys() - self._gateway.keys
                    if self._gateway.file_sql:
                        self._gateway.decode(line)
                except (msgspec.MsgspecError, LineError, UnicodeDecodeError, RecursionError):
                    is_plain = False
                    continue
                odd.update({name if name in _TELLING else "(another name)" for name in names})
        receipt.odd_keys = odd
        return is_plain


def _held_bytes(row: tuple[Any, ...]) -> int:
    """About what the texts of a row hold in memory; most of a long line is never kept."""
    texts = sum(len(value) for value in row if type(value) is str)
    return texts + sum(len(text) + 50 for value in row if type(value) is list for text in value)


def _reason(error: Exception) -> str:
    """Why a line does not decode, without a word of it."""
    if isinstance(error, LineError):
        return str(error)
    if isinstance(error, msgspec.ValidationError):
        return "a field has the wrong type, or the line is no object"
    if isinstance(error, RecursionError):
        return "the line is nested too deeply"
    return "the line is no JSON"
