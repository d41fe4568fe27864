// What the browser holds of the session: where it lies and who can read it; never a token itself.

import { $, chip, fill, make, timeOf } from "./dom.js";

export function showHeld(own, { antiCsrf }) {
  const place = own.mode === "header" ? inHeaders : inCookies;
  fill(
    $("held"),
    ...row("Refresh token", chip(own.holds), " ", place.refresh(own)),
    ...row("Access token", place.access(own)),
    ...row("Front token", "In localStorage: what the page may know, and no credential."),
    ...row("Anti-CSRF", guard(own, antiCsrf)),
  );
  $("payload").textContent = JSON.stringify(masked(own.payload), null, 2);
}

const inCookies = {
  refresh: () =>
    "An HttpOnly cookie: no script can read it, and it goes to /auth/session/refresh alone.",
  access: (own) => `An HttpOnly cookie, sent with each request. Good until ${timeOf(own.endsAt)}.`,
};

const inHeaders = {
  refresh: (own) =>
    `${own.refresh?.length ?? 0} characters in localStorage, where any script of this page can read them.`,
  access: (own) =>
    `${own.access?.length ?? 0} characters in localStorage, sent as Authorization. Good until ${timeOf(own.endsAt)}.`,
};

function guard(own, mode) {
  if (own.mode === "header") return "None needed: no browser sends these headers for another site.";
  return (
    {
      VIA_TOKEN: "A token in localStorage, sent as a header that no other site can send.",
      VIA_CUSTOM_HEADER: "The header rid: another site can’t send it.",
      FETCH_METADATA: "The browser itself says which site a request comes from (Sec-Fetch-Site).",
      NONE: "Switched off.",
    }[mode] ?? ""
  ); // not known yet
}

function row(name, ...words) {
  return [make("dt", {}, name), make("dd", {}, ...words)];
}

function masked(payload) {
  return payload.antiCsrfToken ? { ...payload, antiCsrfToken: "…" } : payload;
}
