// The payment provider's API, as far as it is used here.

export interface Receipt {
  id: string;
}

const CENTS = 2000;

/** `POST /charges`: a new charge each time. */
export function createCharge(provider: string, order: string): Promise<Receipt> {
  return ask("POST", `${provider}/charges`, { order, cents: CENTS });
}

/** `PUT /charges/{key}`: the charge of this key, which is made unless there is one. */
export function putCharge(provider: string, key: string): Promise<Receipt> {
  return ask("PUT", `${provider}/charges/${key}`, { order: key, cents: CENTS });
}

async function ask(method: string, url: string, body: object): Promise<Receipt> {
  const answer = await fetch(url, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`the payment provider answered ${answer.status}`);
  return answer.json<Receipt>();
}
