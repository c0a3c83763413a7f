"""One measurement of workload W1 on DuckDB, as JSON lines in the form of `sidx bench`.

The rows and the answers come from `w1-rows --series N --rows N --dir INPUT`. Needs duckdb and pyarrow.
"""

import argparse
import json
import os
import sys
import time

import duckdb
import pyarrow as pa
import pyarrow.json

SCHEMA = pa.schema([
    ("series", pa.uint64()),
    ("key", pa.int64()),
    ("payload", pa.string()),
    ("endpoint", pa.string()),
    ("status", pa.int32()),
    ("method", pa.string()),
    ("start", pa.int64()),
    ("peer", pa.string()),
])

TABLE = """
    CREATE TABLE {name} (
        series UBIGINT NOT NULL, key BIGINT NOT NULL, payload BLOB NOT NULL, endpoint VARCHAR NOT NULL,
        status INTEGER NOT NULL, method VARCHAR NOT NULL, start BIGINT NOT NULL, peer VARCHAR NOT NULL
    )
"""

QUERIES = {
    "q1-asc": "SELECT key, payload FROM w1 WHERE series = 42 ORDER BY key LIMIT 20",
    "q1-desc": "SELECT key, payload FROM w1 WHERE series = 42 ORDER BY key DESC LIMIT 20",
    "q2-asc": "SELECT key, payload FROM w1 ORDER BY key LIMIT 20",
    "q2-desc": "SELECT key, payload FROM w1 ORDER BY key DESC LIMIT 20",
    "q3": "SELECT key, payload FROM w1 WHERE key BETWEEN 900 AND 920 ORDER BY key",
    "q4": "SELECT key, payload FROM w1 WHERE peer = '10.8.232.171:45378'",
    "q5": "SELECT key, payload FROM w1 WHERE series = 42 AND key BETWEEN 100 AND 300"
          " AND status = 500 ORDER BY key DESC LIMIT 100",
    "q6": "SELECT count(*) FROM w1 WHERE status = 500 AND endpoint IN"
          " ('/api/v1/resource-007', '/api/v1/resource-077', '/api/v1/resource-177')",
    "q7": "SELECT count(*), sum(octet_length(payload)), bit_xor(hash(payload)) FROM w1",
    "q8": "SELECT key, payload FROM w1 WHERE series IN ({wide}) AND key BETWEEN 150 AND 160"
          " ORDER BY key LIMIT 1000",
}

PAYLOAD_LEN = 33


def main():
    arguments = parse()
    if arguments.measurement != "probe":
        os.makedirs(arguments.dir, exist_ok=True)
        for figure in MEASUREMENTS[arguments.measurement](arguments):
            print(json.dumps(figure, separators=(",", ":")))


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=100)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dir", help="where the store is; must be empty for ingest")
    parser.add_argument("--input", help="where w1-rows put its files")
    parser.add_argument("--batch", type=int, default=1_000)
    parser.add_argument("--repeat", type=int, default=25)
    parser.add_argument("measurement", choices=["probe", *MEASUREMENTS])
    return parser.parse_args()


def ingest(arguments):
    """Batches are made of one table in memory; reading that from the file is not timed."""
    path = database(arguments)
    if os.path.exists(path):
        sys.exit(f"{path} exists")
    rows = load(arguments)
    connection = duckdb.connect(path)
    connection.execute(TABLE.format(name="w1"))
    taken = 0.0
    for first in range(0, arguments.rows, arguments.batch):
        batch = rows.slice(first, arguments.batch)
        start = time.perf_counter()
        connection.register("batch", batch)
        connection.execute("INSERT INTO w1 SELECT * FROM batch")
        connection.unregister("batch")
        taken += time.perf_counter() - start
    start = time.perf_counter()
    connection.execute("CHECKPOINT")
    taken += time.perf_counter() - start
    check("q7", connection.execute(QUERIES["q7"]).fetchall(), answers(arguments)["answers"]["q7"])
    connection.close()
    # The Arrow table is ready: like for like is `columns`, where the others have theirs ready too.
    lines = [
        figure(arguments, f"{form}-{arguments.batch}", "rows/s", [arguments.rows / taken])
        for form in ("ingest", "columns")
    ]
    return [line | {"result_rows": arguments.rows, "durability": "sync"} for line in lines]


