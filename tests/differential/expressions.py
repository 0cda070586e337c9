"""Random typed expressions over the columns of values.py. Functions and operators come from `pipe list signatures`, so a new row of the table is tried at once.

Two rules keep expressions from differing for a reason that docs/sql.md names:
- What might fail never consists of constants only: Postgres evaluates such a part when it plans, even where a guard would keep it from being reached.
- A bare NULL is only written where it does not make Postgres skip an argument that fails.
"""

import random

from values import ELEMENTS, NUMBERS, POOLS, SHORT, TIMES, ZONES, random_value

UNITS = ["microseconds", "milliseconds", "second", "minute", "hour", "day", "week", "month", "quarter", "year", "decade", "century", "millennium"]
FIELDS = ["century", "day", "decade", "dow", "doy", "epoch", "hour", "isodow", "isoyear", "julian", "microseconds", "millennium", "milliseconds", "minute", "month",
          "quarter", "second", "week", "year"]
ZONE_FIELDS = ["timezone", "timezone_hour", "timezone_minute"]
DATE_FORMATS = ["YYYY-MM-DD HH24:MI:SS.US", "DD.MM.YY", "FMDay, FMDD Month YYYY", "IYYY-IW-ID", "J", "Q", "HH12:MI:SS AM", "Dy Mon", "DDD", "YYYY BC", "SSSS", "MS",
                "CC", "W WW", "Y,YYY", "fmHH:fmMI", "\"text\" YY", "DDth", "Month|", "RM", "day DAY Day"]
NUMBER_FORMATS = ["999", "000", "9,999.99", "S999.9", "FM999.009", "0999.9", "MI99", "PR999", "999PR", "9.99EEEE", "RN", "99th", "V99", "L999", "SG99", "FM9999999999.9999", "B99"]
PATTERNS = ["a%", "%a", "%", "_", "a_c", "%b%", "", "A%", "%ä%", "\\%", "a\\%b%", "__%", "abc", "%_", "日%"]
REGEXES = ["a", "^a", "b$", "[a-c]+", "(a)(b)?", ".", ".*", "\\d+", "a|b", "[^a]", "x*", "(foo|bar)", "[[:alpha:]]+", "\\s", "^$", "a{2}", "ä", "b(.)", "\\w+", "(?:a)b"]
FLAGS = ["g", "i", "gi", "", "n"]
REPLACEMENTS = ["X", "", "\\1", "<\\&>", "\\\\", "[\\1]"]
CHARACTERS = ["a", "", ",", "xyz", "abc", " ", "ab", "日", "o", "%"]
SMALL = ["0", "1", "2", "3", "5", "-1", "-2", "10"]
ENCODINGS = ["hex", "base64", "escape"]
JSON_PATHS = ["{}", "{a}", "{b,2,c}", "{0}", "{-1}", "{a,b}", "{b,1}"]
JSON_PATHS_AT = {"#>", "#>>", "#-", "jsonb_set", "jsonb_insert", "jsonb_set_lax"}
KEYS = ["a", "b", "", "日", "c"]

