// The types of what a rule in JavaScript or TypeScript is written with. `tenet explain javascript` prints this file
// as a reference; a test runs every example.

/**
 * An exact decimal number of at most 1,000 digits: 100.50 stays 100.50 and equals 100.5. Numbers of payloads, of
 * `jsonb` and of `numeric` columns are Decimals. The operators of JavaScript throw on it: use the methods. `===`
 * cannot throw and compares objects: use `equals`.
 *
 * @example
 * const price = Decimal.of('19.90');
 * const total = price.times(3).plus('4.95'); // 64.65
 * if (total.greaterThan(100) || !total.fits(12, 2)) reject('invalid-total', `${total} is too much`);
 * log.info(total.minus(price).negated().abs().toString(), total.compare(price), total.equals('64.650'));
 */
export class Decimal {
  private constructor();
  /** The number without its point: `6465n` of 64.65. */
  readonly units: bigint;
  /** The number of digits after the point: 2 of 64.65. */
  readonly scale: number;
  /**
   * A Decimal from text, a bigint or a whole number. A `number` with a fraction and a text that is no number are a
   * `DataError`.
   *
   * @example
   * const fee = Decimal.of('0.30');
   */
  static of(value: Decimal | bigint | number | string): Decimal;
  /** The exact sum. */
  plus(other: Decimal | bigint | number | string): Decimal;
  /** The exact difference. */
  minus(other: Decimal | bigint | number | string): Decimal;
  /** The exact product; its scale is the sum of both scales. */
  times(other: Decimal | bigint | number | string): Decimal;
  /** The number with the other sign. */
  negated(): Decimal;
  /** The number without its sign. */
  abs(): Decimal;
  /** -1, 0 or 1: less than the other, equal or greater. For `sort((a, b) => a.compare(b))`. */
  compare(other: Decimal | bigint | number | string): -1 | 0 | 1;
  /** Whether both have the same value. */
  equals(other: Decimal | bigint | number | string): boolean;
  /**
   * Whether it is less than the other.
   *
   * @example
   * if (Decimal.of('9.50').lessThan(5)) reject('too-little', 'at least 5');
   */
  lessThan(other: Decimal | bigint | number | string): boolean;
  /**
   * Whether it is less than the other or equal.
   *
   * @example
   * const affordable = Decimal.of('9.50').lessThanOrEqual('9.5'); // true
   */
  lessThanOrEqual(other: Decimal | bigint | number | string): boolean;
  /** Whether it is greater than the other. */
  greaterThan(other: Decimal | bigint | number | string): boolean;
  /**
   * Whether it is greater than the other or equal.
   *
   * @example
   * const covered = Decimal.of('9.50').greaterThanOrEqual(9); // true
   */
  greaterThanOrEqual(other: Decimal | bigint | number | string): boolean;
  /**
   * Whether it is zero.
   *
   * @example
   * if (Decimal.of('0.00').isZero()) log.info('nothing to pay');
   */
  isZero(): boolean;
  /**
   * Whether it is less than zero.
   *
   * @example
   * if (Decimal.of('9.50').isNegative()) reject('invalid-amount', 'an amount is not negative');
   */
  isNegative(): boolean;
  /**
   * Whether every digit after the point is 0.
   *
   * @example
   * const whole = Decimal.of('3.00').isInteger(); // true
   */
  isInteger(): boolean;
  /**
   * The whole number. One with a fraction is a `DataError`.
   *
   * @example
   * const seats = Decimal.of('3.00').toBigInt(); // 3n
   */
  toBigInt(): bigint;
  /**
   * The `number` that is written with the same digits. Where there is none it is a `DataError`.
   *
   * @example
   * const factor = Decimal.of('0.25').toNumber(); // 0.25
   */
  toNumber(): number;
  /** Whether a column `numeric(precision, scale)` holds it without rounding. Zeros at its end do not count. */
  fits(precision: number, scale: number): boolean;
  /** Its digits as text, without an exponent. */
  toString(): string;
}

/**
 * A value that its type cannot hold: too large a number, a fraction where a whole number belongs, text with U+0000.
 * Where the rule does not catch it the answer is the rejection `invalid-data` (422).
 *
 * @example
 * try {
 *   int2(70_000);
 * } catch (error) {
 *   if (!(error instanceof DataError)) throw error;
 *   log.info(error.message);
 * }
 */
export class DataError extends Error {}

