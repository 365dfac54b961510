// What a rule in JavaScript is written with: the contract of `wit/v1` as JavaScript knows things.
//
// Numbers of payloads, of `jsonb` and of `numeric` columns are `Decimal`s, because a binary fraction is not
// money: 100.50 stays 100.50. Where the schema of the payload says `integer` they are `bigint`s, as those of
// `bigint` columns are. Values of the database have types, and a parameter says its own where JavaScript has
// no type for it: `uuid(text)`, `date(days)`, `timestamptz(micros)`. What a type cannot hold is an error
// before anything is sent, a `DataError`, and nothing is rounded or cut.

import * as database from 'tenet:rule/database@1.0.0';
import * as events from 'tenet:rule/events@1.0.0';
import * as context from 'tenet:rule/context@1.0.0';
import * as lines from 'tenet:rule/log@1.0.0';
import * as operations from 'tenet:rule/operations@1.0.0';
import * as safe from 'tenet:rule/vault@1.0.0';
import { DataError, Decimal } from './decimal.js';
import { encodable, parse, pointerToNul, hasNul, stringify, typed } from './json.js';
import { shown, told } from './told.js';

export { DataError, Decimal } from './decimal.js';
export { parse, stringify } from './json.js';

/** A rule's "no": an ordinary answer. */
class Rejection {
  constructor(code, message, details) {
    this.code = code;
    this.message = message;
    this.details = details;
  }
}

/** The payload of the request, as it came. */
let asked = '{}';

/** The rejection that the rule has ended with. */
let said;

/** Ends the rule with a "no": a code for programs, a message for people, and details by name, which may be left
 * out. It is the answer, even if the rule catches what is thrown and goes on: of several the last one. */
export function reject(code, message, details) {
  if (typeof code !== 'string' || typeof message !== 'string') {
    throw new TypeError("a rejection has a code and a message, both texts: reject('sold-out', 'all seats are booked')");
  }
  if (details !== undefined && details !== null && typeof details !== 'object') {
    throw new TypeError("the details of a rejection are an object: reject('sold-out', 'all are booked', { left: 0 })");
  }
  said = new Rejection(code, message, details ?? {});
  throw said;
}

/** An error of the database that a rule may see. It can only reject after one. */
export class DatabaseError extends Error {
  name = 'DatabaseError';

  constructor({ sqlstate, message, constraint, table, column, details }) {
    // It ends in a log, and messages of class 22 quote the wrong value.
    super(`${sqlstate.startsWith('22') ? 'wrong data' : message} (SQLSTATE ${sqlstate})`);
    Object.assign(this, { sqlstate, constraint, table, column, details });
  }
}

/** A parameter that says its own type. */
class Typed {
  constructor(tag, val) {
    this.tag = tag;
    this.val = val;
  }
}

/** The types that a parameter may have. */
const TYPES = [
  'boolean',
  'int2',
  'int4',
  'int8',
  'float8',
  'numeric',
  'text',
  'bytea',
  'uuid',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'interval',
  'json',
];

/** NULL of a type, for a place that takes any: `query("SELECT jsonb_build_object('by', $1)", by ?? nullOf('text'))`.
 * A bare `null` is of the type that the statement expects at its place. */
export function nullOf(type) {
  if (!TYPES.includes(type)) throw new TypeError(`nullOf takes the name of a type: one of ${TYPES.join(', ')}`);
  return new Typed('null', type);
}

/** A parameter of a type, made of what `held` makes of a value; NULL of that type of what is none. */
const of = (tag, held) => (value) =>
  value === null || value === undefined ? nullOf(tag) : new Typed(tag, held(value, tag));

/** A whole number between two, of whatever type it is given as. */
const whole = (least, most) => (value, type) => {
  if (!(value instanceof Decimal) && typeof value !== 'bigint' && typeof value !== 'number') {
    throw new TypeError(`${type} is made of a number`);
  }
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new DataError(`${type} does not hold a number that is not whole, or not exact`);
  }
  const number = Decimal.of(value).toBigInt();
  if (number < least || number > most) throw new DataError(`${type} does not hold a number of this size`);
  return number;
};
const bits = (count) => whole(-(2n ** BigInt(count - 1)), 2n ** BigInt(count - 1) - 1n);
const small = (held) => (value, type) => Number(held(value, type));
const [of16, of32, of64] = [small(bits(16)), small(bits(32)), bits(64)];

