"""The deliberate differences from PostgreSQL. docs/sql.md says why each is there; a promise holds the two lists together."""

import re


def is_error(value):
    return isinstance(value, tuple)


def says(value, *texts):
    return is_error(value) and any(text in value[1] for text in texts)


def found_early(pipe):
    return is_error(pipe) and pipe[1].startswith("query:")


# name → whether a differing value is that difference: (expression, pipe's value, Postgres's value)
KNOWN = {
    # Postgres 15 reckons past the range of 64 bits with intervals, and wraps around; or takes the numbers that stand for infinity as numbers.
    "interval-overflow": lambda e, pipe, pg: not is_error(pg) and says(pipe, "interval out of range", "cannot subtract infinite timestamps"),
    # So it does with an integer that V multiplies.
    "shift-overflow": lambda e, pipe, pg: not is_error(pg) and "to_char" in e and "V" in e and says(pipe, "integer out of range"),
    # Rounding the last moment there is to fewer digits of a second.
    "rounding-out-of-range": lambda e, pipe, pg: not is_error(pg) and says(pipe, "timestamp out of range (value: 294277-01-01 00:00:00"),
    "age-of-infinity": lambda e, pipe, pg: not is_error(pg) and "age(" in e and says(pipe, "timestamp out of range"),
    # A constant unit, zone, pattern or format that is wrong is an error of the query, whatever the rows hold.
    "constants-checked-early": lambda e, pipe, pg: found_early(pipe) and not is_error(pg) and says(
        pipe, "not recognized", "not supported", "invalid regular expression", "invalid escape", "not known", "does not support", "unknown time zone",
        "must be ahead of", "cannot use \"", "\"EEEE\"", "multiple decimal points", "invalid normalization form"),
    "untyped-constant-is-text": lambda e, pipe, pg: not is_error(pipe) and says(pg, "42804 could not determine polymorphic type", "42P18"),
    "varchar-is-text": lambda e, pipe, pg: not is_error(pipe) and says(pg, "42883 operator does not exist") and "character varying[]" in pg[1],
    "encodings": lambda e, pipe, pg: says(pipe, "is not known: UTF8"),
    "basic-regular-expressions": lambda e, pipe, pg: says(pipe, "basic regular expressions"),
    # Bounds further apart than the largest double, or a bucket behind the last integer.
    "width-bucket-range": lambda e, pipe, pg: "width_bucket" in e and (
        says(pipe, "integer out of range") and not is_error(pg) or not is_error(pipe) and pg == "-2147483648"),
    # convert_from takes the name of an encoding, and with a name comes the collation "C".
    "collation-of-names": lambda e, pipe, pg: "convert_from" in e and not is_error(pipe) and re.search("upper|lower|initcap|ILIKE|~|regexp|SIMILAR|substring", e) is not None,
    "long-texts": lambda e, pipe, pg: says(pipe, "requested length too large"),
}

# In the documentation, and nothing the tester comes across; or told below.
DOCUMENTED_ONLY = {"time-of-day", "epoch-of-far-times",
                   "csv-member-beside-integer", "json-members", "now", "failing-constants", "try-cast", "stateless", "regular-expression-limits",
                   "regular-expression-lookbehind", "regular-expression-groups", "regular-expression-case", "regular-expression-classes",
                   "extended-regular-expression-flag", "last-digit", "absent", "json-is-jsonb", "leap-seconds", "ragged-arrays", "row-makers"}

# Functions that Postgres has not, or that mean something else there.
OURS = {"now", "try_cast"}


def failing_constant(expression, pipe, column):
    """Postgres evaluates a constant part when it plans, and fails alike for every row; here it fails for the rows that reach it."""
    return not is_error(pipe) and is_error(column[0]) and len(set(column)) == 1 and re.search(r"\b(CASE|coalesce|AND|OR)\b", expression) is not None


def explanation(expression, pipe, postgres, column):
    """pipe's and Postgres's value of the row that differs, and Postgres's of all rows."""
    for name, applies in KNOWN.items():
        if applies(expression, pipe, postgres):
            return name
    return "failing-constants" if failing_constant(expression, pipe, column) else None
