"""Gives a customer points, or takes some back."""

import tenet
from tenet import reject

INPUT = {
    "type": "object",
    "properties": {
        # The idempotency key, as `tenet.toml` says: the same id is the same request.
        "id": {"type": "string"},
        "customer": {"type": "string"},
        # Below zero where they are taken back.
        "points": {"type": "integer"},
    },
    "required": ["id", "customer", "points"],
    "additionalProperties": False,
}
OUTPUT = {
    "type": "object",
    "properties": {"customer": {"type": "string"}, "balance": {"type": "integer"}},
    "required": ["customer", "balance"],
}


def {{function}}(payload):
    customer, points = payload.get("customer"), payload.get("points")
    if not isinstance(customer, str) or not 1 <= len(customer) <= 255:
        reject("invalid-customer", "a name has 1 to 255 characters")
    if not isinstance(points, int) or isinstance(points, bool):
        reject("invalid-points", "points are a whole number")
    rows = tenet.query("SELECT balance FROM {{table}} WHERE customer = $1", customer)
    balance = (rows[0]["balance"] if rows else 0) + points
    if balance < 0:
        reject("not-possible", "a balance is not below zero")
    # Two attempts that change this row at once conflict, and one of them runs again.
    tenet.execute(
        "INSERT INTO {{table}} (customer, balance) VALUES ($1, $2) "
        "ON CONFLICT (customer) DO UPDATE SET balance = excluded.balance",
        customer,
        balance,
    )
    changed = {"id": payload.get("id"), "customer": customer, "points": points, "balance": balance}
    tenet.publish("{{rule}}", "Balance Changed", changed)
    return {"customer": customer, "balance": balance}


WitWorld = tenet.rule({{function}}, INPUT, OUTPUT)