// Parameters of a type that JavaScript has no value of. Numbers are whole and in the range of their type.
export const int2 = of('int2', of16);
export const int4 = of('int4', of32);
export const int8 = of('int8', of64);
/** A binary fraction. A `Decimal` or a `bigint` has to be one that is written the same way. */
export const float8 = of('float8', (value) => (typeof value === 'number' ? value : Decimal.of(value).toNumber()));
export const uuid = of('uuid', (value) => sendable(String(value)));
/** Days since 1970-01-01; the largest and the smallest number of 32 bits are `infinity` and `-infinity`. */
export const date = of('date', of32);
/** Microseconds since midnight, which may be all 24 hours. */
export const time = of('time', whole(0n, 86_400_000_000n));
// Microseconds since 1970; the largest and the smallest number of 64 bits are `infinity` and `-infinity`.
export const timestamp = of('timestamp', of64);
export const timestamptz = of('timestamptz', of64);
/** `{ months, days, microseconds }`, each of which may be left out. */
export const interval = of('interval', ({ months = 0, days = 0, microseconds = 0, ...others }) => {
  const [surprise] = Object.keys(others);
  if (surprise !== undefined) throw new TypeError(`an interval has no ${surprise}`);
  const part = (held, value) => held(value, 'interval');
  return { months: part(of32, months), days: part(of32, days), microseconds: part(of64, microseconds) };
});
/** Any value as `jsonb`. */
export const json = (value) => {
  const text = stringify(value);
  if (hasNul(text)) refuseNul();
  return new Typed('json', text);
};

/** A text that the database can hold. */
function sendable(text) {
  if (text.includes('\0')) refuseNul();
  return encodable(text);
}

/** Refuses the payload that has such a text. One that has none is not to blame. */
function refuseNul() {
  const path = pointerToNul(parse(asked));
  if (path === undefined) throw new DataError('the database holds no text with U+0000');
  reject('invalid-payload', 'a text has U+0000, which the database does not hold', { path });
}

function parameter(value) {
  if (value === null || value === undefined) return { tag: 'null' };
  if (value instanceof Typed) return value;
  if (value instanceof Decimal) return { tag: 'numeric', val: value.toString() };
  if (value instanceof Uint8Array) return { tag: 'bytea', val: value };
  switch (typeof value) {
    case 'string':
      return { tag: 'text', val: sendable(value) };
    case 'boolean':
      return { tag: 'boolean', val: value };
    case 'bigint':
      return int8(value);
    case 'number':
      // A type that depends on the value would be a trap.
      if (!Number.isSafeInteger(value)) {
        throw new DataError('a number with a fraction is a Decimal, or is sent as float8(number)');
      }
      return int8(value);
    default:
      throw new TypeError(`${kind(value)} is no parameter: ${instead(value)}`);
  }
}

function kind(value) {
  return typeof value === 'object' ? `a ${value.constructor?.name ?? 'value without a class'}` : `a ${typeof value}`;
}

/** What is sent in the place of what is no parameter. */
function instead(value) {
  if (value instanceof Date) return 'send timestamptz(BigInt(value.getTime()) * 1000n)';
  return 'send json(value), or its members one by one';
}

function asking(ask) {
  try {
    return ask();
  } catch (error) {
    if (error?.payload?.sqlstate) throw new DatabaseError(error.payload);
    throw error;
  }
}

/** What is made of a value of a column. Bytes come as one of several things. */
const READERS = { numeric: Decimal.of, json: parse, bytea: (value) => new Uint8Array(value) };

/** Column by column as they come, row by row as they are used. */
function rows({ columns, rows }) {
  const all = Array.from({ length: rows }, () => ({}));
  const names = new Set();
  for (const { name, values, nulls } of columns) {
    if (names.has(name)) {
      throw new TypeError(`two columns of the result are called ${name}: give each a name of its own with AS`);
    }
    names.add(name);
    const read = READERS[values.tag] ?? ((value) => value);
    const isNull = new Set(nulls);
    for (let row = 0; row < rows; row += 1) {
      all[row][name] = isNull.has(row) ? null : read(values.val[row]);
    }
  }
  return all;
}