/**
 * An error of the database that a rule may see: SQLSTATE classes 22, 23, 42 and 0A. The transaction is spent after
 * one, so that the rule can only reject. Not caught it is a failure of the rule (500); class 22 is the rejection
 * `invalid-data` (422). To go on after a duplicate, write `ON CONFLICT DO NOTHING`.
 *
 * @example
 * try {
 *   execute('INSERT INTO accounts (id, owner, balance) VALUES ($1, $2, 0)', newUuid(), 'bob');
 * } catch (error) {
 *   if (error instanceof DatabaseError && error.sqlstate === '23505') {
 *     reject('account-exists', 'the account exists', { constraint: error.constraint });
 *   }
 *   throw error;
 * }
 */
export class DatabaseError extends Error {
  private constructor();
  /** Five characters: `23505` is a duplicate key, `23503` a missing reference, `23514` a CHECK. */
  readonly sqlstate: string;
  /** The constraint that was violated, where the database names it. */
  readonly constraint?: string;
  /** The table, where the database names it. */
  readonly table?: string;
  /** The column, where the database names it. */
  readonly column?: string;
  /** More, by name: `detail`, `hint`, `position`, and `statement`, its number in a batch counted from 0. */
  readonly details: [string, string][];
}

/**
 * The vault refuses a value: it was sealed for another row or column (`elsewhere`), it was never sealed
 * (`not-sealed`), the rule has no grant (`not-granted`), or it cannot be used (`unusable`). The rule may go on.
 *
 * @example
 * try {
 *   field('accounts', 'iban').open('a', new Uint8Array([1]));
 * } catch (error) {
 *   if (!(error instanceof VaultError)) throw error;
 *   log.warn('no IBAN', error.code);
 * }
 */
export class VaultError extends Error {
  private constructor();
  /** Why. */
  readonly code: 'elsewhere' | 'not-sealed' | 'not-granted' | 'unusable';
}

/**
 * A parameter with its SQL type, as `int4(...)`, `date(...)` and the others make it.
 *
 * @example
 * const limit: Typed = int4(10);
 * query('SELECT id FROM accounts ORDER BY id LIMIT $1', limit);
 */
export interface Typed {
  /** The SQL type: `int4`. */
  readonly tag: string;
}

/**
 * A value of the type `interval`. Months, days and microseconds stay apart, because a month is no fixed number of
 * days.
 *
 * @example
 * const term: Interval = { months: 1, days: -1 };
 * query('SELECT $1 + $2 AS due', timestamptz(now()), interval(term));
 */
export interface Interval {
  /** Months; 0 if left out. */
  months?: number;
  /** Days; 0 if left out. */
  days?: number;
  /** Microseconds; 0 if left out. */
  microseconds?: bigint | number;
}

/**
 * What can be a parameter of a statement. A string is `text`, a bigint and a whole number `bigint`, a Decimal
 * `numeric`, a boolean `boolean`, a Uint8Array `bytea`, null and undefined NULL. For other types there are functions:
 * `uuid`, `date`, `timestamptz`, `json`. `tenet explain types` has the table.
 *
 * @example
 * const parameters: Parameter[] = ['a', 5, Decimal.of('1.50'), true, null, uuid(newUuid())];
 * query('SELECT $1 || $2::text || $3::text AS a, $4 AS b, $5::text AS c, $6 AS d', ...parameters);
 */
export type Parameter = string | boolean | bigint | number | Decimal | Uint8Array | Typed | null | undefined;

/**
 * What a column holds. text, varchar, char, uuid: `string`. boolean: `boolean`. smallint, integer, date (days), real
 * and double precision: `number`. bigint, time, timestamp, timestamptz (microseconds): `bigint`. numeric: `Decimal`.
 * bytea: `Uint8Array`. json, jsonb: the value with its numbers as `Decimal`s. interval: an object. NULL: `null`.
 *
 * @example
 * const [row] = query('SELECT id, balance, opened FROM accounts WHERE id = $1', 'a');
 * const balance: Cell = row.balance;
 * if (balance instanceof Decimal) log.info('balance', balance.toString());
 */
export type Cell = string | boolean | number | bigint | Decimal | Uint8Array | Interval | null | Json;

/**
 * A JSON value as it is read. Its numbers are `Decimal`s, and `bigint`s where the schema of a payload says `integer`.
 *
 * @example
 * const settings: Json = parse('{"limit": 100.50}');
 */
