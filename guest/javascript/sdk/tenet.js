// What a rule in JavaScript is written with: the contract of `wit/v1` as JavaScript knows things.
//
// Numbers with a point are `Decimal`s on the way in and out, because a binary fraction is not money:
// 100.50 stays 100.50. Values of the database have types, and a parameter says its own where
// JavaScript has no type for it: `uuid(text)`, `date(days)`, `timestamptz(micros)`.

import * as database from 'tenet:rule/database@1.0.0';
import * as events from 'tenet:rule/events@1.0.0';
import * as context from 'tenet:rule/context@1.0.0';
import * as lines from 'tenet:rule/log@1.0.0';
import * as safe from 'tenet:rule/vault@1.0.0';

/** A number of decimal digits, exact. */
export class Decimal {
  /** @param {bigint} units @param {number} scale digits after the point */
  constructor(units, scale) {
    this.units = units;
    this.scale = scale;
    Object.freeze(this);
  }

  /** The number that is written like this, or that this whole number is. */
  static of(value) {
    if (value instanceof Decimal) return value;
    if (typeof value === 'bigint') return new Decimal(value, 0);
    if (typeof value === 'number' && !Number.isSafeInteger(value)) {
      throw new TypeError('a number with a fraction is not exact: give its text');
    }
    const found = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/.exec(String(value));
    if (!found) throw new TypeError('not a decimal number');
    const [, sign, whole, fraction = '', exponent = '0'] = found;
    const scale = fraction.length - Number(exponent);
    const units = BigInt(whole + fraction) * (sign ? -1n : 1n);
    return scale < 0 ? new Decimal(units * 10n ** BigInt(-scale), 0) : new Decimal(units, scale);
  }

  plus(other) {
    const [one, two, scale] = aligned(this, Decimal.of(other));
    return new Decimal(one + two, scale);
  }

  minus(other) {
    return this.plus(Decimal.of(other).negated());
  }

  negated() {
    return new Decimal(-this.units, this.scale);
  }

  /** Below zero, zero or above, as this is less than the other, equal or more. */
  compare(other) {
    const [one, two] = aligned(this, Decimal.of(other));
    return one < two ? -1 : one > two ? 1 : 0;
  }

  /** Whether it has at most `precision` digits, `scale` of them after the point. Zeros at the end of
   * the fraction do not count. */
  fits(precision, scale) {
    let { units, scale: own } = this;
    while (own > 0 && units % 10n === 0n) {
      units /= 10n;
      own -= 1;
    }
    const digits = String(units < 0n ? -units : units).length;
    return own <= scale && digits - own <= precision - scale;
  }

  toString() {
    const digits = String(this.units < 0n ? -this.units : this.units).padStart(this.scale + 1, '0');
    const whole = digits.slice(0, digits.length - this.scale);
    const sign = this.units < 0n ? '-' : '';
    return this.scale === 0 ? sign + whole : `${sign}${whole}.${digits.slice(digits.length - this.scale)}`;
  }
}

function aligned(one, two) {
  const scale = Math.max(one.scale, two.scale);
  const units = ({ units, scale: own }) => units * 10n ** BigInt(scale - own);
  return [units(one), units(two), scale];
}

/** A rule's "no": an ordinary answer. */
class Rejection {
  constructor(code, message, details) {
    this.code = code;
    this.message = message;
    this.details = details;
  }
}

/** Ends the rule with a "no". Details are texts by name. */
export function reject(code, message, details = {}) {
  throw new Rejection(code, message, details);
}

/** An error of the database that a rule may see. It can only reject after one. */
export class DatabaseError extends Error {
  constructor(error) {
    super(`${error.message} (SQLSTATE ${error.sqlstate})`);
    Object.assign(this, error);
  }
}

const typed = (tag) => (val) => ({ tag, val });

