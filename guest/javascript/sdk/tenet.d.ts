// The types of what a rule in TypeScript is written with. What each item means stands beside it in `tenet.js`
// and `decimal.js`.

/** A number of decimal digits, exact: 100.50 stays 100.50. Operators throw: use `plus`, `compare` and the others. */
export class Decimal {
  private constructor();
  readonly units: bigint;
  readonly scale: number;
  static of(value: Decimal | bigint | number | string): Decimal;
  plus(other: Decimal | bigint | number | string): Decimal;
  minus(other: Decimal | bigint | number | string): Decimal;
  times(other: Decimal | bigint | number | string): Decimal;
  negated(): Decimal;
  abs(): Decimal;
  compare(other: Decimal | bigint | number | string): -1 | 0 | 1;
  equals(other: Decimal | bigint | number | string): boolean;
  lessThan(other: Decimal | bigint | number | string): boolean;
  lessThanOrEqual(other: Decimal | bigint | number | string): boolean;
  greaterThan(other: Decimal | bigint | number | string): boolean;
  greaterThanOrEqual(other: Decimal | bigint | number | string): boolean;
  isZero(): boolean;
  isNegative(): boolean;
  isInteger(): boolean;
  toBigInt(): bigint;
  toNumber(): number;
  fits(precision: number, scale: number): boolean;
  toString(): string;
}

/** A value that its type cannot hold. Where a rule does not catch it the answer is `invalid-data`. */
export class DataError extends Error {}

/** An error of the database that a rule may see. It can only reject after one. */
export class DatabaseError extends Error {
  private constructor();
  readonly sqlstate: string;
  readonly constraint?: string;
  readonly table?: string;
  readonly column?: string;
  readonly details: [string, string][];
}

/** The vault refuses a value. */
export class VaultError extends Error {
  private constructor();
  readonly code: 'elsewhere' | 'not-sealed' | 'not-granted' | 'unusable';
}

/** A parameter that says its own type. */
export interface Typed {
  readonly tag: string;
}

/** Months, days and microseconds, each apart. */
export interface Interval {
  months?: number;
  days?: number;
  microseconds?: bigint | number;
}

/** What can be a parameter of a statement. */
export type Parameter = string | boolean | bigint | number | Decimal | Uint8Array | Typed | null | undefined;

/** What a column holds. Text, uuid: `string`. int2, int4, date, float8: `number`. int8, time, timestamp,
 * timestamptz: `bigint`. numeric: `Decimal`. bytea: `Uint8Array`. json, jsonb: the value, with its numbers as
 * `Decimal`s. interval: an object. NULL: `null`. */
export type Cell = string | boolean | number | bigint | Decimal | Uint8Array | Interval | null | Json;

/** A value of JSON as it is read: its numbers are `Decimal`s. */
export type Json = string | boolean | null | Decimal | bigint | Json[] | { [name: string]: Json };

/** A JSON Schema. */
export type Schema = boolean | { readonly [keyword: string]: unknown };

type Whole = Decimal | bigint | number | null | undefined;

export function int2(value: Whole): Typed;
export function int4(value: Whole): Typed;
export function int8(value: Whole): Typed;
export function float8(value: Whole): Typed;
export function uuid(value: string | null | undefined): Typed;
export function date(value: Whole): Typed;
export function time(value: Whole): Typed;
export function timestamp(value: Whole): Typed;
export function timestamptz(value: Whole): Typed;
export function interval(value: Interval | null | undefined): Typed;
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

/** Runs one statement and gives its rows, an object each. `R` is what the author knows of a row. */
export function query<R = Record<string, Cell>>(sql: string, ...parameters: Parameter[]): R[];

/** Runs one statement and gives the number of rows that it touched. */
export function execute(sql: string, ...parameters: Parameter[]): number;

/** Runs statements in order in one round trip, each `[sql, ...parameters]`. */
export function batch<R = Record<string, Cell>>(
  ...statements: [sql: string, ...parameters: Parameter[]][]
): { rows: R[]; affected: number }[];

/** Stages an event, which exists only if the transaction commits, and gives its id. */
export function publish(source: string, detailType: string, detail: unknown): string;

/** Ends the rule with a "no". Details that are `null` or `undefined` are left out. */
export function reject(code: string, message: string, details?: Record<string, unknown> | null): never;

/** A sensitive column of type `bytea`. */
export function field(
  table: string,
  column: string,
): {
  seal(key: string | number | bigint, value: string | Uint8Array): Uint8Array;
  open(key: string | number | bigint, sealed: Uint8Array): Uint8Array;
  openText(key: string | number | bigint, sealed: Uint8Array): string;
};

export function operation(): string;
export function region(): string;
export function key(): string | undefined;
export function caller(): string | undefined;

/** When the request came, in microseconds since 1970. */
export function now(): bigint;

/** A UUID of the request's own randomness: the same on each attempt. */
export function newUuid(): string;

/** Lines for the operator's log. */
export const log: Record<'debug' | 'info' | 'warn' | 'error', (...parts: unknown[]) => void>;

/** JSON text as values, its numbers as `Decimal`s. */
export function parse(text: string): Json;

/** A value as JSON text, with every digit of its `Decimal`s. */
export function stringify(value: unknown): string;

/** Makes a rule of a function from the payload to the output. `I` is what `input` says of the payload: a `bigint`
 * where it says `integer`, a `Decimal` where it says `number`. */
export function rule<I = Json, O = unknown>(
  schemas: { input?: Schema; output?: Schema },
  decide: (payload: I) => O | Promise<O>,
): { evaluate(request: { payload: string }): Promise<unknown>; describe(): string };
