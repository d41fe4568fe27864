// A small frontend of the protocol, as the official SDK is a large one. It sends what the server
// asks for, keeps what it answers, and refreshes once however many requests and tabs need it.

import { forget, kept, session, take } from "./keep.js";

const REFRESH = "/auth/session/refresh";
const LOCK = "counterfoil.refresh";
const MOST_RETRIES = 10; // as the SDK; a server that never accepts a new token is broken

/** The server can't be reached, or can't answer for now. Nothing is known, so nothing is cleared. */
export class Unreachable extends Error {}

/** The session is over; `message` is what the server said. */
export class Ended extends Error {}

/** Log in. The response's headers hold the tokens, or the browser has put them in its cookies. */
export async function login(userId, device, mode) {
  const answer = await send("/login", { body: { userId, device }, mode, tokens: false });
  if (answer.ok) take(answer.headers, mode);
  return answer;
}

/** Call the API; a token that has run out is exchanged first. */
export async function call(path, { method = "GET", body } = {}) {
  for (let tries = 0; tries < MOST_RETRIES; tries++) {
    const own = kept();
    const answer = await send(path, { method, body });
    if (answer.status !== 401) {
      take(answer.headers, own?.mode);
      return answer;
    }
    if (answer.body.message !== "try refresh token") end(answer, own);
    await refresh(own?.front);
  }
  throw new Unreachable("The server goes on asking for a refresh.");
}

/** Exchange the refresh token, unless it was exchanged since `seen` was the front token. */
export async function refresh(seen = kept()?.front) {
  // The lock is held across tabs: whoever waited for it finds that the work is done.
  await locked(async () => {
    if (kept()?.front === seen) await exchange();
  });
}

/** Exchange the same token twice at the same moment, as two tabs without a lock would. */
export async function refreshTwice() {
  return locked(() => Promise.all([exchange(), exchange()]));
}

/** Exchange the token, and never hear the answer. */
export async function loseResponse() {
  return locked(() => send(`${REFRESH}/lose`, { method: "POST", token: "refresh" }));
}

/** Have the refresh token copied, as malware would. */
export async function steal() {
  return send(`${REFRESH}/steal`, { method: "POST", token: "refresh" });
}

/** Sign out here. Where the session was over already there is nothing left to do. */
export async function signOut() {
  await call("/auth/signout", { method: "POST" });
  forget();
}

/** A login of which nothing is kept: a session on what might be another device. */
export async function loginElsewhere(userId, device) {
  return send("/login", {
    body: { userId, device },
    mode: "header",
    tokens: false,
    cookies: false,
  });
}

/** Ask for what no session is needed for. */
export async function plain(path, method = "GET") {
  return send(path, { method, tokens: false });
}

async function exchange() {
  const own = kept();
  const answer = await send(REFRESH, { method: "POST", token: "refresh" });
  if (answer.status === 401) end(answer, own);
  take(answer.headers, own?.mode);
  return session();
}

function end(answer, own) {
  if (kept()?.front === own?.front) forget(); // else another tab has logged in meanwhile
  throw new Ended(answer.body.message);
}

async function locked(work) {
  return navigator.locks ? navigator.locks.request(LOCK, work) : work();
}

async function send(path, { method, body, mode, token = "access", tokens = true, cookies = true }) {
  const own = tokens ? kept() : null;
  const headers = {
    rid: "anti-csrf",
    "fdi-version": "4.2",
    "st-auth-mode": mode ?? own?.mode ?? "cookie",
  };
  if (own?.antiCsrf) headers["anti-csrf"] = own.antiCsrf;
  if (own?.[token]) headers.authorization = `Bearer ${own[token]}`;
  if (body) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method: method ?? (body ? "POST" : "GET"),
      headers,
      body: body && JSON.stringify(body),
      credentials: cookies ? "same-origin" : "omit",
      cache: "no-store",
    });
  } catch {
    throw new Unreachable("The server can’t be reached.");
  }
  if (response.status === 503) throw new Unreachable("The server can’t answer for a moment.");
  const told = await response.json().catch(() => ({}));
  return { status: response.status, ok: response.ok, headers: response.headers, body: told };
}
