// Where the user is logged in, and signing out there.

import { doing, run, told } from "./acting.js";
import { call, loginElsewhere } from "./client.js";
import { $, fill, make, short, timeOf } from "./dom.js";
import { forget, session } from "./keep.js";

let learn;
let awaited = null; // the list that is about to be asked for: it does for whoever wants one now

/** List them. What the log has told until now is in the list, and is no reason to ask again. */
export function showDevices() {
  awaited ??= learn().finally(() => (awaited = null)).then(list);
  return awaited;
}

async function list() {
  if (!session()) return; // as the log has told
  const answer = await call("/sessions");
  if (answer.ok) fill($("devices"), ...answer.body.map(row));
}

/** `look` looks at the log, now. */
export function setUpDevices(look) {
  learn = look;
  doing($("pretend"), "devices-said", async () => {
    const answer = await loginElsewhere(session().userId, "A pretend phone");
    return told(answer, "Logged in on a pretend phone, with a session of its own.");
  });
  doing($("out-others"), "devices-said", async () => {
    const answer = await call("/logout-others", { method: "POST" });
    await showDevices();
    return told(answer, `${counted(answer.body.revoked)} signed out. You stay.`);
  });
  doing($("out-all"), "devices-said", async () => {
    const answer = await call("/logout-all", { method: "POST" });
    if (answer.ok) forget();
    return told(answer, "");
  });
}

function row(known) {
  const since = timeOf(known.createdAt);
  const label = `Sign out ${known.here ? "this device" : known.device}, logged in at ${since}`;
  const out = make("button", { class: "small", "aria-label": label }, "Sign out");
  out.addEventListener("click", () => run(out, "devices-said", () => leave(known)));
  return make(
    "li",
    {},
    make(
      "span",
      { class: "value" },
      make("b", {}, known.device),
      known.here ? make("span", { class: "badge" }, "this device") : "",
      make(
        "small",
        {},
        `${short(known.handle)}, since ${since}, until ${new Date(known.expiresAt).toLocaleDateString()}`,
      ),
    ),
    out,
  );
}

async function leave(known) {
  const answer = await call(`/sessions/${known.handle}/logout`, { method: "POST" });
  if (known.here) return whenHere(answer);
  await showDevices();
  $("pretend").focus(); // the button has gone with its row
  return told(answer, `${known.device} is signed out. Its access token is refused from now on.`);
}

function whenHere(answer) {
  if (answer.ok) forget();
  return told(answer, "");
}

const counted = (handles) =>
  handles.length === 1 ? "One other session is" : `${handles.length} other sessions are`;
