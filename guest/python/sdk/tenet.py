"""What a rule in Python is written with: the contract of `wit/v1` as Python knows things.

Numbers of payloads and of `jsonb` are `decimal.Decimal`s, because a binary fraction is not money: 100.50
stays 100.50. Where the schema of the payload says `integer` they are `int`s. Parameters are typed by what
they are: `str`, `int` (bigint), `Decimal`, `float` (double precision), `bool`, `bytes`, `UUID`, `date`,
`datetime` (with a time zone or without), `time`, `timedelta`; anything else is `Json(value)`.

Decimals are computed exactly, in a context of up to 1,000 digits: what would be rounded is an error, and
`rounded` is for what is meant to be. A value that its type cannot hold is a `DataError`, before anything
is sent.

`tenet explain python` prints the reference of this module; a test runs every example.
"""

import decimal
import inspect
import json
import os
import re
import sys
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from urllib.parse import unquote
from uuid import UUID

import wit_world
from componentize_py_types import Err
from wit_world.imports import context, database, events, log as lines, operations, types, vault as safe

# What rules use. The other names are of this module only.
__all__ = [
    "DataError",
    "DatabaseError",
    "Field",
    "Json",
    "VaultError",
    "batch",
    "caller",
    "cancel",
    "current_follow_up",
    "digits",
    "dumps",
    "execute",
    "fits",
    "key",
    "loads",
    "log",
    "new_uuid",
    "now",
    "null_of",
    "operation",
    "publish",
    "query",
    "region",
    "reject",
    "rounded",
    "rule",
    "schedule",
]

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)
DAY = 86_400_000_000

# As many digits as a number may have, as in every language of rules.
MOST_DIGITS = 1000
EXACT = decimal.Context(
    prec=MOST_DIGITS,
    traps=[
        decimal.Inexact,
        decimal.Overflow,
        decimal.InvalidOperation,
        decimal.DivisionByZero,
        decimal.FloatOperation,
    ],
)
# For what a rule's module computes while it is loaded, too.
decimal.setcontext(EXACT)


class Rejection(Exception):
    """A rule's "no": an ordinary answer."""

    def __init__(self, code, message, details):
        super().__init__(code)
        self.code, self.message, self.details = code, message, details


class Request:
    """What is known of the request while it is decided."""

    # The payload, as it came.
    payload = "{}"
    # The rejection that the rule has ended with.
    said = None


def reject(code, message, **details):
    """Ends the rule with a rejection, an ordinary answer (422): a code for programs, a message for people, and
    details by name. It raises, and stays the answer where the rule catches that and goes on: of several the last
    one. Details that are None are left out; dicts and lists are JSON text.

    Example:
        row = tenet.query("SELECT points FROM accounts WHERE id = $1", "a")[0]
        if row["points"] < 0:
            tenet.reject("no-points", "there are too few points", points=row["points"], missing=-row["points"])
    """
    if not isinstance(code, str) or not isinstance(message, str):
        raise TypeError('a rejection has a code and a message, both str: reject("sold-out", "all seats are booked")')
    Request.said = Rejection(code, message, details)
    raise Request.said


class DataError(ValueError):
    """A value that its type cannot hold: a number that is too large, a text with U+0000. Where the rule does not
    catch it the answer is the rejection `invalid-data` (422).

    Example:
        try:
            tenet.execute("UPDATE accounts SET points = $1 WHERE id = $2", 2**63, "a")
        except tenet.DataError as error:
            tenet.log(str(error))
    """


class DatabaseError(Exception):
    """An error of the database that a rule may see: SQLSTATE classes 22, 23, 42 and 0A. The transaction is spent
    after one, so that the rule can only reject. Not caught it is a failure of the rule (500); class 22 is the
    rejection `invalid-data` (422). To go on after a duplicate, write `ON CONFLICT DO NOTHING`.

    `sqlstate` has five characters: `23505` is a duplicate key, `23503` a missing reference, `23514` a CHECK.
    `constraint`, `table` and `column` are None where the database does not name them.

    Example:
        sql = "INSERT INTO accounts (id, owner, balance) VALUES ($1, $2, 0)"
        try:
            tenet.execute(sql, str(tenet.new_uuid()), "bob")
        except tenet.DatabaseError as error:
            if error.sqlstate == "23505":
                tenet.reject("account-exists", "the account exists", constraint=error.constraint)
            raise
    """

    def __init__(self, error):
        # It ends in a log, and messages of class 22 quote the wrong value.
        message = "wrong data" if error.sqlstate.startswith("22") else error.message
        super().__init__(f"{message} (SQLSTATE {error.sqlstate})")
        self.sqlstate, self.constraint, self.table, self.column = (
            error.sqlstate,
            error.constraint,
            error.table,
            error.column,
        )