// Parameters of a type that JavaScript has no value of.
export const int2 = typed('int2');
export const int4 = typed('int4');
export const float8 = typed('float8');
export const uuid = typed('uuid');
export const date = typed('date');
export const time = typed('time');
export const timestamp = typed('timestamp');
export const timestamptz = typed('timestamptz');
export const interval = typed('interval');
/** Any value as `jsonb`. */
export const json = (value) => ({ tag: 'json', val: stringify(value) });

function parameter(value) {
  if (value === null || value === undefined) return { tag: 'null' };
  if (value instanceof Decimal) return { tag: 'numeric', val: value.toString() };
  if (value instanceof Uint8Array) return { tag: 'bytea', val: value };
  switch (typeof value) {
    case 'string':
      return { tag: 'text', val: value };
    case 'boolean':
      return { tag: 'boolean', val: value };
    case 'bigint':
      return { tag: 'int8', val: value };
    case 'number':
      return Number.isSafeInteger(value) ? { tag: 'int8', val: BigInt(value) } : { tag: 'float8', val: value };
    default:
      if (typeof value.tag === 'string') return value;
      throw new TypeError('a parameter that no type of the database stands for');
  }
}

function asking(ask) {
  try {
    return ask();
  } catch (error) {
    if (error?.payload?.sqlstate) throw new DatabaseError(error.payload);
    throw error;
  }
}

/** Column by column as they come, row by row as they are used. */
function rows({ columns, rows }) {
  const all = Array.from({ length: rows }, () => ({}));
  for (const { name, values, nulls } of columns) {
    const read = values.tag === 'numeric' ? Decimal.of : values.tag === 'json' ? parse : (value) => value;
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

/** The vault refuses a value: `code` is `elsewhere`, `not-sealed`, `not-granted` or `unusable`. */
export class VaultError extends Error {
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
  const place = (key) => ({ table, column, rowKey: String(key) });
  return {
    /** Seals text or bytes, for a parameter. */
    seal: (key, value) => {
      const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
      return vaulted(() => safe.seal(place(key), bytes));
    },
    /** The bytes that were sealed. */
    open: (key, sealed) => vaulted(() => safe.open(place(key), sealed)),
    /** The text that was sealed. */
    openText: (key, sealed) => new TextDecoder().decode(vaulted(() => safe.open(place(key), sealed))),
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

/** Lines for the operator's log. */
export const log = Object.fromEntries(
  ['debug', 'info', 'warn', 'error'].map((level) => [level, (message) => lines.write(level, message)]),
);

/** JSON text as values. Whole numbers that are exact as such are numbers, all others `Decimal`s. */
export function parse(text) {
  return JSON.parse(text, (_, value, { source } = {}) => {
    if (typeof value !== 'number') return value;
    return /^-?\d+$/.test(source) && Number.isSafeInteger(value) ? value : Decimal.of(source);
  });
}

/** A value as JSON text, with every digit of its `Decimal`s. */
export function stringify(value) {
  if (value instanceof Decimal || typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return `[${value.map((item) => stringify(item ?? null)).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${stringify(member)}`).join(',')}}`;
  }
  return JSON.stringify(value ?? null);
}

/** Makes a rule of a function from the payload to the output. `input` and `output` are JSON Schemas
 * of the two, for whoever calls the operation. */
export function rule({ input = true, output = true }, decide) {
  return {
    evaluate(request) {
      let payload;
      try {
        payload = parse(request.payload);
      } catch {
        payload = undefined;
      }
      try {
        if (payload === undefined) reject('invalid-payload', 'the payload cannot be read');
        return { tag: 'accept', val: stringify(decide(payload)) };
      } catch (error) {
        if (!(error instanceof Rejection)) throw `${error}`;
        const details = Object.entries(error.details).map(([name, text]) => [name, String(text)]);
        return { tag: 'reject', val: { code: error.code, message: error.message, details } };
      }
    },
    describe: () => JSON.stringify({ input, output }),
  };
}