# Which literals an argument mostly takes: (name, index, type) → texts. What is not here takes anything of its type.
TEXT_HINTS = {
    ("date_trunc", 0): UNITS, ("extract", 0): FIELDS, ("date_part", 0): FIELDS,
    ("timezone", 0): ZONES + ["Europe/berlin", "+02", "EST", "UTC+3"], ("date_trunc", 2): ZONES,
    ("~~", 1): PATTERNS, ("~~*", 1): PATTERNS, ("!~~", 1): PATTERNS, ("!~~*", 1): PATTERNS,
    ("~", 1): REGEXES, ("~*", 1): REGEXES, ("!~", 1): REGEXES, ("!~*", 1): REGEXES,
    ("regexp_replace", 1): REGEXES, ("regexp_replace", 2): REPLACEMENTS, ("regexp_match", 1): REGEXES, ("regexp_split_to_array", 1): REGEXES,
    ("regexp_count", 1): REGEXES, ("regexp_instr", 1): REGEXES, ("regexp_like", 1): REGEXES, ("regexp_substr", 1): REGEXES, ("regexp_matches", 1): REGEXES,
    ("substring", 1): REGEXES, ("substr", 1): REGEXES,
    ("encode", 1): ENCODINGS, ("decode", 1): ENCODINGS, ("convert_from", 1): ["UTF8", "utf-8", "LATIN1"], ("convert_to", 1): ["UTF8", "LATIN1"],
    ("normalize", 1): ["NFC", "NFD", "NFKC", "NFKD"], ("is_normalized", 1): ["NFC", "NFD", "NFKC", "nfkd"],
    ("jsonb_set_lax", 4): ["raise_exception", "use_json_null", "delete_key", "return_target"],
    ("split_part", 1): CHARACTERS, ("strpos", 1): CHARACTERS, ("position", 1): CHARACTERS, ("replace", 1): CHARACTERS, ("replace", 2): CHARACTERS,
    ("translate", 1): CHARACTERS, ("translate", 2): CHARACTERS, ("starts_with", 1): CHARACTERS, ("^@", 1): CHARACTERS, ("btrim", 1): CHARACTERS,
    ("ltrim", 1): CHARACTERS, ("rtrim", 1): CHARACTERS, ("lpad", 2): CHARACTERS, ("rpad", 2): CHARACTERS, ("string_to_array", 1): CHARACTERS,
    ("string_to_array", 2): CHARACTERS, ("array_to_string", 1): CHARACTERS, ("array_to_string", 2): CHARACTERS, ("overlay", 1): CHARACTERS,
    ("?", 1): KEYS, ("->", 1): KEYS, ("->>", 1): KEYS,
    ("to_timestamp", 1): DATE_FORMATS[:2] + ["YYYY-MM-DD", "YYYY-MM-DD HH24:MI:SS"], ("to_date", 1): ["YYYY-MM-DD", "YYYYMMDD", "DD Mon YYYY", "YYYY-DDD"],
    ("to_number", 1): ["999", "S999.99", "9,999"], ("similar_to_escape", 0): PATTERNS,
    ("format", 0): ["%s", "%s-%s", "%L", "%I", "%1$s %1$s", "%%", "%-5s|", "%5s|", "%2$s", "x"], ("length", 1): ["UTF8", "LATIN1", "utf-8"],
    ("similar to", 1): ["a%", "%(b|c)%", "_+", "abc", "%", "[a-c]*", "a{2}", "%ä_"], ("similar to", 2): ["#", "!"],
    ("jsonb_extract_path", 1): KEYS, ("jsonb_extract_path_text", 1): KEYS, ("-", 1): CHARACTERS,
    ("regexp_like", 2): FLAGS[1:], ("regexp_count", 3): ["i", "n", ""], ("regexp_instr", 6): ["i", ""], ("regexp_substr", 4): ["i", ""],
}
REGEX_FLAGS = {("regexp_replace", 3), ("regexp_match", 2), ("regexp_split_to_array", 2), ("regexp_matches", 2)}
# Written as in Postgres's grammar, or with arguments that would take gigabytes.
SMALL_INTEGERS = {"repeat", "lpad", "rpad", "left", "right", "substr", "substring", "split_part", "chr", "round", "trunc", "overlay", "factorial", "make_date",
                  "make_time", "make_timestamp", "make_timestamptz", "make_interval", "<<", ">>", "get_byte", "set_byte", "get_bit", "set_bit", "regexp_replace",
                  "regexp_count", "regexp_instr", "regexp_substr", "to_char", "array_fill", "scale", "trim_scale", "log"}
ALWAYS_SMALL = {"repeat", "lpad", "rpad"}
LEFT_OUT = {
    "now", "clock_timestamp", "unnest", "jsonb_array_elements", "jsonb_array_elements_text", "jsonb_each", "jsonb_each_text", "jsonb_object_keys", "generate_series",
    "regexp_split_to_table", "regexp_matches", "string_to_table", "json_array_elements", "json_array_elements_text", "generate_subscripts",
    "current_date", "current_timestamp", "localtimestamp",
    "try_cast", "to_json",
}


# Polymorphic types: all arguments of a call agree on the element.
ELEMENT_TYPES = {"anyelement", "anynonarray", "anycompatible"}
ARRAY_TYPES = {"anyarray", "anycompatiblearray"}


def quote(text):
    escaped = text.replace("'", "''")
    if "\\" in text or "\n" in text or "\t" in text:
        escaped = escaped.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
        return f"E'{escaped}'"
    return f"'{escaped}'"


