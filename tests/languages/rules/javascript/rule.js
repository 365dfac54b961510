// Stores a value of any type, copies one and computes with decimals: what the table of cases asks of rules in
// every language, and what only JavaScript can get wrong.

import * as tenet from '../../../../guest/javascript/sdk/tenet.js';
import { Decimal, execute, query, reject, rule } from '../../../../guest/javascript/sdk/tenet.js';

const string = { type: 'string' };
const input = {
  type: 'object',
  properties: { id: string, do: string, whole: { $ref: '#/$defs/whole' } },
  required: ['id', 'do'],
  $defs: { whole: { anyOf: [{ type: 'integer' }, { type: 'null' }] } },
};

const asked = {
  write: ({ id, type, value }) => write(id, type, parameter(type, value)),
  // NULL of a type where none is expected, and in a column of the type.
  none({ id, type }) {
    const none = tenet.nullOf(type);
    if (type !== 'json') write(id, type, none);
    return query("SELECT jsonb_build_object('is', $1)::text AS made", none)[0].made;
  },
  copy({ id, type }) {
    const [row] = query(`SELECT of_${type} AS value FROM held WHERE id = $1`, id);
    return write(`${id}-copy`, type, parameter(type, row.value));
  },
  // This operation in each of the ways that there are.
  schedule({ id, value }) {
    const itself = tenet.operation();
    const next = (name) => ({ id: `${id}-${name}`, do: 'current', value });
    const ids = [
      tenet.schedule(itself, next('once')),
      tenet.schedule(itself, next('after'), {
        afterSeconds: 1.5,
        onRejection: [itself, next('rejected')],
        onFailure: [itself, next('failed')],
        label: 'one ä',
      }),
      tenet.schedule(itself, next('at'), { at: new Date('2026-01-31T13:00:00.5Z') }),
    ];
    return ids.join(' ');
  },
  cancel: ({ id }) => String(tenet.cancel(id.replace('cancel ', ''))),
  current: ({ id }) => write(id, 'text', tenet.currentFollowUp() ?? 'none'),
  divide: () => query('SELECT (1 / $1::bigint)::text', 0),
  plus: ({ one, other }) => one.plus(other).toString(),
  minus: ({ one, other }) => one.minus(other).toString(),
  times: ({ one, other }) => one.times(other).toString(),
  negated: ({ one }) => one.negated().toString(),
  compare: ({ one, other }) => String(one.compare(other)),
  fits: ({ one, precision, scale }) => String(one.fits(precision.toNumber(), scale.toNumber())),

  // The types of numbers, by where they come from.
  types({ whole, value }) {
    const [{ a, b, c, d }] = query("SELECT 1::int2 AS a, 2::int8 AS b, 3.0 AS c, '[4]'::jsonb AS d");
    const type = (value) => (value instanceof Decimal ? 'Decimal' : typeof value);
    return [whole, ...value, a, b, c, d[0]].map(type).join(' ');
  },
  // What operators say of a decimal.
  operators({ one, other }) {
    const said = {
      '<': () => one < other,
      '>=': () => one >= 5,
      '==': () => one == 5,
      '+': () => one + other,
      '+ text': () => `${one}` + one,
      '*': () => one * 2n,
      unary: () => -one,
      Number: () => Number(one),
    };
    const thrown = (operate) => {
      try {
        return operate();
      } catch (error) {
        return error.constructor.name;
      }
    };
    return { text: `${one}`, json: JSON.stringify({ one }), ...map(said, thrown) };
  },
  // What the helpers make of values that are not of their types: what they say, each.
  helpers() {
    const made = {
      int2: () => tenet.int2(70000),
      int4: () => tenet.int4(1.5),
      int8: () => tenet.int8(18446744073709551616n),
      unsafe: () => tenet.int8(2 ** 53),
      fraction: () => execute('SELECT $1', 0.5),
      bigint: () => execute('SELECT $1', 9223372036854775808n),
      batch: () => tenet.batch(['SELECT $1', 9223372036854775808n]),
      float8: () => tenet.float8(9007199254740993n),
      date: () => tenet.date(2 ** 31),
      time: () => tenet.time(86_400_000_001n),
      timestamp: () => tenet.timestamp(2n ** 63n),
      interval: () => tenet.interval({ months: 2 ** 31 }),
      decimal: () => Decimal.of(0.1),
      output: () => tenet.stringify([NaN]),
      map: () => tenet.stringify(new Map([[1, 2]])),
      promise: () => tenet.stringify({ a: Promise.resolve(1) }),
      forged: () => execute('SELECT $1', { tag: 'text', val: 'a' }),
      nothing: () => tenet.int4(null).tag,
      unknown: () => tenet.nullOf('bigint'),
      delay: () => tenet.schedule('javascript', 1, { afterSeconds: -1 }),
      instant: () => tenet.schedule('javascript', 1, { afterSeconds: 1e-7 }),
      never: () => tenet.schedule('javascript', 1, { at: new Date(NaN) }),
      number: () => tenet.schedule('javascript', 1, { at: 1 }),
      both: () => tenet.schedule('javascript', 1, { afterSeconds: 1, at: 1n }),
      pair: () => tenet.schedule('javascript', 1, { onRejection: 'ab' }),
      option: () => tenet.schedule('javascript', 1, { after: 1 }),
      refused: () => tenet.schedule('write', 1),
    };
    return map(made, (make) => {
      try {
        return make();
      } catch (error) {
        return error.constructor.name;
      }
    });
  },
  // A rejection after a wait, behind a statement.
  async late({ id }) {
    await null;
    write(id, 'int4', tenet.int4(1));
    await new Promise((done) => setTimeout(done, 5));
    reject('late', 'rejected after a wait');
  },
  async waits({ id }) {
    await null;
    return write(id, 'int4', tenet.int4(1));
  },
  // What is started, and not waited for.
  forgotten({ id }) {
    const start = async () => {
      for (let turn = 0; turn < 100; turn += 1) await null;
      reject('late', 'rejected by what nobody waits for');
    };
    start();
    return write(id, 'int4', tenet.int4(1));
  },
  never: () => new Promise(() => {}),
  *generator() {
    reject('never', 'a generator is not run');
  },
  swallowed({ id }) {
    try {
      reject('swallowed', 'a rejection that the rule itself catches');
    } catch {
      // It goes on as if nothing had been.
    }
    return write(id, 'int4', tenet.int4(1));
  },
};

export const { evaluate, describe } = rule({ input }, (payload) => asked[payload.do](payload));

function map(entries, change) {
  return Object.fromEntries(Object.entries(entries).map(([name, value]) => [name, change(value)]));
}

function write(id, type, value) {
  const sql =
    type === 'jsonb'
      ? 'SELECT ($1::jsonb)::text AS stored'
      : `INSERT INTO held (id, of_${type}) VALUES ($1, $2) RETURNING of_${type}::text AS stored`;
  const [{ stored }] = query(sql, ...(type === 'jsonb' ? [value] : [id, value]));
  return stored;
}

function parameter(type, value) {
  if (type === 'jsonb') return tenet.json(value);
  const say = tenet[type];
  return say === undefined ? value : say(value);
}
