// JSON whose numbers keep their digits, and numbers of the types that a schema says.

import { DataError, Decimal } from './decimal.js';

/** JSON text as values, its numbers as `Decimal`s, all of them. */
export function parse(text) {
  return JSON.parse(text, (_, value, { source } = {}) => (typeof value === 'number' ? Decimal.of(source) : value));
}

/** A value as JSON text, with every digit of its `Decimal`s. What JSON has no word for is an error. */
export function stringify(value) {
  if (value instanceof Decimal || typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return `[${Array.from(value, (item) => stringify(item ?? null)).join(',')}]`;
  switch (typeof value) {
    case 'object':
      return value === null ? 'null' : ofObject(value);
    case 'undefined':
      return 'null';
    case 'number':
      if (!Number.isFinite(value)) throw new DataError(`${value} is no number in JSON`);
      return JSON.stringify(value);
    case 'string':
      return JSON.stringify(encodable(value));
    case 'boolean':
      return JSON.stringify(value);
    default:
      throw new TypeError(`a ${typeof value} is not JSON: leave it out, or give what stands for it`);
  }
}

function ofObject(value) {
  if (typeof value.toJSON === 'function') return stringify(value.toJSON());
  const kind = Object.getPrototypeOf(value);
  // What a Map, a promise or a generator holds is none of its members, and would be lost.
  if (kind !== null && Object.getPrototypeOf(kind) !== null) {
    const name = kind.constructor?.name || 'class without a name';
    throw new TypeError(`what a ${name} holds is not JSON: give an object or an array of it, or a class with toJSON()`);
  }
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${members.map(([name, member]) => `${JSON.stringify(encodable(name))}:${stringify(member)}`).join(',')}}`;
}

/** A text that UTF-8 can hold. */
export function encodable(text) {
  if (!text.isWellFormed()) throw new DataError('a text has half a character');
  return text;
}

/** Whether JSON text has U+0000 in one of its texts. */
export function hasNul(text) {
  return /(?<!\\)(?:\\\\)*\\u0000/.test(text);
}

/** The place of the first text with U+0000 in a value, as a JSON Pointer (RFC 6901), if there is one. */
export function pointerToNul(value) {
  if (typeof value === 'string') return value.includes('\0') ? '' : undefined;
  if (value === null || typeof value !== 'object' || value instanceof Decimal) return undefined;
  for (const [name, member] of Object.entries(value)) {
    const rest = name.includes('\0') ? '' : pointerToNul(member);
    if (rest !== undefined) return step(name) + rest;
  }
  return undefined;
}

/** One step of a JSON Pointer. */
function step(name) {
  return `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** A payload whose numbers are of one type each, however they are written: `bigint` where its schema says
 * `integer`, `Decimal` anywhere else. `refuse` is called with the place of one that should be whole. */
export function typed(value, schema, refuse) {
  const root = schema;
  const of = (value, schemas, path) => {
    // Of what no schema has a word of nothing is looked at.
    if (!schemas.some((schema) => schema !== null && typeof schema === 'object')) return value;
    const all = new Set();
    for (const schema of schemas) gather(schema, root, all);
    if (value instanceof Decimal) {
      const types = [...all].flatMap(({ type }) => type ?? []);
      if (!types.includes('integer') || types.includes('number')) return value;
      return value.isInteger() ? value.toBigInt() : refuse(path);
    }
    if (value === null || typeof value !== 'object') return value;
    const below = (name) => [...all].map((schema) => within(schema, value, name));
    for (const name of Object.keys(value)) {
      value[name] = of(value[name], below(name), path + step(name));
    }
    return value;
  };
  return of(value, [schema], '');
}

/** A schema with those that it stands for or is put together of. */
function gather(schema, root, all) {
  if (schema === null || typeof schema !== 'object' || all.has(schema)) return;
  all.add(schema);
  const { $ref: reference } = schema;
  if (typeof reference === 'string' && reference.startsWith('#')) {
    const names = reference.slice(1).split('/').slice(1);
    const name = (text) => decodeURIComponent(text).replaceAll('~1', '/').replaceAll('~0', '~');
    gather(names.reduce((schema, text) => schema?.[name(text)], root), root, all);
  }
  for (const part of [schema.allOf, schema.anyOf, schema.oneOf].flat()) gather(part, root, all);
}

/** What a schema says of a member or of an item. */
function within(schema, value, name) {
  if (Array.isArray(value)) return schema.prefixItems?.[name] ?? schema.items;
  const { properties = {} } = schema;
  return Object.hasOwn(properties, name) ? properties[name] : schema.additionalProperties;
}