/** Runs one statement and gives its rows, an object each. */
export function query(sql, ...parameters) {
  return rows(asking(() => database.query(sql, parameters.map(parameter))));
}

/** Runs one statement and gives the number of rows that it touched. */
export function execute(sql, ...parameters) {
  return Number(asking(() => database.execute(sql, parameters.map(parameter))));
}

/** Runs statements in order in one round trip, each `[sql, ...parameters]`. Gives for each the rows
 * and the number of those that it touched. */
export function batch(...statements) {
  const sent = statements.map(([sql, ...parameters]) => ({ sql, parameters: parameters.map(parameter) }));
  const outcomes = asking(() => database.batch(sent));
  return outcomes.map((outcome) => ({ rows: rows(outcome.rows), affected: Number(outcome.affected) }));
}

/** Stages an event, which exists only if the transaction commits, and gives its id. */
export function publish(source, detailType, detail) {
  return events.publish({ source, detailType, detail: stringify(detail) });
}

/** An operation and what it is run with. */
function call(operation, payload) {
  if (typeof operation !== 'string') {
    throw new TypeError("an operation that follows has a name: schedule('ship', { order: 17 })");
  }
  return { operation: encodable(operation), payload: stringify(payload) };
}

/** What follows an end: `['refund', payload]`. */
function callOf(pair, name) {
  if (pair === undefined || pair === null) return undefined;
  if (!Array.isArray(pair) || pair.length !== 2) {
    throw new TypeError(`${name} is an operation and its payload: ['refund', { order: 17 }]`);
  }
  return call(...pair);
}

/** When it is due, in microseconds: a span or a moment. */
function dueOf(afterSeconds, at) {
  if (afterSeconds !== undefined && afterSeconds !== null) {
    if (at !== undefined && at !== null) throw new TypeError('what follows has afterSeconds or at, not both');
    // A `number` is the one that it is written as: 0.1 is a tenth.
    const seconds = typeof afterSeconds === 'number' ? String(afterSeconds) : afterSeconds;
    return { tag: 'after', val: microseconds(Decimal.of(seconds).times(1_000_000), 'afterSeconds') };
  }
  if (at === undefined || at === null) return { tag: 'at-once' };
  if (at instanceof Date) {
    if (Number.isNaN(at.getTime())) throw new DataError('at is a Date that is no moment');
    return { tag: 'at', val: BigInt(at.getTime()) * 1000n };
  }
  // A `number` could be the milliseconds of a Date as well.
  if (typeof at !== 'bigint') throw new TypeError('at is a Date, or microseconds as a bigint: now() + 1_000_000n');
  return { tag: 'at', val: of64(at, 'at') };
}

const microseconds = whole(0n, 2n ** 64n - 1n);

/** Schedules an operation that runs after the commit, in a transaction of its own, and gives the follow-up's id. */
export function schedule(operation, payload, options) {
  const { afterSeconds, at, onRejection, onFailure, label, ...others } = options ?? {};
  const [surprise] = Object.keys(others);
  if (surprise !== undefined) throw new TypeError(`what follows has no ${surprise}`);
  if (label !== undefined && label !== null && typeof label !== 'string') throw new TypeError('a label is a text');
  const ends = { onRejection: callOf(onRejection, 'onRejection'), onFailure: callOf(onFailure, 'onFailure') };
  const followUp = { ...ends, label: label === undefined || label === null ? undefined : encodable(label) };
  try {
    return operations.schedule(call(operation, payload), dueOf(afterSeconds, at), followUp);
  } catch (error) {
    if (typeof error?.payload === 'string') throw new Error(`the operation was refused: ${error.payload}`);
    throw error;
  }
}

/** Removes a follow-up, so that it never runs, if the transaction commits. Returns whether it waited. */
export function cancel(id) {
  if (typeof id !== 'string') throw new TypeError('a follow-up has an id, which is a text');
  try {
    return operations.cancel(encodable(id));
  } catch (error) {
    if (typeof error?.payload === 'string') throw new Error(`the follow-up was not cancelled: ${error.payload}`);
    throw error;
  }
}

/** The id of the follow-up that this request is; undefined where a caller has sent it. */
export const currentFollowUp = operations.current;

