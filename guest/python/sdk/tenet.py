"""What a rule in Python is written with: the contract of `wit/v1` as Python knows things.

Numbers with a point are `decimal.Decimal`s on the way in and out, because a binary fraction is not
money: 100.50 stays 100.50. Parameters are typed by what they are: `str`, `int` (bigint), `Decimal`,
`bool`, `bytes`, `UUID`, `date`, `datetime` (with a time zone or without), `timedelta`; anything
else is `Json(value)`.
"""

import json
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import wit_world
from componentize_py_types import Err
from wit_world.imports import context, database, events, log as lines, types, vault as safe

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)


class Rejection(Exception):
    """A rule's "no": an ordinary answer."""

    def __init__(self, code, message, details):
        super().__init__(code)
        self.code, self.message, self.details = code, message, details


def reject(code, message, **details):
    """Ends the rule with a "no". Details are texts by name."""
    raise Rejection(code, message, details)


class DatabaseError(Exception):
    """An error of the database that a rule may see. It can only reject after one."""

    def __init__(self, error):
        super().__init__(f"{error.message} (SQLSTATE {error.sqlstate})")
        self.sqlstate, self.constraint, self.table, self.column = (
            error.sqlstate,
            error.constraint,
            error.table,
            error.column,
        )


@dataclass
class Json:
    """A parameter that is `jsonb`."""

    value: object


def parameter(value):
    match value:
        case None:
            return types.Value_Null()
        case bool():
            return types.Value_Boolean(value)
        case int():
            return types.Value_Int8(value)
        case float():
            return types.Value_Float8(value)
        case Decimal():
            return types.Value_Numeric(digits(value))
        case str():
            return types.Value_Text(value)
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
        case time():
            return types.Value_Time((datetime.combine(EPOCH.date(), value) - datetime(1970, 1, 1)) // MICROSECOND)
        case timedelta():
            return types.Value_Interval(types.Interval(0, value.days, (value - timedelta(value.days)) // MICROSECOND))
        case Json(inner):
            return types.Value_Json(dumps(inner))
        case _ if type(value).__name__.startswith("Value_"):
            return value
    raise TypeError("a parameter that no type of the database stands for")


READERS = {
    "Numeric": Decimal,
    "Uuid": UUID,
    "Date": lambda days: EPOCH.date() + timedelta(days),
    "Time": lambda micros: (EPOCH + micros * MICROSECOND).time(),
    "Timestamp": lambda micros: (EPOCH + micros * MICROSECOND).replace(tzinfo=None),
    "Timestamptz": lambda micros: EPOCH + micros * MICROSECOND,
    "Json": lambda text: loads(text),
}


def rows_of(row_set):
    """Column by column as they come, row by row as they are used."""
    rows = [{} for _ in range(row_set.rows)]
    for column in row_set.columns:
        read = READERS.get(type(column.values).__name__.removeprefix("ColumnValues_"), lambda value: value)
        nulls = set(column.nulls)
        for number, row in enumerate(rows):
            row[column.name] = None if number in nulls else read(column.values.value[number])
    return rows


def asking(ask, *arguments):
    try:
        return ask(*arguments)
    except Err as error:
        raise DatabaseError(error.value) from None


def query(sql, *parameters):
    """Runs one statement and gives its rows, a dict each."""
    return rows_of(asking(database.query, sql, [parameter(value) for value in parameters]))


def execute(sql, *parameters):
    """Runs one statement and gives the number of rows that it touched."""
    return asking(database.execute, sql, [parameter(value) for value in parameters])


def batch(*statements):
    """Runs statements in order in one round trip, each `(sql, *parameters)`. Gives for each the rows
    and the number of those that it touched."""
    sent = [types.Statement(sql, [parameter(value) for value in parameters]) for sql, *parameters in statements]
    return [(rows_of(outcome.rows), outcome.affected) for outcome in asking(database.batch, sent)]


def publish(source, detail_type, detail):
    """Stages an event, which exists only if the transaction commits, and gives its id."""
    return events.publish(events.Event(source, detail_type, dumps(detail)))


class VaultError(Exception):
    """The vault refuses a value: `code` is `elsewhere`, `not-sealed`, `not-granted` or `unusable`."""

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
    """A sensitive column of type `bytea`: `Field("accounts", "iban")`. The key tells the row, and has to be
    written the same way each time; what was sealed for one row opens in no other."""

    table: str
    column: str

    def seal(self, row_key, value):
        """Seals text or bytes, for a parameter."""
        value = value.encode() if isinstance(value, str) else value
        return vaulted(safe.seal, safe.Field(self.table, self.column, str(row_key)), value)

    def open(self, row_key, sealed):
        """The bytes that were sealed."""
        return vaulted(safe.open, safe.Field(self.table, self.column, str(row_key)), sealed)

    def open_text(self, row_key, sealed):
        """The text that was sealed."""
        try:
            return self.open(row_key, sealed).decode()
        except UnicodeDecodeError:
            # What it is must not be said where this error goes.
            raise ValueError("the vault's value is no text") from None


operation, region, key, caller = context.operation, context.region, context.key, context.caller


def now():
    """When the request came."""
    return EPOCH + context.now() * MICROSECOND


def new_uuid():
    """A UUID of the request's own randomness: the same on each attempt."""
    return UUID(bytes=bytes(context.random(16)), version=4)


def log(message, level="info"):
    """A line for the operator's log."""
    lines.write(lines.Level[level.upper()], message)


def digits(number):
    """A decimal number as it is written without an exponent."""
    if not number.is_finite():
        raise TypeError("not a decimal number")
    return format(number, "f")


def fits(number, precision, scale):
    """Whether it has at most `precision` digits, `scale` of them after the point."""
    _, figures, exponent = number.normalize().as_tuple()
    return -exponent <= scale and len(figures) + exponent <= precision - scale


def loads(text):
    """JSON text as values: numbers with a point are `Decimal`s."""

    def refuse(name):
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_float=Decimal, parse_constant=refuse)


def dumps(value):
    """A value as JSON text, with every digit of its `Decimal`s."""
    match value:
        case Decimal():
            return digits(value)
        case dict():
            return "{" + ",".join(f"{json.dumps(str(k))}:{dumps(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(dumps(item) for item in value) + "]"
        case UUID():
            return json.dumps(str(value))
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def rule(decide, input=True, output=True):
    """Makes the world of a rule of a function from the payload to the output. `input` and `output` are
    JSON Schemas of the two, for whoever calls the operation."""

    class WitWorld(wit_world.WitWorld):
        def evaluate(self, request):
            try:
                try:
                    payload = loads(request.payload)
                except ValueError:
                    reject("invalid-payload", "the payload cannot be read")
                return wit_world.Verdict_Accept(dumps(decide(payload)))
            except Rejection as no:
                details = [(name, str(text)) for name, text in no.details.items()]
                return wit_world.Verdict_Reject(wit_world.Rejection(no.code, no.message, details))
            except Exception as error:
                raise Err(f"{type(error).__name__}: {error}") from None

        def describe(self):
            return json.dumps({"input": input, "output": output})

    return WitWorld