export type Json = string | boolean | null | Decimal | bigint | Json[] | { [name: string]: Json };

/**
 * A JSON Schema (draft 2020-12).
 *
 * @example
 * const schema: Schema = { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] };
 */
export type Schema = boolean | { readonly [keyword: string]: unknown };

type Whole = Decimal | bigint | number | null | undefined;

/**
 * A `smallint` parameter: a whole number from -32,768 to 32,767, else a `DataError`. null is NULL, as in all of these.
 *
 * @example
 * query('SELECT $1 AS small', int2(7));
 */
export function int2(value: Whole): Typed;
/**
 * An `integer` parameter: a whole number of 32 bits, else a `DataError`.
 *
 * @example
 * query('SELECT substr(owner, 1, $1) AS initial FROM accounts', int4(1));
 */
export function int4(value: Whole): Typed;
/**
 * A `bigint` parameter: a whole number of 64 bits, else a `DataError`. A plain `bigint` and a whole `number` are sent
 * as this too.
 *
 * @example
 * execute('UPDATE accounts SET points = points + $1 WHERE id = $2', int8(5), 'a');
 */
export function int8(value: Whole): Typed;
/**
 * A `double precision` parameter, a binary fraction. Not for money.
 *
 * @example
 * query('SELECT $1 * 2 AS doubled', float8(0.5));
 */
export function float8(value: Whole): Typed;
/**
 * A `uuid` parameter: 36 characters with hyphens. The database refuses others (`invalid-data`).
 *
 * @example
 * query('SELECT $1 AS id', uuid(newUuid()));
 */
export function uuid(value: string | null | undefined): Typed;
/**
 * A `date` parameter: days since 1970-01-01. The largest and the smallest number of 32 bits are `infinity` and
 * `-infinity`.
 *
 * @example
 * const today = date(now() / 86_400_000_000n);
 * execute('UPDATE accounts SET opened = $1 WHERE id = $2', today, 'a');
 */
export function date(value: Whole): Typed;
/**
 * A `time` parameter: microseconds since midnight, up to 24 hours.
 *
 * @example
 * query('SELECT $1 AS noon', time(12n * 3_600_000_000n));
 */
export function time(value: Whole): Typed;
/**
 * A `timestamp` parameter, without a time zone: microseconds since 1970-01-01 00:00.
 *
 * @example
 * query('SELECT date_trunc($1, $2) AS hour', 'hour', timestamp(now()));
 */
export function timestamp(value: Whole): Typed;
/**
 * A `timestamp with time zone` parameter: microseconds since 1970-01-01 00:00 UTC. A `Date` is
 * `timestamptz(BigInt(date.getTime()) * 1000n)`.
 *
 * @example
 * execute('UPDATE accounts SET changed = $1 WHERE id = $2', timestamptz(now()), 'a');
 */
export function timestamptz(value: Whole): Typed;
/**
 * An `interval` parameter.
 *
 * @example
 * query('SELECT $1 + $2 AS due', timestamptz(now()), interval({ days: 14 }));
 */
export function interval(value: Interval | null | undefined): Typed;
/**
 * A `jsonb` parameter: any value that JSON has a form for, with every digit of its Decimals. A `Date` is its ISO text.
 *
 * @example
 * execute('UPDATE accounts SET data = $1 WHERE id = $2', json({ tags: ['new'], limit: Decimal.of('9.90') }), 'a');
 */
export function json(value: unknown): Typed;

/**
 * NULL of a type, for a place that takes values of any. A bare `null` is of the type that the statement expects at
 * its place.
 *
 * @example
 * const by: string | null = null;
 * query("SELECT jsonb_build_object('by', $1) AS made", by ?? nullOf('text'));
 */
export function nullOf(
  type:
    | 'boolean'
    | 'int2'
    | 'int4'
    | 'int8'
    | 'float8'
    | 'numeric'
    | 'text'
    | 'bytea'
    | 'uuid'
    | 'date'
    | 'time'
    | 'timestamp'
    | 'timestamptz'
    | 'interval'
    | 'json',
): Typed;

/**
 * Runs one statement and returns its rows, an object each, by the names of the columns. One round trip. Two columns of
 * one name are an error: rename one with AS. In TypeScript `R` says what the columns are:
 * `query<{ balance: Decimal }>(...)`.
 *
 * @example
 * const [account] = query('SELECT balance FROM accounts WHERE id = $1', 'a');
 * if (account === undefined) reject('no-account', 'there is no such account');
 */
