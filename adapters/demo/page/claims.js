// The application's own claims in the access token: shown, set and removed.

import { run, told } from "./acting.js";
import { call } from "./client.js";
import { $, fill, make } from "./dom.js";
import { session } from "./keep.js";

// What the engine itself puts into a token; no application can change it.
const ENGINE = new Set(
  "sub iat exp iss aud sessionHandle refreshTokenHash1 parentRefreshTokenHash1 antiCsrfToken rsub tId".split(
    " ",
  ),
);

export function showClaims(own) {
  const names = Object.keys(own.payload).filter((name) => !ENGINE.has(name));
  const rows = names.map((name) => row(name, own.payload[name]));
  fill(
    $("claims"),
    ...(rows.length ? rows : [make("li", { class: "hint" }, "None yet: set one.")]),
  );
}

export function setUpClaims() {
  $("claim-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = $("claim").value;
    const value = parsed($("value").value);
    void run(event.submitter, "claims-said", () => merge(name, value, become(name, value)));
  });
}

/** What becomes of a claim that is given this value. */
function become(name, value) {
  if (value !== null) return `${name} is set.`;
  return Object.hasOwn(session().payload, name)
    ? `${name} is removed: that is what null does.`
    : `There is no ${name}: null removes a claim, and none had that name.`;
}

function row(name, value) {
  const remove = make("button", { class: "small", "aria-label": `Remove ${name}` }, "Remove");
  remove.addEventListener("click", () =>
    run(remove, "claims-said", async () => {
      const words = await merge(name, null, `${name} is removed.`);
      $("claim").focus(); // the button has gone with its row
      return words;
    }),
  );
  return make(
    "li",
    {},
    make(
      "div", // side by side, or the value below where the name is long
      { class: "claim value" },
      make("code", {}, name),
      make("span", {}, JSON.stringify(value)),
    ),
    remove,
  );
}

async function merge(name, value, words) {
  const answer = await call("/claims", { method: "POST", body: { [name]: value } });
  return told(answer, `${words} A new access token says so; its life and the refresh token stay.`);
}

/** JSON where it is JSON; else the text itself. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
