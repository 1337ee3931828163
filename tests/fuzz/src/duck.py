"""Answers of DuckDB, for the fuzz of frames: a line of JSON in (queries and what is to be set up for each), a line of JSON out."""

import datetime
import decimal
import json
import struct
import sys

import duckdb

EPOCH = datetime.datetime(1970, 1, 1)
FIRST = datetime.date(1970, 1, 1).toordinal()
MICROSECOND = datetime.timedelta(microseconds=1)


def told(value):
    """The value as JSON: a letter says what a text stands for."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return "i" + str(value)
    if isinstance(value, float):
        return "f" + struct.pack(">d", value).hex()
    if isinstance(value, str):
        return "s" + value
    if isinstance(value, decimal.Decimal):
        return "d" + format(value, "f")
    if isinstance(value, datetime.datetime):
        return "t" + str((value - EPOCH) // MICROSECOND)
    if isinstance(value, datetime.date):
        return "D" + str(value.toordinal() - FIRST)
    if isinstance(value, (list, tuple)):
        return [told(item) for item in value]
    if isinstance(value, dict):
        return {name: told(item) for name, item in value.items()}
    return "?" + repr(value)


def answer(connection, job):
    try:
        for statement in job["setup"]:
            connection.execute(statement)
        found = connection.execute(job["query"])
        columns = [about[0] for about in found.description]
        rows = [[told(cell) for cell in row] for row in found.fetchall()]
        return {"columns": columns, "rows": rows}
    except Exception as error:  # Whatever it is, the other side judges it.
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        for name in job["tables"]:
            connection.execute(f"DROP TABLE IF EXISTS {name}")


def main():
    if len(sys.argv) > 1:
        print(duckdb.__version__)
        return
    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    for line in sys.stdin:
        answers = [answer(connection, job) for job in json.loads(line)]
        print(json.dumps(answers), flush=True)


main()