export function query<R = Record<string, Cell>>(sql: string, ...parameters: Parameter[]): R[];

/**
 * Runs one statement and returns the number of rows that it touched. One round trip.
 *
 * @example
 * const sql = 'UPDATE accounts SET balance = balance - $1 WHERE id = $2 AND balance >= $1';
 * if (execute(sql, Decimal.of('0.50'), 'a') === 0) reject('no-funds', 'there is too little');
 */
export function execute(sql: string, ...parameters: Parameter[]): number;

/**
 * Runs statements in order in one round trip, each `[sql, ...parameters]`. All succeed, or the first error is thrown;
 * its detail `statement` is the number of the statement, counted from 0.
 *
 * @example
 * const [taken, given] = batch(
 *   ['UPDATE accounts SET balance = balance - $1 WHERE id = $2 RETURNING balance', Decimal.of('0.50'), 'a'],
 *   ['UPDATE accounts SET balance = balance + $1 WHERE id = $2', Decimal.of('0.50'), 'b'],
 * );
 * log.info('left', taken.rows[0].balance, 'receivers', given.affected);
 */
export function batch<R = Record<string, Cell>>(
  ...statements: [sql: string, ...parameters: Parameter[]][]
): { rows: R[]; affected: number }[];

/**
 * Stages an event and returns its id. The event exists only if the transaction commits, and is published at least
 * once. `rule.toml` names its source and detail-type; the detail is an object. A read-only operation publishes none.
 *
 * @example
 * const id = publish('bank', 'Account Changed', { account: 'a', balance: Decimal.of('9.50') });
 */
export function publish(source: string, detailType: string, detail: unknown): string;

/**
 * Schedules an operation that runs after the commit, in a transaction of its own, exactly once, and returns the
 * follow-up's id, which is the same on every attempt. It exists only if the transaction commits. `rule.toml` names the
 * operation under `[operations]`. One that the host refuses is a failure of the rule; a read-only operation schedules
 * none.
 *
 * Without options it runs at once after the commit. `afterSeconds` is a span after `now()`, at most 3,650 days; `at` is
 * a moment, a `Date` or microseconds since 1970 as `now()` gives them.
 *
 * @example
 * const order = { order: 17, amount: Decimal.of('9.50') };
 * const id = schedule('ship', order);
 * schedule('remind', order, { afterSeconds: 86_400, label: 'order 17' });
 * schedule('close', order, {
 *   at: new Date(Date.now() + 3_600_000),
 *   onRejection: ['refund', order],
 *   onFailure: ['refund', order],
 * });
 */
export function schedule(operation: string, payload: unknown, options?: FollowUpOptions | null): string;

/**
 * When a follow-up runs, what runs after it, and its label. null and undefined are left out.
 *
 * @example
 * const options: FollowUpOptions = { at: now() + 3_600_000_000n, onRejection: ['refund', { order: 17 }] };
 * schedule('ship', { order: 17 }, options);
 */
export interface FollowUpOptions {
  /** So many seconds after `now()`, with at most six digits after the point. Not together with `at`. */
  afterSeconds?: Decimal | bigint | number | null;
  /** At this moment: a `Date`, or microseconds since 1970-01-01 UTC. One that has passed is at once. */
  at?: Date | bigint | null;
  /** The operation that runs if this one is rejected, and its payload. It is committed with the rejection. */
  onRejection?: readonly [operation: string, payload: unknown] | null;
  /** The operation that runs if this one fails so often that it is given up, and its payload. */
  onFailure?: readonly [operation: string, payload: unknown] | null;
  /** For people: at most 200 characters. */
  label?: string | null;
}

/**
 * Removes a follow-up by its id, so that it never runs, if the transaction commits. Nothing follows it. Returns whether
 * it waited: not if it has ended, was cancelled, or was never committed. It costs what a statement costs.
 *
 * @example
 * const waited = cancel('7c1c0d8e-52e9-8b0a-9f0c-2b1f3a6d5e4c');
 */
export function cancel(id: string): boolean;

/**
 * The id of the follow-up that this request is; undefined where a caller has sent it.
 *
 * @example
 * log.info(currentFollowUp() === undefined ? 'a caller has sent it' : 'it follows');
 */
export function currentFollowUp(): string | undefined;