@dataclass
class Json:
    """A parameter that is `jsonb`: any value that JSON has a form for, with every digit of its Decimals.

    Example:
        data = tenet.Json({"tags": ["new"], "limit": Decimal("9.90")})
        tenet.execute("UPDATE accounts SET data = $1 WHERE id = $2", data, "a")
    """

    value: object


def null_of(name):
    """NULL of a type, for a place that takes values of any. A bare `None` is of the type that the statement expects
    at its place.

    Example:
        by = None
        tenet.query("SELECT jsonb_build_object('by', $1) AS made", tenet.null_of("text") if by is None else by)
    """
    names = types.ValueType.__members__
    if not isinstance(name, str) or name.upper() not in names:
        raise TypeError(f"null_of takes the name of a type: one of {', '.join(names).lower()}")
    return types.Value_Null(names[name.upper()])


def parameter(value):
    match value:
        case None:
            return types.Value_Null(None)
        case types.Value_Null():
            return value
        case bool():
            return types.Value_Boolean(value)
        case int():
            if not -(2**63) <= value < 2**63:
                raise DataError("bigint does not hold a number of this size")
            return types.Value_Int8(value)
        case float():
            return types.Value_Float8(value)
        case Decimal():
            return types.Value_Numeric(digits(value))
        case str():
            if "\0" in value:
                refuse_nul()
            return types.Value_Text(encodable(value))
        case bytes():
            return types.Value_Bytea(value)
        case UUID():
            return types.Value_Uuid(str(value))
        case datetime() if value.tzinfo is None:
            return types.Value_Timestamp((value.replace(tzinfo=timezone.utc) - EPOCH) // MICROSECOND)
        case datetime():
            return types.Value_Timestamptz((value - EPOCH) // MICROSECOND)
        case date():
            return types.Value_Date((value - EPOCH.date()).days)
        case time() if value.tzinfo is None:
            return types.Value_Time((datetime.combine(EPOCH, value) - datetime(1970, 1, 1)) // MICROSECOND)
        case timedelta():
            return types.Value_Interval(types.Interval(0, value.days, (value - timedelta(value.days)) // MICROSECOND))
        case types.Interval():
            within(32, value.months), within(32, value.days), within(64, value.microseconds)
            return types.Value_Interval(value)
        case Json(inner):
            text = dumps(inner)
            if has_nul(text):
                refuse_nul()
            return types.Value_Json(text)
    raise TypeError(f"{type(value).__name__} is no parameter: send Json(value), or its parts one by one")


def within(bits, number):
    if not isinstance(number, int):
        raise TypeError("a part of an interval is an int")
    if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
        raise DataError("an interval does not hold a number of this size")


def encodable(text):
    """A text that UTF-8 can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DataError("a text has half a character") from None
    return text


def refuse_nul():
    """Refuses the payload that has such a text. One that has none is not to blame."""
    path = pointer_to_nul(loads(Request.payload))
    if path is None:
        raise DataError("the database holds no text with U+0000")
    reject("invalid-payload", "a text has U+0000, which the database does not hold", path=path)


def time_of(micros):
    """Python has no 24:00:00, and the day after begins with another time."""
    if not 0 <= micros < DAY:
        raise OverflowError
    return (EPOCH + micros * MICROSECOND).time()


READERS = {
    "Numeric": Decimal,
    "Uuid": UUID,
    "Date": lambda days: EPOCH.date() + timedelta(days),
    "Time": time_of,
    "Timestamp": lambda micros: (EPOCH + micros * MICROSECOND).replace(tzinfo=None),
    "Timestamptz": lambda micros: EPOCH + micros * MICROSECOND,
    "Json": lambda text: loads(text),
}


def rows_of(row_set):
    """Column by column as they come, row by row as they are used."""
    rows = [{} for _ in range(row_set.rows)]
    names = set()
    for column in row_set.columns:
        if column.name in names:
            raise TypeError(
                f"two columns of the result are called {column.name}: give each a name of its own with AS"
            )
        names.add(column.name)
        kind = type(column.values).__name__.removeprefix("ColumnValues_")
        read = READERS.get(kind, lambda value: value)
        nulls = set(column.nulls)
        try:
            for number, row in enumerate(rows):
                row[column.name] = None if number in nulls else read(column.values.value[number])
        except OverflowError:
            # `infinity`, 24:00:00, a year that Python does not know.
            what = f"column `{column.name}` has a {kind.lower()} that Python cannot hold: select it as text"
            raise DataError(what) from None
    return rows


def asking(ask, *arguments):
    try:
        return ask(*arguments)
    except Err as error:
        raise DatabaseError(error.value) from None


def query(sql, *parameters):
    """Runs one statement and returns its rows, a dict each, by the names of the columns. One round trip. Two
    columns of one name are an error: rename one with AS.

    Example:
        rows = tenet.query("SELECT balance FROM accounts WHERE id = $1", "a")
        if not rows:
            tenet.reject("no-account", "there is no such account")
        balance = rows[0]["balance"]
    """
    return rows_of(asking(database.query, sql, [parameter(value) for value in parameters]))


def execute(sql, *parameters):
    """Runs one statement and returns the number of rows that it touched. One round trip.

    Example:
        sql = "UPDATE accounts SET balance = balance - $1 WHERE id = $2 AND balance >= $1"
        if tenet.execute(sql, Decimal("0.50"), "a") == 0:
            tenet.reject("no-funds", "there is too little")
    """
    return asking(database.execute, sql, [parameter(value) for value in parameters])


def batch(*statements):
    """Runs statements in order in one round trip, each `(sql, *parameters)`. Returns for each the rows and the
    number of those that it touched. All succeed, or the first error is raised.

    Example:
        taken, given = tenet.batch(
            ("UPDATE accounts SET balance = balance - $1 WHERE id = $2 RETURNING balance", Decimal("0.50"), "a"),
            ("UPDATE accounts SET balance = balance + $1 WHERE id = $2", Decimal("0.50"), "b"),
        )
        rows, affected = taken
        tenet.log(f"{rows[0]['balance']} is left of {affected}")
    """
    sent = [types.Statement(sql, [parameter(value) for value in parameters]) for sql, *parameters in statements]
    return [(rows_of(outcome.rows), outcome.affected) for outcome in asking(database.batch, sent)]


def publish(source, detail_type, detail):
    """Stages an event and returns its id. The event exists only if the transaction commits, and is published at
    least once. `rule.toml` names its source and detail-type; the detail is a dict. A read-only operation publishes
    none.

    Example:
        event_id = tenet.publish("bank", "Account Changed", {"account": "a", "balance": Decimal("9.50")})
    """
    return events.publish(events.Event(source, detail_type, dumps(detail)))


def schedule(operation, payload, *, after=None, at=None, on_rejection=None, on_failure=None, label=None):
    """Schedules an operation that runs after the commit, in a transaction of its own, exactly once, and returns the
    follow-up's id, which is the same on every attempt. It exists only if the transaction commits. `rule.toml` names the
    operation under `[operations]`. One that the host refuses is a failure of the rule; a read-only operation schedules
    none.

    Without `after` and `at` it runs at once after the commit. `after` is a `timedelta` from `now()`, at most 3,650
    days; `at` is a `datetime` with a time zone, and one that has passed is at once. `on_rejection` is an operation that
    runs if this one is rejected, committed with the rejection, and `on_failure` one that runs if this one fails so
    often that it is given up: each a pair of its name and its payload. The label is for people, at most 200 characters.

    Example:
        order = {"order": 17, "amount": Decimal("9.50")}
        follow_up_id = tenet.schedule("ship", order)
        tenet.schedule("remind", order, after=timedelta(days=1), label="order 17")
        undo = ("refund", order)
        tenet.schedule("close", order, at=tenet.now() + timedelta(hours=1), on_rejection=undo, on_failure=undo)
    """
    options = operations.Options(call_of(on_rejection, "on_rejection"), call_of(on_failure, "on_failure"), None)
    if label is not None:
        if not isinstance(label, str):
            raise TypeError("a label is a str")
        options.label = encodable(label)
    try:
        return operations.schedule(call(operation, payload), due_of(after, at), options)
    except Err as error:
        raise RuntimeError(f"the operation was refused: {error.value}") from None


def call(name, payload):
    """An operation and what it is run with."""
    if not isinstance(name, str):
        raise TypeError('an operation that follows has a name: schedule("ship", {"order": 17})')
    return operations.Call(encodable(name), dumps(payload))


def call_of(pair, name):
    """What follows an end: `("refund", payload)`."""
    if pair is None:
        return None
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(f'{name} is an operation and its payload: ("refund", {{"order": 17}})')
    return call(*pair)


def due_of(after, at):
    """When it is due, in microseconds: a span or a moment."""
    if after is not None and at is not None:
        raise TypeError("what follows has after or at, not both")
    if after is not None:
        if not isinstance(after, timedelta):
            raise TypeError("after is a timedelta: timedelta(days=1)")
        if after < timedelta(0):
            raise DataError("what follows is not before the request")
        return operations.When_After(after // MICROSECOND)
    if at is None:
        return operations.When_AtOnce()
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise TypeError("at is a datetime with a time zone: tenet.now() + timedelta(hours=1)")
    return operations.When_At((at - EPOCH) // MICROSECOND)


def cancel(id):
    """Removes a follow-up, so that it never runs, if the transaction commits. Nothing follows it.

    Returns whether it waited: not if it has ended, was cancelled, or was never committed. It costs what a statement
    costs.

    Example:
        waited = tenet.cancel("7c1c0d8e-52e9-8b0a-9f0c-2b1f3a6d5e4c")
    """
    if not isinstance(id, str):
        raise TypeError("a follow-up has an id, which is a str")
    try:
        return operations.cancel(encodable(id))
    except Err as error:
        raise RuntimeError(f"the follow-up was not cancelled: {error.value}") from None


def current_follow_up():
    """The id of the follow-up that this request is; None where a caller has sent it.

    Example:
        tenet.log("a caller has sent it" if tenet.current_follow_up() is None else "it follows")
    """
    return operations.current()


class VaultError(Exception):
    """The vault refuses a value. Its `code` says why: it was sealed for another row or column (`elsewhere`), it was
    never sealed (`not-sealed`), the rule has no grant (`not-granted`), or it cannot be used (`unusable`). The rule
    may go on.

    Example:
        try:
            tenet.Field("accounts", "iban").open("a", b"no")
        except tenet.VaultError as error:
            tenet.log(f"no IBAN: {error.code}", "warn")
    """

    def __init__(self, error):
        super().__init__(f"the vault refused: {error.message} ({error.code})")
        self.code = error.code


def vaulted(ask, *arguments):
    try:
        return ask(*arguments)
    except Err as error:
        raise VaultError(error.value) from None


@dataclass
class Field:
    """A sensitive column of type `bytea`, by the name of its table under which it is granted. The key names the
    row and has to be written the same way each time: what was sealed for one row opens in no other.

    Example:
        iban = tenet.Field("accounts", "iban")
        tenet.execute("UPDATE accounts SET iban = $1 WHERE id = $2", iban.seal("a", "DE89370400440532013000"), "a")
        row = tenet.query("SELECT iban FROM accounts WHERE id = $1", "a")[0]
        last4 = iban.open_text("a", row["iban"])[-4:]
        raw = iban.open("a", row["iban"])
    """

    table: str
    column: str

    def seal(self, row_key, value):
        """Seals text or bytes of at most 65,536 bytes, for a parameter. The result is some 250 bytes longer."""
        value = value.encode() if isinstance(value, str) else value
        return vaulted(safe.seal, safe.Field(self.table, self.column, str(row_key)), value)

    def open(self, row_key, sealed):
        """The bytes that were sealed for this row."""
        return vaulted(safe.open, safe.Field(self.table, self.column, str(row_key)), sealed)

    def open_text(self, row_key, sealed):
        """The text that was sealed for this row."""
        try:
            return self.open(row_key, sealed).decode()
        except UnicodeDecodeError:
            # What it is must not be said where this error goes.
            raise ValueError("the vault's value is no text") from None


operation = context.operation
"""The operation that the caller asked for.

Example:
    tenet.log(f"serving {tenet.operation()}")
"""

region = context.region
"""The region that serves the request: `us-east-1`.

Example:
    tenet.log(f"in {tenet.region()}")
"""

key = context.key
"""The idempotency key of the request; None for a read-only operation.

Example:
    tenet.log(f"key {tenet.key()}")
"""

caller = context.caller
"""Who asks, as the authoriser says; None where there is none.

Example:
    owner = tenet.caller() or "anonymous"
"""


def now():
    """When the host received the request, a `datetime` in UTC. It is the same on each attempt and stands still while
    the rule runs. `datetime.now(timezone.utc)` and `time.time()` are the same time.

    Example:
        tenet.execute("UPDATE accounts SET changed = $1 WHERE id = $2", tenet.now(), "a")
        tenet.execute("UPDATE accounts SET opened = $1 WHERE id = $2", tenet.now().date(), "a")
    """
    return EPOCH + context.now() * MICROSECOND


def new_uuid():
    """A random UUID (version 4) of the request's own randomness: the same on each attempt.

    Example:
        sql = "INSERT INTO accounts (id, owner, balance) VALUES ($1, $2, 0)"
        tenet.execute(sql, str(tenet.new_uuid()), "carol")
    """
    return UUID(bytes=bytes(context.random(16)), version=4)


def log(message, level="info"):
    """Writes a line to the operator's log: text as it is, an exception with its places, anything else as `str`. The
    level is `debug`, `info`, `warn` or `error`.

    Example:
        tenet.log("paid")
        tenet.log(ValueError("late by a day"), "warn")
    """
    if not isinstance(level, str) or level.upper() not in lines.Level.__members__:
        raise ValueError(f"a line is of the level debug, info, warn or error, and not {level!r}")
    lines.write(lines.Level[level.upper()], told_error(message) if isinstance(message, BaseException) else told(message))


def digits(number):
    """The text of a Decimal, without an exponent. `str` writes one for large and small numbers.

    Example:
        text = tenet.digits(Decimal("1e3"))  # 1000
    """
    if not number.is_finite():
        raise DataError("not a decimal number")
    _, figures, exponent = number.as_tuple()
    if not number:
        # Zero has no sign, and is zero whatever its exponent is.
        number = Decimal((0, (0,), max(min(exponent, 0), 1 - MOST_DIGITS)))
    elif max(len(figures) + max(exponent, 0), 1 - exponent) > MOST_DIGITS:
        raise DataError(f"a decimal has at most {MOST_DIGITS} digits")
    return format(number, "f")


def fits(number, precision, scale):
    """Whether a column `numeric(precision, scale)` holds it as it is, without rounding: it has at most
    `precision` digits, `scale` of them after the point. Zeros at the end of the fraction do not count.

    Example:
        if not tenet.fits(Decimal("9.50"), 12, 2):
            tenet.reject("invalid-amount", "an amount has at most two digits after the point")
    """
    number = Decimal(number)
    if not number.is_finite():
        return False
    _, figures, exponent = number.as_tuple()
    significant = "".join(map(str, figures)).rstrip("0")
    after = len(significant) - len(figures) - exponent
    return not number or (after <= scale and len(figures) + exponent <= precision - scale)


def rounded(number, scale, rounding=decimal.ROUND_HALF_EVEN):
    """The number with `scale` digits after the point, rounded half to even or as `rounding` says. `quantize` and
    inexact division raise `decimal.Inexact` instead.

    Example:
        third = tenet.rounded(Decimal("1.005"), 2)  # 1.00
        up = tenet.rounded(Decimal("1.005"), 2, decimal.ROUND_HALF_UP)  # 1.01
    """
    context = EXACT.copy()
    context.traps[decimal.Inexact] = False
    return number.quantize(Decimal((0, (1,), -scale)), rounding, context)


def decimal_of(text):
    """A number as JSON writes it, without an exponent."""
    mantissa, _, exponent = text.lower().partition("e")
    sign, figures, scale = Decimal(mantissa).as_tuple()
    # Of an exponent that is longer than that no more is needed: it is out of reach.
    return Decimal(digits(Decimal((sign, figures, scale + int(exponent[:8] or 0)))))


def loads(text):
    """Reads JSON text. Its numbers are `Decimal`s.

    Example:
        rate = tenet.loads('{"rate": 0.10}')["rate"]
    """

    def refuse(name):
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_float=decimal_of, parse_int=decimal_of, parse_constant=refuse)


def dumps(value):
    """A value as JSON text, with every digit of its `Decimal`s; dates, times and UUIDs are ISO text. What JSON has
    no form for, such as a set or NaN, is an error.

    Example:
        text = tenet.dumps({"rate": Decimal("0.10")})  # {"rate":0.10}
    """
    match value:
        case Decimal():
            return digits(value)
        case dict():
            return "{" + ",".join(f"{dumps(name_of(k))}:{dumps(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(dumps(item) for item in value) + "]"
        case UUID():
            return json.dumps(str(value))
        case datetime() | date() | time():
            return json.dumps(iso(value))
        case str():
            return encodable(json.dumps(value, ensure_ascii=False))
        case float() if value - value != 0:
            raise DataError(f"{value} is no number in JSON")
        case None | bool() | int() | float():
            return json.dumps(value)
    raise TypeError(f"{type(value).__name__} is not JSON: give a dict, a list, a text or a number of it")


def name_of(key):
    """A member's name: a text, or what is written the same way each time."""
    if isinstance(key, str):
        return key
    if isinstance(key, (bool, int, Decimal, UUID, date)):
        return dumps(key).strip('"')
    raise TypeError(f"{type(key).__name__} is no name of a member in JSON: give its text")


def iso(value):
    """A moment, a day or a time as text of RFC 3339: UTC with a Z where it has a time zone."""
    if getattr(value, "tzinfo", None) is not None and isinstance(value, datetime):
        return value.astimezone(timezone.utc).replace(tzinfo=None).isoformat() + "Z"
    return value.isoformat()


def has_nul(text):
    """Whether JSON text has U+0000 in one of its texts."""
    return re.search(r"(?<!\\)(?:\\\\)*\\u0000", text) is not None


def pointer_to_nul(value):
    """The place of the first text with U+0000 in a value, as a JSON Pointer (RFC 6901), if there is one."""
    match value:
        case str():
            return "" if "\0" in value else None
        case dict():
            members = value.items()
        case list():
            members = ((str(at), item) for at, item in enumerate(value))
        case _:
            return None
    for name, member in members:
        rest = "" if "\0" in name else pointer_to_nul(member)
        if rest is not None:
            return step(name) + rest
    return None


def step(name):
    """One step of a JSON Pointer."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def typed(value, schemas, root, path=""):
    """A payload whose numbers are of one type each, however they are written: `int` where its schema says
    `integer`, `Decimal` anywhere else."""
    known = []
    for schema in schemas:
        gather(schema, root, known)
    match value:
        case Decimal():
            said = [schema.get("type") for schema in known]
            kinds = {kind for kinds in said for kind in (kinds if isinstance(kinds, list) else [kinds])}
            if "integer" not in kinds or "number" in kinds:
                return value
            if value != value.to_integral_value():
                reject("invalid-payload", "a number is not whole", path=path)
            return int(value)
        case dict():
            for name, member in value.items():
                below = [schema.get("properties", {}).get(name, schema.get("additionalProperties")) for schema in known]
                value[name] = typed(member, below, root, path + step(name))
        case list():
            for at, item in enumerate(value):
                first = [schema.get("prefixItems", []) for schema in known]
                below = [
                    items[at] if at < len(items) else schema.get("items") for items, schema in zip(first, known)
                ]
                value[at] = typed(item, below, root, f"{path}/{at}")
    return value


def gather(schema, root, known):
    """A schema with those that it stands for or is put together of."""
    if not isinstance(schema, dict) or any(schema is one for one in known):
        return
    known.append(schema)
    reference = schema.get("$ref", "")
    if reference.startswith("#"):
        target = root
        for name in reference[1:].split("/")[1:]:
            name = unquote(name).replace("~1", "/").replace("~0", "~")
            target = target.get(name) if isinstance(target, dict) else None
        gather(target, root, known)
    for part in ("allOf", "anyOf", "oneOf"):
        for one in schema.get(part, []):
            gather(one, root, known)


def read(payload, schema):
    """The payload as a value. One that cannot be read is refused."""
    try:
        value = loads(payload)
        return value if schema is None else typed(value, [schema], schema)
    except DataError as error:
        reject("invalid-payload", str(error))
    except ValueError:
        reject("invalid-payload", "the payload cannot be read")


def refusal(error):
    """The rejection that an error stands for, if it does."""
    match error:
        case Rejection():
            return error
        case DataError():
            return Rejection("invalid-data", str(error), {})
        case DatabaseError() if error.sqlstate.startswith("22"):
            # The message quotes the value.
            return Rejection("invalid-data", "the database does not take a value", {"sqlstate": error.sqlstate})
        case decimal.DecimalException() if not isinstance(error, decimal.FloatOperation):
            return Rejection("invalid-data", "a number cannot be computed exactly", {})
    return None


def answer(decide, payload, schema):
    """The answer of a rule: its output, or the rejection that it has ended with."""
    try:
        output = decide(read(payload, schema))
        if inspect.isawaitable(output) or inspect.isgenerator(output) or inspect.isasyncgen(output):
            raise TypeError(NO_COROUTINE)
        text, no = dumps(output), Request.said
    except Exception as error:
        no = Request.said or refusal(error)
        if no is None:
            raise
    if no is None:
        return wit_world.Verdict_Accept(text)
    details = [
        (name, dumps(value) if isinstance(value, (dict, list, tuple)) else told(value))
        for name, value in no.details.items()
        if value is not None
    ]
    return wit_world.Verdict_Reject(wit_world.Rejection(told(no.code), told(no.message), details))


def told(value):
    """Any value as a text that can be sent."""
    return str(value).encode(errors="replace").decode()


# The most places that are shown of one error, and the most causes.
MOST_TOLD = 4


def told_error(error, causes=MOST_TOLD):
    """What was raised, with the file and the line of the rule's own code, innermost first, and its cause."""
    places, traceback = [], error.__traceback__
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if file != __file__:
            places.append(f"{named(file)}:{traceback.tb_lineno}")
        traceback = traceback.tb_next
    places = list(dict.fromkeys(reversed(places)))[:MOST_TOLD]
    at = f" (at {' < '.join(places)})" if places else ""
    cause = error.__cause__ if error.__cause__ is not None or error.__suppress_context__ else error.__context__
    because = f"; caused by {told_error(cause, causes - 1)}" if cause is not None and causes else ""
    return told(f"{type(error).__name__}: {error}{at}{hint(error)}{because}")


def hint(error):
    """What to do about an error that says nothing of it: a component has the modules that were loaded when it was
    built, and no files to load another from."""
    if isinstance(error, ModuleNotFoundError):
        return "; import it at the top of a module: a rule has what is loaded when it is built"
    return ""


def named(file):
    """A file as it is called below the folder that Python found it in."""
    folders = [folder for folder in sys.path if folder and file.startswith(folder.rstrip("/") + "/")]
    return file[len(max(folders, key=len).rstrip("/")) + 1 :] if folders else file


NO_COROUTINE = "a rule is a function that returns its output: no coroutine, and no generator"


def rule(decide, input=True, output=True):
    """Makes a rule of a function from the payload to the output. The module calls the result `WitWorld`. `input`
    and `output` are JSON Schemas of the two. A number of the payload is an `int` where `input` says `integer`, else
    a `Decimal`. The host rejects a payload that does not fit `input` before the rule runs.

    Example:
        INPUT = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}

        def show_account(payload):
            rows = tenet.query("SELECT balance FROM accounts WHERE id = $1", payload["id"])
            return rows[0] if rows else tenet.reject("no-account", "there is no such account")

        WitWorld = tenet.rule(show_account, INPUT)
    """
    if inspect.iscoroutinefunction(decide) or inspect.isgeneratorfunction(decide) or inspect.isasyncgenfunction(decide):
        raise TypeError(NO_COROUTINE)
    # Where a schema has no word of it there is nothing to look for in each request.
    integers = input if '"integer"' in json.dumps(input) else None

    class WitWorld(wit_world.WitWorld):
        def evaluate(self, request):
            Request.payload, Request.said = request.payload, None
            decimal.setcontext(EXACT)
            # Its numbers would go on from where they were when the rule was built.
            if "random" in sys.modules:
                sys.modules["random"].seed(os.urandom(16))
            try:
                return answer(decide, request.payload, integers)
            except BaseException as error:
                # SystemExit too, which would end the call without a word.
                raise Err(told_error(error)) from None

        def describe(self):
            return json.dumps({"input": input, "output": output})

    return WitWorld
