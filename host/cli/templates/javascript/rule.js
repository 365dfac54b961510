// Gives a customer points, or takes some back.

import { execute, publish, query, reject, rule } from '../../vendor/tenet-{{version}}/guest/javascript/sdk/tenet.js';

const input = {
  type: 'object',
  properties: {
    // The idempotency key, as `tenet.toml` says: the same id is the same request.
    id: { type: 'string' },
    customer: { type: 'string' },
    // Below zero where they are taken back.
    points: { type: 'integer' },
  },
  required: ['id', 'customer', 'points'],
  additionalProperties: false,
};
const output = {
  type: 'object',
  properties: { customer: { type: 'string' }, balance: { type: 'integer' } },
  required: ['customer', 'balance'],
};

export const { evaluate, describe } = rule({ input, output }, ({ id, customer, points }) => {
  if (typeof customer !== 'string' || customer.length < 1 || customer.length > 255) {
    reject('invalid-customer', 'a name has 1 to 255 characters');
  }
  if (typeof points !== 'bigint') reject('invalid-points', 'points are a whole number');
  const [row] = query('SELECT balance FROM {{table}} WHERE customer = $1', customer);
  const balance = (row?.balance ?? 0n) + points;
  if (balance < 0n) reject('not-possible', 'a balance is not below zero');
  // Two attempts that change this row at once conflict, and one of them runs again.
  execute(
    'INSERT INTO {{table}} (customer, balance) VALUES ($1, $2) ON CONFLICT (customer) DO UPDATE SET balance = excluded.balance',
    customer,
    balance,
  );
  publish('{{rule}}', 'Balance Changed', { id, customer, points, balance });
  return { customer, balance };
});
