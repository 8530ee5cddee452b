"""The payment provider's API, as far as it is used here."""

import json

from workers import fetch

CENTS = 2000


async def create_charge(provider: str, order: str) -> str:
    """`POST /charges`: a new charge each time. Gives the receipt."""
    return await _ask("POST", f"{provider}/charges", order)


async def put_charge(provider: str, key: str) -> str:
    """`PUT /charges/{key}`: the charge of this key, which is made unless there is one. Gives the receipt."""
    return await _ask("PUT", f"{provider}/charges/{key}", key)


async def _ask(method: str, url: str, order: str) -> str:
    body = json.dumps({"order": order, "cents": CENTS})
    answer = await fetch(url, method=method, headers={"content-type": "application/json"}, body=body)
    if not answer.ok:
        raise RuntimeError(f"the payment provider answered {answer.status}")
    return str((await answer.json())["id"])
