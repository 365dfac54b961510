"""Stores a value of any type, copies one and computes with decimals: what the table of cases asks of rules in
every language, and what only Python can get wrong."""

import datetime
import os
import time
import uuid
from decimal import Decimal

import tenet

STRING = {"type": "string"}
INPUT = {
    "type": "object",
    "properties": {"id": STRING, "do": STRING, "whole": {"$ref": "#/$defs/whole"}},
    "required": ["id", "do"],
    "$defs": {"whole": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
}


def write(id, kind, value):
    if kind == "jsonb":
        rows = tenet.query("SELECT ($1::jsonb)::text AS stored", value)
    else:
        sql = f"INSERT INTO held (id, of_{kind}) VALUES ($1, $2) RETURNING of_{kind}::text AS stored"
        rows = tenet.query(sql, id, value)
    return rows[0]["stored"]


def parameter(kind, value):
    """A value of JSON as a parameter of a type."""
    match kind:
        case "jsonb":
            return tenet.Json(value)
        case "float8":
            return float(value)
        case "int2" | "int4" | "int8":
            if value != value.to_integral_value():
                tenet.reject("no-value", "a number is not whole")
            return int(value)
        case "uuid":
            try:
                return uuid.UUID(value)
            except ValueError:
                tenet.reject("no-value", "a text is no UUID")
    return value


def copy(payload):
    id, kind = payload["id"], payload["type"]
    rows = tenet.query(f"SELECT of_{kind} AS value FROM held WHERE id = $1", id)
    return write(f"{id}-copy", kind, rows[0]["value"])


def none(payload):
    """NULL of a type where none is expected, and in a column of the type."""
    value = tenet.null_of(payload["type"])
    if payload["type"] != "json":
        write(payload["id"], payload["type"], value)
    return tenet.query("SELECT jsonb_build_object('is', $1)::text AS made", value)[0]["made"]


def types(payload):
    """The types of numbers, by where they come from."""
    row = tenet.query("SELECT 1::int2 AS a, 2::int8 AS b, 3.0 AS c, '[4]'::jsonb AS d")[0]
    values = [payload["whole"], *payload["value"], row["a"], row["b"], row["c"], row["d"][0]]
    return " ".join(type(value).__name__ for value in values)


def schedule(payload):
    """This operation in each of the ways that there are."""
    itself = tenet.operation()

    def following(name):
        return {"id": f"{payload['id']}-{name}", "do": "current", "value": payload["value"]}

    at = datetime.datetime(2026, 1, 31, 13, 0, 0, 500_000, datetime.timezone.utc)
    ids = [
        tenet.schedule(itself, following("once")),
        tenet.schedule(
            itself,
            following("after"),
            after=datetime.timedelta(seconds=1.5),
            on_rejection=(itself, following("rejected")),
            on_failure=(itself, following("failed")),
            label="one ä",
        ),
        tenet.schedule(itself, following("at"), at=at),
    ]
    return " ".join(ids)


def thrown(compute):
    """What a computation gives, or what it raises."""
    try:
        return compute()
    except Exception as error:
        return type(error).__name__


def operators(payload):
    """What cannot be computed exactly, and what can."""
    one = Decimal("1" * 40)
    computed = {
        "sum": lambda: one + Decimal("0." + "1" * 40),
        "negated": lambda: -one,
        "quarter": lambda: Decimal(1) / 4,
        "third": lambda: Decimal(1) / 3,
        "quantize": lambda: Decimal("1.005").quantize(Decimal("0.01")),
        "rounded": lambda: tenet.rounded(Decimal("1.005"), 2),
        "float": lambda: Decimal(1) < 1.5,
        "large": lambda: tenet.digits(Decimal("1e1000")),
    }
    return {name: thrown(compute) for name, compute in computed.items()}


def helpers(payload):
    """What parameters make of values that no type holds: what they raise, each."""
    noon = datetime.time(12, tzinfo=datetime.timezone.utc)
    made = {
        "bigint": 2**63,
        "nan": Decimal("NaN"),
        "infinity": Decimal("Infinity"),
        "long": Decimal("1e1000"),
        "half": "\ud800",
        "zoned": noon,
        "set": {1},
        "json": tenet.Json([float("nan")]),
        "date": tenet.Json(datetime.date(2026, 1, 31)),
    }
    raised = {name: thrown(lambda: tenet.execute("SELECT $1", value)) for name, value in made.items()}
    raised["unknown"] = thrown(lambda: tenet.null_of("bigint"))
    hour = datetime.timedelta(hours=1)
    for name, options in {
        "delay": {"after": -hour},
        "seconds": {"after": 3600},
        "naive": {"at": datetime.datetime(2026, 1, 31)},
        "both": {"after": hour, "at": tenet.now()},
        "pair": {"on_rejection": "ab"},
    }.items():
        raised[name] = thrown(lambda: tenet.schedule("python", 1, **options))
    raised["refused"] = thrown(lambda: tenet.schedule("write", 1))
    raised["batch"] = thrown(lambda: tenet.batch(("SELECT $1", 2**63)))
    return raised


def machine(payload):
    """Asks the machine for all that differs from run to run, and finds nothing."""
    print("hello from python")
    began = time.monotonic()
    time.sleep(3600)
    try:
        files = str(os.listdir("/"))
    except OSError:
        files = "none"
    return {
        "time": time.time(),
        "slept": time.monotonic() - began,
        "uuid": uuid.uuid4(),
        "environment": dict(os.environ),
        "files": files,
        "hash": hash(payload["do"]),
    }


def swallowed(payload):
    try:
        tenet.reject("swallowed", "a rejection that the rule itself catches")
    except Exception:
        # It goes on as if nothing had been.
        pass
    return write(payload["id"], "int4", 1)


async def late(payload):
    write(payload["id"], "int4", 1)
    tenet.reject("late", "a coroutine that nobody runs")


def generator(payload):
    yield write(payload["id"], "int4", 1)


ASKED = {
    "write": lambda payload: write(payload["id"], payload["type"], parameter(payload["type"], payload["value"])),
    "copy": copy,
    "none": none,
    "schedule": schedule,
    "cancel": lambda payload: str(tenet.cancel(payload["id"].replace("cancel ", ""))).lower(),
    "current": lambda payload: write(payload["id"], "text", tenet.current_follow_up() or "none"),
    "divide": lambda payload: tenet.query("SELECT (1 / $1::bigint)::text", 0),
    "plus": lambda payload: tenet.digits(payload["one"] + payload["other"]),
    "minus": lambda payload: tenet.digits(payload["one"] - payload["other"]),
    "times": lambda payload: tenet.digits(payload["one"] * payload["other"]),
    "negated": lambda payload: tenet.digits(-payload["one"]),
    "compare": lambda payload: tenet.digits(payload["one"].compare(payload["other"])),
    "fits": lambda payload: str(tenet.fits(payload["one"], int(payload["precision"]), int(payload["scale"]))).lower(),
    "types": types,
    "operators": operators,
    "helpers": helpers,
    "machine": machine,
    "swallowed": swallowed,
    "late": late,
    "generator": generator,
}

WitWorld = tenet.rule(lambda payload: ASKED[payload["do"]](payload), INPUT)
