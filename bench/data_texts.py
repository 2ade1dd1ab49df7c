"""The texts of a data folder: all cells of a CSV file, all strings of a JSONL file."""
import csv
import json


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def texts_of(path):
    csv.field_size_limit(1 << 30)
    if path.suffix == ".csv":
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.reader(file):
                yield from row
    else:
        with open(path, encoding="utf-8") as file:
            for line in file:
                yield from strings(json.loads(line))