/** The vault refuses a value: `code` is `elsewhere`, `not-sealed`, `not-granted` or `unusable`. */
export class VaultError extends Error {
  name = 'VaultError';

  constructor(error) {
    super(`the vault refused: ${error.message} (${error.code})`);
    this.code = error.code;
  }
}

function vaulted(ask) {
  try {
    // Bytes come as one of several things, of which a parameter is one.
    return new Uint8Array(ask());
  } catch (error) {
    if (error?.payload?.code) throw new VaultError(error.payload);
    throw error;
  }
}

/** A sensitive column of type `bytea`: `field('accounts', 'iban')`. The key tells the row, and has to
 * be written the same way each time; what was sealed for one row opens in no other. */
export function field(table, column) {
  const place = (key) => ({ table, column, rowKey: encodable(String(key)) });
  return {
    /** Seals text or bytes, for a parameter. */
    seal: (key, value) => {
      const bytes = typeof value === 'string' ? new TextEncoder().encode(encodable(value)) : value;
      return vaulted(() => safe.seal(place(key), bytes));
    },
    /** The bytes that were sealed. */
    open: (key, sealed) => vaulted(() => safe.open(place(key), sealed)),
    /** The text that was sealed. */
    openText: (key, sealed) => {
      const bytes = vaulted(() => safe.open(place(key), sealed));
      // As it was sealed, to the last byte, or not at all.
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    },
  };
}

export const { operation, region, key, caller } = context;

/** When the request came, in microseconds since 1970, as a `bigint`. */
export const now = context.now;

/** A UUID of the request's own randomness: the same on each attempt. */
export function newUuid() {
  const bytes = context.random(16);
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Lines for the operator's log: `log.info('paid', { id })`. Texts are written as they are, errors with their
 * places, and anything else as JSON. */
export const log = Object.fromEntries(
  ['debug', 'info', 'warn', 'error'].map((level) => [
    level,
    (...parts) => lines.write(level, parts.map(shown).join(' ').toWellFormed()),
  ]),
);

/** The payload as a value. One that cannot be read is refused. */
function read(payload, schema) {
  try {
    const value = parse(payload);
    if (schema === undefined) return value;
    return typed(value, schema, (path) => reject('invalid-payload', 'a number is not whole', { path }));
  } catch (error) {
    if (error instanceof Rejection) throw error;
    reject('invalid-payload', error instanceof DataError ? error.message : 'the payload cannot be read');
  }
}

/** The answer of a rule that has thrown. */
function refused(error) {
  if (said === undefined && error instanceof DataError) said = new Rejection('invalid-data', error.message, {});
  if (said === undefined && error instanceof DatabaseError && error.sqlstate.startsWith('22')) {
    // The message quotes the value.
    said = new Rejection('invalid-data', 'the database does not take a value', { sqlstate: error.sqlstate });
  }
  // What a text of the contract cannot hold is not worth a trap.
  if (said === undefined) throw told(error).toWellFormed();
  const present = Object.entries(said.details).filter(([, value]) => value !== undefined && value !== null);
  const details = present.map(([name, value]) => [name, typeof value === 'object' ? stringify(value) : String(value)]);
  return { tag: 'reject', val: { code: said.code, message: said.message, details } };
}

/** Makes a rule of a function from the payload to the output, which may be asynchronous. `input` and
 * `output` are JSON Schemas of the two, for the callers of the operation. */
export function rule({ input = true, output = true }, decide) {
  if (/Generator/.test(decide.constructor.name)) throw new TypeError('a rule is a function, and no generator');
  // Where a schema has no word of it there is nothing to look for in each request.
  const integers = JSON.stringify(input).includes('"integer"') ? input : undefined;
  return {
    async evaluate(request) {
      asked = request.payload;
      said = undefined;
      try {
        const decided = await decide(read(asked, integers));
        // What the rule has started and does not wait for ends first: it may write, or reject.
        await new Promise((done) => setTimeout(done, 0));
        // Writing the output may run code of the rule too.
        const output = stringify(decided);
        if (said !== undefined) throw said;
        return { tag: 'accept', val: output };
      } catch (error) {
        return refused(error);
      }
    },
    describe: () => JSON.stringify({ input, output }),
  };
}
