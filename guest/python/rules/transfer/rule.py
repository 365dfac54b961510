"""Moves money from one account to another: the same rule as the one in Rust, passing the same tests."""

import re
from decimal import Decimal

import tenet
from tenet import reject

CHANGE = "UPDATE accounts SET balance = balance + $2 WHERE id = $1 AND balance + $2 >= 0"
POST = "INSERT INTO ledger (id, transfer_id, payer, payee, amount, posted_at) VALUES ($1, $2, $3, $4, $5, $6)"
BALANCE = "SELECT balance FROM accounts WHERE id = $1"

ID = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9._-]+$"}
INPUT = {
    "type": "object",
    "properties": {"transfer_id": ID, "from": ID, "to": ID, "amount": {"type": "number"}},
    "required": ["transfer_id", "from", "to", "amount"],
}
OUTPUT = {
    "type": "object",
    "properties": {"transfer_id": ID, "ledger_id": {"type": "string", "format": "uuid"}},
    "required": ["transfer_id", "ledger_id"],
}


def transfer(payload):
    if not isinstance(payload, dict):
        reject("invalid-payload", "a payload is an object")
    transfer_id, payer, payee = (an_id(payload.get(name)) for name in ("transfer_id", "from", "to"))
    amount = payment(payload.get("amount"))
    if payer == payee:
        reject("same-account", "a transfer is between two accounts")
    ledger_id = tenet.new_uuid()
    # The rows are taken in one order, whichever way the money goes: two transfers that go opposite ways
    # would else each wait for the other.
    changes = sorted([(payer, -amount), (payee, amount)])
    outcomes = tenet.batch(
        *((CHANGE, account, change) for account, change in changes),
        (POST, ledger_id, transfer_id, payer, payee, amount, tenet.now()),
    )
    for (account, _), (_, affected) in zip(changes, outcomes):
        if affected == 0:
            refuse(account, tenet.query(BALANCE, account))
    moved = {"transfer_id": transfer_id, "ledger_id": ledger_id, "from": payer, "to": payee, "amount": amount}
    tenet.publish("dsql.application", "Transfer Posted", moved)
    return {"transfer_id": transfer_id, "ledger_id": ledger_id}


def an_id(text):
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text):
        reject("invalid-payload", "an id has 1 to 64 letters, digits, hyphens, underscores and points")
    return text


def payment(amount):
    """Money that can be paid: 10 digits before the point and 2 after it, and more than 0."""
    if not isinstance(amount, Decimal):
        reject("invalid-payload", "an amount is a number")
    if not tenet.fits(amount, 12, 2):
        reject("invalid-amount", "an amount has at most 10 digits and 2 after the point")
    if amount <= 0:
        reject("invalid-amount", "a payment is more than 0")
    return amount


def refuse(account, rows):
    """Why the balance of an account could not be changed, by what it is."""
    if not rows:
        reject("no-account", f"there is no account {account}")
    reject("insufficient-funds", f"the account {account} has less than that", balance=rows[0]["balance"])


WitWorld = tenet.rule(transfer, INPUT, OUTPUT)