/**
 * Ends the rule with a rejection, an ordinary answer (422): a code for programs, a message for people, and details by
 * name. It throws, and stays the answer where the rule catches that. Details that are null or undefined are left out;
 * objects are JSON text.
 *
 * @example
 * const [{ points }] = query('SELECT points FROM accounts WHERE id = $1', 'a');
 * if (points < 0n) reject('no-points', 'there are too few points', { points, missing: -points });
 */
export function reject(code: string, message: string, details?: Record<string, unknown> | null): never;

/**
 * A sensitive column of type `bytea`, by the name of its table under which it is granted. The key names the row and
 * has to be written the same way each time: what was sealed for one row opens in no other.
 *
 * @example
 * const iban = field('accounts', 'iban');
 * execute('UPDATE accounts SET iban = $1 WHERE id = $2', iban.seal('a', 'DE89370400440532013000'), 'a');
 * const [row] = query('SELECT iban FROM accounts WHERE id = $1', 'a');
 * const last4 = iban.openText('a', row.iban).slice(-4);
 * const bytes = iban.open('a', row.iban);
 */
export function field(
  table: string,
  column: string,
): {
  /** Seals text or bytes of at most 65,536 bytes, for a parameter. The result is some 250 bytes longer. */
  seal(key: string | number | bigint, value: string | Uint8Array): Uint8Array;
  /** The bytes that were sealed for this row. */
  open(key: string | number | bigint, sealed: Uint8Array): Uint8Array;
  /** The text that was sealed for this row. */
  openText(key: string | number | bigint, sealed: Uint8Array): string;
};

/**
 * The operation that the caller asked for.
 *
 * @example
 * log.info('serving', operation());
 */
export function operation(): string;
/**
 * The region that serves the request: `us-east-1`.
 *
 * @example
 * log.info('in', region());
 */
export function region(): string;
/**
 * The idempotency key of the request; undefined for a read-only operation.
 *
 * @example
 * log.info('key', key() ?? 'none');
 */
export function key(): string | undefined;
/**
 * Who asks, as the authoriser says; undefined where there is none.
 *
 * @example
 * const owner = caller() ?? 'anonymous';
 */
export function caller(): string | undefined;

/**
 * When the host received the request, in microseconds since 1970-01-01 UTC. It is the same on each attempt and stands
 * still while the rule runs. `Date.now()` is the same time in milliseconds.
 *
 * @example
 * const text = new Date(Number(now() / 1000n)).toISOString();
 */
export function now(): bigint;

/**
 * A random UUID (version 4) of the request's own randomness: the same on each attempt.
 *
 * @example
 * execute('INSERT INTO accounts (id, owner, balance) VALUES ($1, $2, 0)', newUuid(), 'carol');
 */
export function newUuid(): string;

/**
 * Writes a line to the operator's log. Text is written as it is, an error with its places, anything else as JSON.
 *
 * @example
 * log.debug('asked', { id: 'a' });
 * log.info('paid', Decimal.of('9.50').toString());
 * log.warn('late', new Error('by a day'));
 * log.error('out of numbers');
 */
export const log: Record<'debug' | 'info' | 'warn' | 'error', (...parts: unknown[]) => void>;

/**
 * Reads JSON text. Its numbers are `Decimal`s.
 *
 * @example
 * const { rate } = parse('{"rate": 0.10}');
 */
export function parse(text: string): Json;

/**
 * A value as JSON text, with every digit of its `Decimal`s. What JSON has no form for, such as a Map or NaN, is an
 * error.
 *
 * @example
 * const text = stringify({ rate: Decimal.of('0.10') }); // {"rate":0.10}
 */
export function stringify(value: unknown): string;

/**
 * Makes a rule of a function from the payload to the output. The function may be async; it is awaited. `I` is what
 * `input` says of the payload: a `bigint` where it says `integer`, a `Decimal` where it says `number`. The host
 * rejects a payload that does not fit `input` before the rule runs.
 *
 * @example
 * const input = { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] };
 * export const { evaluate, describe } = rule({ input }, ({ id }) => {
 *   const [account] = query('SELECT balance FROM accounts WHERE id = $1', id);
 *   return account ?? reject('no-account', 'there is no such account');
 * });
 */
export function rule<I = Json, O = unknown>(
  schemas: { input?: Schema; output?: Schema },
  decide: (payload: I) => O | Promise<O>,
): { evaluate(request: { payload: string }): Promise<unknown>; describe(): string };
