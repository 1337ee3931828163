#!/usr/bin/env python3
"""What Python's `csv` and pandas read from generated CSV files: one case a line, as JSON.

Recorded with CPython 3.11 and pandas 3.1 by

    python csv_oracle.py --from 0 --seeds 160 > csv-oracle.jsonl

`src/read/csv/oracle.rs` holds the reader against the lines of that file, and against fresh ones where KVERN_ORACLE_PYTHON names a Python
with pandas: KVERN_ORACLE_FROM and KVERN_ORACLE_SEEDS say which.
"""

import argparse
import csv
import io
import json
import random

END = "\x01END"


def garbage(r, delimiter, quote):
    """Anything, among it what means something."""
    parts = [delimiter, quote, quote * 2, "\n", "\r\n", "\r", " ", "a", "bc", "é", "日本", "😀", "0", "-1.5", "#", "\t", "\\"]
    weights = [4, 6, 4, 3, 2, 1, 2, 6, 4, 2, 1, 1, 2, 2, 1, 1, 1]
    return "".join(r.choices(parts, weights, k=r.choice([0, 1, 2, 3, 5, 9])))


def cell(r, delimiter, quote):
    how = r.random()
    value = garbage(r, delimiter, quote)
    if how < 0.35:
        return quote + value.replace(quote, quote * 2) + quote
    if how < 0.5:
        # Text after the closing quote belongs to the field.
        return quote + value.replace(quote, quote * 2) + quote + r.choice(["", "x", " ", "y" + quote])
    plain = "".join(c for c in value if c not in delimiter + "\r\n")
    if plain.startswith(quote) and r.random() < 0.95:
        plain = "p" + plain
    return plain


def dialect_case(seed):
    """Records as Python's `csv` finds them: where each begins, and whether a quote is open at the end."""
    r = random.Random(seed)
    delimiter, quote = r.choice([(",", '"'), (",", '"'), (";", '"'), ("\t", '"'), ("|", "'")])
    width = r.choice([1, 2, 2, 3, 5])
    ends = r.choice([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n", "\r", "\n\n"]])
    text = ""
    for _ in range(r.choice([0, 1, 2, 4, 8, 15])):
        n = width + (r.choice([-1, 1]) if r.random() < 0.02 else 0)
        text += delimiter.join(cell(r, delimiter, quote) for _ in range(n)) + r.choice(ends)
    if r.random() < 0.3:
        text = text.rstrip("\r\n")
    if r.random() < 0.15:
        text = text[: r.randrange(len(text) + 1)]
    reader = csv.reader(io.StringIO(text + "\n" + END, newline=""), delimiter=delimiter, quotechar=quote)
    rows, lines = [], []
    while True:
        line = reader.line_num + 1
        row = next(reader, None)
        if row is None:
            break
        if row:
            rows.append(row)
            lines.append(line)
    is_open = rows[-1] != [END]
    mark = r.random() < 0.2
    return {
        "kind": "records",
        "seed": seed,
        "delimiter": delimiter,
        "quote": quote,
        "mark": mark,
        "text": text,
        "open": is_open,
        "rows": rows[:-1],
        "lines": lines[:-1],
    }


MISSING = ["", "NA", "NaN", "null", "N/A", "None", "<NA>", "#N/A", "nan", "-nan", "n/a", "NULL", "1.#IND"]


def typed_column(r, rows):
    def number():
        return r.choice(
            [
                repr(r.uniform(-1e6, 1e6)),
                repr(r.random() * 10.0 ** r.randrange(-300, 300)),
                f"{r.randrange(-10**6, 10**6)}.",
                f".{r.randrange(1000)}",
                f"{r.randrange(100)}e{r.randrange(-20, 20)}",
                f"{r.randrange(1000)}E+{r.randrange(9)}",
                r.choice(["", "+", "-"]) + "".join(r.choice([c, c.upper()]) for c in r.choice(["inf", "infinity"])),
            ]
        )

    def whole():
        return str(r.choice([0, 7, -7, r.randrange(-(10**9), 10**9), r.randrange(-(2**63), 2**63), 2**63 - 1, -(2**63)]))

    def small():
        return str(r.randrange(-(10**15), 10**15))

    def huge():
        return str(r.randrange(2**63, 2**64))

    def truth():
        return r.choice(["True", "False", "true", "false", "TRUE", "FALSE"])

    def word():
        return r.choice(["a", "Bob", "x y", "12 apples", "1-2", "+47", "é", "0x1f", "1_000", "--1", "e5", "Na", "tru", "5%", "infinite", "--inf", "+-INF", "NAN"])

    def padded():
        return r.choice([" 1", "2 ", " 3.5", "007"])

    makers = r.choice(
        [[whole], [small], [number], [small, number], [truth], [word], [word, small], [huge], [padded], [truth, word], [number, word]]
    )
    values = [r.choice(makers)() for _ in range(rows)]
    if r.random() < 0.5:
        values = [r.choice(MISSING) if r.random() < 0.3 else v for v in values]
    return values


def typed_case(seed):
    """Columns as pandas reads them."""
    import math

    import pandas as pd

    r = random.Random(seed)
    rows = r.choice([1, 2, 5, 12])
    names = [f"c{i}" for i in range(r.choice([2, 3, 5]))]
    columns = [typed_column(r, rows) for _ in names]
    buffer = io.StringIO()
    how = r.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    writer = csv.writer(buffer, quoting=how, lineterminator=r.choice(["\n", "\r\n"]))
    writer.writerow(names)
    writer.writerows(zip(*columns))
    text = buffer.getvalue()
    frame = pd.read_csv(io.StringIO(text))

    def plain(v):
        if v is None or v is pd.NA or (isinstance(v, float) and math.isnan(v)):
            return None
        if isinstance(v, bool) or type(v).__name__ == "bool_":
            return ["bool", str(bool(v)).lower()]
        if isinstance(v, str):
            return ["text", v]
        if isinstance(v, float):
            return ["float", v.hex()]
        return ["whole", str(int(v))]

    answers = [[plain(v) for v in frame[name].tolist()] for name in names]
    return {"kind": "columns", "seed": seed, "text": text, "columns": answers}


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--from", dest="first", type=int, default=0)
    args.add_argument("--seeds", type=int, default=160)
    args = args.parse_args()
    for seed in range(args.first, args.first + args.seeds):
        case = typed_case(seed) if seed % 4 == 3 else dialect_case(seed)
        print(json.dumps(case, ensure_ascii=False, separators=(",", ":")))


main()
