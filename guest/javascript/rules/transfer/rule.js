// Moves money from one account to another: the same rule as the one in Rust, passing the same tests.

import { Decimal, batch, newUuid, now, publish, query, reject, rule, timestamptz, uuid } from '../../sdk/tenet.js';

const CHANGE = 'UPDATE accounts SET balance = balance + $2 WHERE id = $1 AND balance + $2 >= 0';
const POST =
  'INSERT INTO ledger (id, transfer_id, payer, payee, amount, posted_at) VALUES ($1, $2, $3, $4, $5, $6)';
const BALANCE = 'SELECT balance FROM accounts WHERE id = $1';

const id = { type: 'string', minLength: 1, maxLength: 64, pattern: '^[A-Za-z0-9._-]+$' };
const input = {
  type: 'object',
  properties: { transfer_id: id, from: id, to: id, amount: { type: 'number' } },
  required: ['transfer_id', 'from', 'to', 'amount'],
};
const output = {
  type: 'object',
  properties: { transfer_id: id, ledger_id: { type: 'string', format: 'uuid' } },
  required: ['transfer_id', 'ledger_id'],
};

export const { evaluate, describe } = rule({ input, output }, ({ transfer_id, from, to, amount: written }) => {
  for (const account of [transfer_id, from, to]) checkId(account);
  const amount = payment(written);
  if (from === to) reject('same-account', 'a transfer is between two accounts');
  const ledger_id = newUuid();
  // The rows are taken in one order, whichever way the money goes: two transfers that go opposite ways
  // would else each wait for the other.
  const changes = [[from, amount.negated()], [to, amount]].sort(([one], [two]) => (one < two ? -1 : 1));
  const outcomes = batch(
    ...changes.map(([account, change]) => [CHANGE, account, change]),
    [POST, uuid(ledger_id), transfer_id, from, to, amount, timestamptz(now())],
  );
  changes.forEach(([account], place) => {
    if (outcomes[place].affected === 0) refuse(account, query(BALANCE, account));
  });
  publish('dsql.application', 'Transfer Posted', { transfer_id, ledger_id, from, to, amount });
  return { transfer_id, ledger_id };
});

function checkId(text) {
  if (typeof text !== 'string' || !/^[A-Za-z0-9._-]{1,64}$/.test(text)) {
    reject('invalid-payload', 'an id has 1 to 64 letters, digits, hyphens, underscores and points');
  }
}

// Money that can be paid: 10 digits before the point and 2 after it, and more than 0.
function payment(amount) {
  if (!(amount instanceof Decimal)) reject('invalid-payload', 'an amount is a number');
  if (!amount.fits(12, 2)) reject('invalid-amount', 'an amount has at most 10 digits and 2 after the point');
  if (amount.lessThanOrEqual(0)) reject('invalid-amount', 'a payment is more than 0');
  return amount;
}

// Why the balance of an account could not be changed, by what it is.
function refuse(account, [row]) {
  if (row === undefined) reject('no-account', `there is no account ${account}`);
  reject('insufficient-funds', `the account ${account} has less than that`, { balance: row.balance });
}
