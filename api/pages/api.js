// Talking to Freshet: one function per call, and two kinds of failure. `Unreachable` means that
// nobody answered (or nobody is ready); `Refused` is an answer that says no and why.

export class Unreachable extends Error {}

export class Refused extends Error {
  constructor(status, error) {
    super(error?.message ?? `HTTP ${status}`);
    this.status = status;
    this.field = error?.field ?? null;
  }
}

import * as key from "./key.js";

const TIMEOUT_MS = 8000;

// A proxy whose upstream is gone answers these; so does Freshet while it starts or is full.
const AWAY = new Set([502, 503, 504]);

async function request(path, options = {}) {
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(), TIMEOUT_MS);
  try {
    const headers = { ...options.headers, ...key.header() };
    const settings = { ...options, headers, signal: giveUp.signal, cache: "no-store" };
    const response = await fetch(path, settings);
    if (response.status === 401) {
      clearTimeout(timer);
      await key.ask();
      return await request(path, options);
    }
    const body = await response.json().catch(() => null);
    if (response.ok && body !== null) return body;
    if (AWAY.has(response.status) || response.ok) throw new Unreachable(body?.error?.message ?? "");
    throw new Refused(response.status, body?.error);
  } catch (error) {
    if (error instanceof Refused || error instanceof Unreachable) throw error;
    throw new Unreachable(String(error));
  } finally {
    clearTimeout(timer);
  }
}

const id = encodeURIComponent;

export const info = () => request("/page/info");
export const shoppers = () => request("/page/shoppers?limit=24");
export const activity = (after) => request(`/page/activity?after=${id(after)}`);
export const user = (userId) => request(`/v1/users/${id(userId)}`);
export const freshness = () => request("/page/freshness");
export const alerts = () => request("/v1/alerts");
export const quality = () => request("/v1/quality");
export const item = (itemId) => request(`/v1/items/${id(itemId)}`);

export function recommendations(userId, after) {
  const wait = after ? `&after=${id(after)}&wait_ms=1000` : "";
  return request(`/v1/users/${id(userId)}/recommendations?k=12${wait}`);
}

export function send(event) {
  return request("/v1/events", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(event),
  });
}

/** Lets a retry be recognised. `crypto.randomUUID` is missing on plain http outside localhost. */
export function eventId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `page-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