def compact(arguments):
    """Rewrites the table, ordered, into a new file that takes the place of the old one."""
    path = database(arguments)
    compacted = path + ".compacted"
    connection = duckdb.connect(path)
    start = time.perf_counter()
    connection.execute(f"ATTACH '{compacted}' AS compacted")
    connection.execute(TABLE.format(name="compacted.w1"))
    connection.execute("INSERT INTO compacted.w1 SELECT * FROM w1 ORDER BY series, key")
    connection.execute("CHECKPOINT compacted")
    taken = time.perf_counter() - start
    connection.close()
    os.replace(compacted, path)
    duckdb.connect(path).close()
    names = [os.path.join(folder, name) for folder, _, names in os.walk(arguments.dir) for name in names]
    size = sum(os.stat(name).st_blocks * 512 for name in names)
    return [
        figure(arguments, "compact", "rows/s", [arguments.rows / taken]),
        figure(arguments, "size", "bytes/row", [size / arguments.rows]),
    ]


def query(arguments):
    """From the text of a query to its rows in Python; one unmeasured run of each goes ahead."""
    start = time.perf_counter()
    connection = duckdb.connect(database(arguments))
    yield figure(arguments, "open", "us", [micros(start)])
    expected = answers(arguments)
    wide = ", ".join(map(str, expected["wide_series"]))
    for name, sql in QUERIES.items():
        sql = sql.format(wide=wide)
        samples = []
        repeat = -(-arguments.repeat // 5) if name in ("q6", "q7") else arguments.repeat
        for turn in range(repeat + 1):
            start = time.perf_counter()
            rows = connection.execute(sql).fetchall()
            taken = micros(start)
            check(name, rows, expected["answers"][name])
            if turn > 0:
                samples.append(taken)
        line = figure(arguments, name, "us", samples)
        yield line | {"result_rows": expected["answers"][name]["rows"]}
    connection.close()


def check(name, rows, expected):
    """Of Q7 the payloads are hashed, not summed: their number and length are compared."""
    if name == "q6":
        found = {"rows": rows[0][0]}
    elif name == "q7":
        found = {"rows": rows[0][0]}
        if rows[0][1] != PAYLOAD_LEN * expected["rows"]:
            sys.exit(f"q7: {rows[0][1]} payload bytes")
    else:
        found = {"rows": len(rows), "key_sum": sum(key for key, _ in rows)}
        if name in ("q3", "q4"):
            found["payload_sum"] = sum(sum(payload) for _, payload in rows)
    if any(expected[part] != value for part, value in found.items()):
        sys.exit(f"{name}: {found} instead of {expected}")


def load(arguments):
    path = os.path.join(arguments.input, "rows.ndjson")
    options = pa.json.ParseOptions(explicit_schema=SCHEMA)
    table = pa.json.read_json(path, parse_options=options)
    at = SCHEMA.get_field_index("payload")
    table = table.set_column(at, "payload", table["payload"].cast(pa.binary())).combine_chunks()
    if table.num_rows != arguments.rows:
        sys.exit(f"{path} has {table.num_rows} rows")
    return table


def answers(arguments):
    with open(os.path.join(arguments.input, "answers.json"), encoding="utf-8") as file:
        return json.load(file)


def database(arguments):
    return os.path.join(arguments.dir, "w1.duckdb")


def micros(start):
    return (time.perf_counter() - start) * 1e6


def figure(arguments, name, unit, samples):
    samples = sorted(samples)
    return {
        "figure": name,
        "series": arguments.series,
        "rows": arguments.rows,
        "engine": "duckdb",
        "unit": unit,
        "median": round(samples[len(samples) // 2], 3),
        "min": round(samples[0], 3),
        "max": round(samples[-1], 3),
        "samples": len(samples),
    }


MEASUREMENTS = {"ingest": ingest, "compact": compact, "query": query}

if __name__ == "__main__":
    main()