class Generator:
    def __init__(self, signatures, seed):
        self.rng = random.Random(seed)
        self.signatures = [s for s in signatures if s["name"] not in LEFT_OUT and "json" not in s["arguments"]]
        self.by_result = {}
        for s in self.signatures:
            for result in [s["result"]] if s["result"] in POOLS else ELEMENTS if s["result"] in ELEMENT_TYPES else \
                    [e + "[]" for e in ELEMENTS] if s["result"] in ARRAY_TYPES else []:
                self.by_result.setdefault(result, []).append(s)
        self.turn = 0

    # ---- leaves

    def column(self, type_name):
        return SHORT[type_name] + self.rng.choice("12")

    def small_column(self, name, type_name):
        column = self.column(type_name)
        if name in SMALL_INTEGERS and type_name in ("integer", "bigint"):
            return f"({column} % 20)"
        return f"ARRAY[abs({column}[1] % 4)]" if name == "array_fill" and type_name == "integer[]" else column

    def literal(self, type_name):
        text = random_value(self.rng, type_name)
        if type_name in ("integer", "bigint", "numeric") and self.rng.random() < 0.6 and text.lstrip("-").replace(".", "").isdigit() \
                and (type_name != "integer" or abs(int(text)) < 2**31) and (type_name != "bigint" or abs(int(text)) >= 2**31) \
                and (type_name != "numeric" or "." in text):
            return f"({text})" if text[0] == "-" else text
        if type_name == "boolean" and self.rng.random() < 0.5:
            return {"t": "true", "f": "false"}[text]
        if type_name == "text" and self.rng.random() < 0.7:
            return quote(text)
        return f"{quote(text)}::{type_name}"

    def leaf(self, type_name, varies):
        return self.column(type_name) if varies or self.rng.random() < 0.7 else self.literal(type_name)

    # ---- calls

    def argument(self, name, index, types, depth, varies):
        rng = self.rng
        type_name = types[index]
        if name == "to_char" and index == 1 and rng.random() < 0.9:
            return quote(rng.choice(NUMBER_FORMATS if types[0] in NUMBERS else DATE_FORMATS))
        if name == "substring" and index == 2 and type_name == "text":
            return quote(rng.choice("#!"))
        if type_name == "path":
            return quote(rng.choice(JSON_PATHS))
        if type_name == "any":
            type_name = rng.choice(list(POOLS))
        if type_name.endswith("[]") and name != "array_fill" and (type_name not in POOLS or rng.random() < 0.3):
            return self.array(type_name[:-2], depth, varies)
        if type_name == "text" and rng.random() < 0.9:
            if (name, index) in TEXT_HINTS:
                return quote(rng.choice(TEXT_HINTS[name, index]))
            if (name, index) in REGEX_FLAGS:
                return quote(rng.choice(FLAGS))
        if name == "array_fill" and type_name == "integer[]":
            return rng.choice(["ARRAY[2]", "ARRAY[2,3]", "ARRAY[0]", "ARRAY[-1]", "ARRAY[abs(i1 % 4)]", "ARRAY[1]", "'{}'::integer[]"])
        if name in SMALL_INTEGERS and type_name in ("integer", "bigint") and (name in ALWAYS_SMALL or rng.random() < 0.93):
            return rng.choice([*SMALL, self.small_column(name, type_name)])
        if name in ("power", "pow", "^", "exp", "factorial") and rng.random() < 0.7:
            small = rng.choice(["0", "1", "2", "3", "0.5", "10", "-1", "1.5"])
            return small if type_name == "numeric" else f"'{small}'::{type_name}" if type_name != "integer" else rng.choice(["0", "1", "2", "10"])
        if rng.random() < 0.12:
            narrower = {"integer": ["smallint"], "bigint": ["integer", "smallint"], "numeric": ["integer", "bigint"], "double precision": ["integer", "numeric", "real"],
                        "timestamp without time zone": ["date"], "timestamp with time zone": ["timestamp without time zone", "date"]}.get(type_name)
            if narrower:
                type_name = rng.choice(narrower)
        return self.make(type_name, depth - 1, varies)

    def array(self, element, depth, varies):
        rng = self.rng
        if element not in POOLS:
            return None
        items = [self.leaf(element, varies or i == 0) for i in range(rng.randrange(1, 4))]
        return f"ARRAY[{', '.join(items)}]::{element}[]"

    def call(self, s, depth, result=None):
        rng = self.rng
        element = result if s["result"] in ELEMENT_TYPES else result[:-2] if result and s["result"] in ARRAY_TYPES else None
        element = element or rng.choice(ELEMENTS)
        name = s["name"]
        types = [element if t in ELEMENT_TYPES else element + "[]" if t in ARRAY_TYPES else t for t in s["arguments"]]
        if s["variadic"]:
            types += types[-1:] * rng.randrange(0, 3)
        if not types:
            return f"{name}()"
        must_vary = rng.randrange(len(types))
        if name in JSON_PATHS_AT and rng.random() < 0.9 and "text[]" in types:
            types[types.index("text[]")] = "path"
        arguments = [self.argument(name, i, types, depth, False) for i in range(len(types))]
        if any(a is None for a in arguments):
            return None
        if not any(self.varies(a) for a in arguments):
            order = [i for i in range(len(types)) if (name, i) not in TEXT_HINTS and (name, i) not in REGEX_FLAGS] or list(range(len(types)))
            i = must_vary if must_vary in order else rng.choice(order)
            t = types[i] if types[i] in POOLS or types[i].endswith("[]") else "text[]" if types[i] == "path" else "text"
            arguments[i] = self.small_column(name, t) if t in POOLS else f"ARRAY[{self.column(t[:-2])}]"
        if s["operator"]:
            return f"({name}{' '}{arguments[0]})" if len(arguments) == 1 else self.infix(name, arguments)
        return self.written(name, types, arguments)

    def infix(self, name, arguments):
        words = {"~~": "LIKE", "!~~": "NOT LIKE", "~~*": "ILIKE", "!~~*": "NOT ILIKE", "similar to": "SIMILAR TO", "not similar to": "NOT SIMILAR TO"}
        if len(arguments) == 3:
            return f"({arguments[0]} {words[name]} {arguments[1]} ESCAPE {self.rng.choice([quote('#'), quote(''), quote('!')])})"
        if name in words and (" " in name or self.rng.random() < 0.8):
            name = words[name]
        return f"({arguments[0]} {name} {arguments[1]})"

    def written(self, name, types, arguments):
        """Forms of the grammar are written as people write them."""
        if name == "extract":
            field = self.rng.choice(FIELDS + (ZONE_FIELDS if types[1] == "timestamp with time zone" else []))
            if types[1] == "date":
                field = self.rng.choice([f for f in FIELDS])
            return f"extract({field} FROM {arguments[1]})"
        if name == "position":
            return f"position({arguments[0]} IN {arguments[1]})" if self.rng.random() < 0.9 else f"strpos({arguments[1]}, {arguments[0]})"
        if name == "overlaps":
            return f"(({arguments[0]}, {arguments[1]}) OVERLAPS ({arguments[2]}, {arguments[3]}))"
        if name == "timezone" and self.rng.random() < 0.7:
            return f"({arguments[1]} AT TIME ZONE {arguments[0]})"
        if name == "overlay":
            tail = f" FOR {arguments[3]}" if len(arguments) == 4 else ""
            return f"overlay({arguments[0]} PLACING {arguments[1]} FROM {arguments[2]}{tail})"
        if name == "btrim" and self.rng.random() < 0.4 and types[0] == "text":
            return f"trim({arguments[1] + ' FROM ' if len(arguments) == 2 else ''}{arguments[0]})"
        if name == "normalize" and len(arguments) == 2:
            return f"normalize({arguments[0]}, {arguments[1].strip(chr(39))})"
        if name == "is_normalized" and self.rng.random() < 0.7:
            form = arguments[1].strip("'") if len(arguments) == 2 else ""
            return f"({arguments[0]} IS {self.rng.choice(['', 'NOT '])}{form} NORMALIZED)" if form.isalpha() or not form else f"is_normalized({', '.join(arguments)})"
        return f"{name}({', '.join(arguments)})"

    def varies(self, text):
        import re
        stripped = re.sub(r"E?'(?:[^'\\]|''|\\.)*'", "''", text)
        return re.search(r"\b(?:s|i|l|n|r|d|t|b|y|da|ts|tz|iv|u|j|ai|at|an)[12]\b|\bk\b|\bv\b", stripped) is not None

    # ---- forms

    def boolean_form(self, depth):
        rng = self.rng
        kind = rng.randrange(12)
        t = rng.choice([x for x in POOLS if x != "jsonb"])
        a = self.make(t, depth - 1, True)
        b = self.make(t, depth - 1, False)
        c = self.make(t, depth - 1, False)
        x, y, z = (self.make("boolean", depth - 1, True) for _ in range(3))
        return [
            lambda: f"({a} {rng.choice(['=', '<>', '<', '<=', '>', '>='])} {b})",
            lambda: f"({a} IS {rng.choice(['', 'NOT '])}NULL)",
            lambda: f"({x} IS {rng.choice(['', 'NOT '])}{rng.choice(['TRUE', 'FALSE', 'UNKNOWN'])})",
            lambda: f"({a} IS {rng.choice(['', 'NOT '])}DISTINCT FROM {b})",
            lambda: f"({a} {rng.choice(['', 'NOT '])}BETWEEN {rng.choice(['', 'SYMMETRIC '])}{b} AND {c})",
            lambda: f"({a} {rng.choice(['', 'NOT '])}IN ({b}, {c}))",
            lambda: f"({x} AND {y})", lambda: f"({x} OR {y})", lambda: f"(NOT {x})", lambda: f"({x} AND {y} OR {z})",
            lambda: self.guard_condition(depth), self.quantified,
        ][kind]()

    def quantified(self):
        """x = ANY (array)"""
        rng = self.rng
        element = rng.choice(ELEMENTS)
        array = rng.choice([self.column(element + "[]"), self.literal(element + "[]"), self.array(element, 1, False)])
        return f"({self.column(element)} {rng.choice(['=', '<>', '<', '>='])} {rng.choice(['ANY', 'ALL', 'SOME'])} ({array}))"

    def subscript(self, element):
        rng = self.rng
        at = rng.choice([*SMALL, "i1"])
        return f"({self.make(element + '[]', 1, True)})[{at}]"

    def guard_condition(self, depth):
        """What the first test removes, the second must never see."""
        rng = self.rng
        cast = rng.choice(["v::int > 5", "v::integer + i1 > 0", "v::int = 7", "v::int BETWEEN 1 AND 50", "v::int / 2 > 1", "v::int IN (1, 7)"])
        return rng.choice([
            f"(k = 'num' AND {cast})", f"(k <> 'num' OR {cast})", f"(i1 <> 0 AND (l1 % i1) > 1)", f"(NOT (k <> 'num') AND {cast})",
            f"(d1 > 0 AND d1 < 1e100 AND sqrt(d1) > 2)", f"(length(t1) > 0 AND ascii(t1) > 64 AND chr(ascii(t1)) = left(t1, 1))",
            f"(k = 'date' AND v::date > '2000-01-01')", f"(k = 'num' AND ({cast} OR v::int < 0) AND v::int <> 3)",
        ])

    def guard(self, type_name):
        rng = self.rng
        if type_name == "integer":
            return rng.choice(["CASE WHEN k = 'num' THEN v::int ELSE -1 END", "CASE k WHEN 'num' THEN v::int + 1 END", "CASE WHEN i1 <> 0 THEN s1 / i1 END",
                               "CASE WHEN k <> 'num' THEN 0 WHEN v::int > 5 THEN v::int ELSE length(v) END", "coalesce(i1, CASE WHEN k = 'num' THEN v::int END)"])
        if type_name == "date":
            return "CASE WHEN k = 'date' THEN v::date END"
        if type_name == "bigint":
            return rng.choice(["coalesce(i1, length(t1), v::int)::bigint", "CASE WHEN i2 = 0 THEN 0 ELSE l1 / i2 END"])
        return None

    def cast(self, type_name, depth):
        rng = self.rng
        if type_name.endswith("[]"):
            source = rng.choice(["text", "integer[]", "text[]", "numeric[]"])
            return f"({self.make(source, depth - 1, True)})::{type_name}"
        sources = {"text": list(POOLS)}.get(type_name)
        if not sources:
            sources = ["text"]
            if type_name in NUMBERS:
                sources += NUMBERS + ["jsonb"]
            if type_name in TIMES:
                sources += TIMES
            if type_name == "integer":
                sources += ["boolean"]
            if type_name == "boolean":
                sources += ["integer", "jsonb"]
        source = rng.choice(sources)
        target = type_name
        if type_name == "numeric" and rng.random() < 0.5:
            target = rng.choice(["numeric(10,2)", "numeric(5)", "numeric(20,6)", "numeric(3,1)"])
        if type_name == "text" and rng.random() < 0.2:
            target = rng.choice(["varchar(3)", "varchar(10)"])
        if type_name.startswith("timestamp") and rng.random() < 0.3:
            target = f"timestamp({rng.randrange(7)}){type_name[9:]}"
        argument = self.make(source, depth - 1, True)
        return f"({argument})::{target}" if rng.random() < 0.6 else f"CAST({argument} AS {target})"

    def form(self, type_name, depth):
        """CASE and its like, for any type."""
        rng = self.rng
        a, b, c = (self.make(type_name, depth - 1, i == 0) for i in range(3))
        if type_name == "jsonb":
            return f"CASE WHEN {self.make('boolean', depth - 1, True)} THEN {a} ELSE {b} END"
        return rng.choice([
            lambda: f"CASE WHEN {self.make('boolean', depth - 1, True)} THEN {a} ELSE {b} END",
            lambda: f"CASE WHEN {self.make('boolean', depth - 1, True)} THEN {a} WHEN {self.make('boolean', depth - 1, True)} THEN {b} END",
            lambda: f"CASE {self.column(type_name)} WHEN {b} THEN {a} ELSE {c} END",
            lambda: f"coalesce({a}, {b})", lambda: f"coalesce(NULL, {a}, {b}, {c})", lambda: f"nullif({a}, {b})",
            lambda: f"greatest({a}, {b}, {c})", lambda: f"least({a}, NULL, {b})",
        ])()

    def make(self, type_name, depth, varies=False):
        rng = self.rng
        if depth <= 0:
            return self.leaf(type_name, varies)
        if rng.random() < 0.25:
            return self.leaf(type_name, varies)
        roll = rng.random()
        if type_name in ELEMENTS and roll > 0.97:
            return self.subscript(type_name)
        if roll < 0.04:
            return self.guard(type_name) or self.leaf(type_name, varies)
        if roll < 0.18:
            return self.cast(type_name, depth)
        if roll < 0.30:
            return self.form(type_name, depth)
        if type_name == "boolean" and roll < 0.6:
            return self.boolean_form(depth)
        choices = self.by_result.get(type_name)
        if not choices:
            return self.leaf(type_name, varies)
        by_name = {}
        for s in choices:
            by_name.setdefault(s["name"], []).append(s)
        return self.call(rng.choice(by_name[rng.choice(sorted(by_name))]), depth, type_name) or self.leaf(type_name, varies)

    def next(self):
        """Three of four expressions have a row of the table at their root, each in turn; the others are forms and casts."""
        rng = self.rng
        depth = rng.choice([1, 1, 2, 2, 3])
        if rng.random() < 0.75:
            s = self.signatures[self.turn % len(self.signatures)]
            self.turn += 1
            made = self.call(s, depth)
            if made:
                return made
        type_name = rng.choice(list(POOLS))
        roll = rng.random()
        if roll < 0.3:
            return self.cast(type_name, depth)
        if roll < 0.6:
            return self.form(type_name, depth)
        if roll < 0.8:
            return self.boolean_form(depth)
        return self.guard(rng.choice(["integer", "date", "bigint"]))

    def rows(self, count):
        """Rows for the columns, with NULLs: {name: text or None}."""
        rng = self.rng
        made = []
        for row in range(count):
            kind = rng.choice(["num", "date", "other"])
            value = {"num": lambda: str(rng.randint(-50, 99)), "date": lambda: rng.choice(POOLS["date"]), "other": lambda: rng.choice(["abc", "", "7x", "x"])}[kind]()
            cells = {"id": str(row), "k": kind, "v": value}
            for type_name, short in SHORT.items():
                for n in "12":
                    cells[short + n] = None if rng.random() < 0.12 else random_value(rng, type_name)
            made.append(cells)
        return made
