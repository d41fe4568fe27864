// What this browser keeps of a session besides cookies: one value in localStorage.
//
// localStorage is shared by the tabs of a browser, as cookies are, and tells them of changes; with
// sessionStorage each tab would have a session of its own. In cookie mode nothing in it is a
// credential but the anti-CSRF token, which is worth nothing without the cookies. In header mode
// both tokens are in it, where every script of the page can read them: a reason to prefer cookies.

const KEY = "counterfoil.session";

/** What is kept: {mode, front, endsAt, life, antiCsrf, access, refresh}, or null. */
export function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEY));
  } catch {
    return null;
  }
}

/**
 * The session as the front token shows it, or null: what is kept, with userId and payload, and the
 * names of the refresh token that this browser holds and of the one before it.
 */
export function session() {
  const own = kept();
  if (!own?.front) return null;
  const { uid, up } = decoded(own.front);
  const [holds, parent] = [up.refreshTokenHash1, up.parentRefreshTokenHash1].map(fingerprint);
  return { ...own, userId: uid, payload: up, holds, parent };
}

/** Keep what a response's headers say; `remove` ends the session here. */
export function take(headers, mode) {
  const front = headers.get("front-token");
  if (front === "remove") return forget();
  if (!front) return;
  const before = kept() ?? {};
  localStorage.setItem(
    KEY,
    JSON.stringify({
      mode,
      front,
      ...timed(decoded(front), before),
      antiCsrf: headers.get("anti-csrf") ?? before.antiCsrf,
      access: headers.get("st-access-token") || (mode === "header" ? before.access : undefined),
      refresh: headers.get("st-refresh-token") || (mode === "header" ? before.refresh : undefined),
    }),
  );
  changed();
}

export function forget() {
  localStorage.removeItem(KEY);
  changed();
}

const listeners = [];

/** Be told when what is kept changes; `elsewhere` is whether another tab has changed it. */
export function onChange(listener) {
  listeners.push(listener);
}

function changed({ elsewhere = false } = {}) {
  for (const listener of listeners) listener({ elsewhere });
}

addEventListener("storage", (event) => {
  if (event.key === KEY || event.key === null) changed({ elsewhere: true });
});

/** When the access token ends by this machine's clock, and how long it lives in all, in ms. */
function timed({ ate, up }, before) {
  const skew = up.iat * 1000 - Date.now(); // iat is a whole second, just gone
  const endsAt = Math.abs(skew) < 2000 ? ate : ate - skew;
  // A change of claims makes a new token that ends when the old one did.
  const known = before.front && decoded(before.front).ate === ate;
  return { endsAt, life: known ? before.life : ate - up.iat * 1000 };
}

function decoded(front) {
  const bytes = Uint8Array.from(atob(front), (letter) => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** What a refresh token is called: the first digits of its digest, as the log says it. */
function fingerprint(hash) {
  if (!hash) return null;
  const bytes = atob(hash.slice(0, 4).replaceAll("-", "+").replaceAll("_", "/"));
  return [...bytes].map((byte) => byte.charCodeAt(0).toString(16).padStart(2, "0")).join("");
}
