// Where the page starts: it shows what is kept, and hands each part what it needs.

import { doing, run, settings, told, whenEnded } from "./acting.js";
import { call, login, plain, refresh, signOut } from "./client.js";
import { setUpClaims, showClaims } from "./claims.js";
import { setUpDevices, showDevices } from "./devices.js";
import { $, chip, fill, make, timeOf } from "./dom.js";
import { showHeld } from "./held.js";
import { onChange, session } from "./keep.js";
import { setUpLife, showLife } from "./life.js";
import { watch } from "./log.js";
import { setUpTheft, showTheft, theftEnded } from "./theft.js";
import { setUpTrouble } from "./trouble.js";

const DEVICE = `${/(Firefox|Edg|Chrome|Safari)/.exec(navigator.userAgent)?.[0] ?? "A browser"} on ${
  navigator.userAgentData?.platform || navigator.platform || "this device"
}`.replace("Edg ", "Edge ");

const WHY = {
  theft:
    "A refresh token that had been used came again: two hold it, so its session was revoked for both. Log in again; the copy is worth nothing now.",
  revoked: "The session was signed out somewhere else: in another tab, or on another device.",
  unknown: "The server knows this session no more. It expired, or the demo was started afresh.",
};

const ended = new Map(); // why sessions ended, by handle, as the log told it
let shown = null; // the session on the page
let left = null; // the one that was on it before
let isStarted = false;

whenEnded((message) => over(message === "token theft detected" ? "theft" : "unknown"));

/** Say why the session that was here has ended: as the log knows it, or else as it seems. */
async function over(seems) {
  await learn();
  const why = ended.get(left?.payload.sessionHandle) ?? seems;
  if (why === "theft") theftEnded();
  if (!session()) explain(why);
}

/** Show what is kept. */
function show() {
  const own = session();
  const before = shown;
  const isOther = own?.payload.sessionHandle !== before?.payload.sessionHandle;
  shown = own;
  left = before ?? left;
  $("login").hidden = own !== null;
  $("inside").hidden = own === null;
  if (own) {
    $("who").textContent = own.userId;
    showHeld(own, settings);
    showClaims(own);
  }
  showLife(own);
  showTheft(own);
  document.title = own ? `${own.userId} · counterfoil` : "counterfoil: sessions at work";
  if (!isOther) return;
  for (const said of document.querySelectorAll(".outcome")) fill(said); // of the other session
  if (own) {
    explain(null);
    void run(null, "devices-said", showDevices);
  }
  if (isStarted) goOnAt(own ? $("session-title") : $("login-title"));
}

/** Say why a session ended; without a reason, no more. */
function explain(why) {
  fill($("notice"), WHY[why] ?? "");
  $("notice").classList.toggle("bad", why === "theft");
  if (why) goOnAt($("notice"));
}

/** Where what had the focus is gone, the focus goes on where things go on. */
function goOnAt(element) {
  const focused = document.activeElement;
  if (
    !focused ||
    focused === document.body ||
    focused.closest("[hidden]") ||
    focused === $("login-title")
  )
    element.focus();
}

const learn = watch({
  /** Sessions ended, or began: look whether that touches us. */
  async happened({ over: gone, listChanged }) {
    for (const [handle, why] of gone) if (ended.get(handle) !== "theft") ended.set(handle, why);
    const own = session();
    if (!own) return;
    if (ended.has(own.payload.sessionHandle)) await run(null, "session-said", whoAmI);
    else if (listChanged) await run(null, "devices-said", showDevices);
  },
  away(isAway) {
    const words =
      "The server can’t be reached. Your tokens stay as they are; this page goes on as soon as it is back.";
    if (isAway !== ($("away").textContent !== "")) fill($("away"), isAway ? words : "");
  },
  async back() {
    await describe();
    if (session()) await run(null, "session-said", whoAmI);
  },
});

async function whoAmI() {
  const before = session()?.holds;
  const answer = await call("/me", { method: "POST" });
  const isRenewed = session()?.holds !== before;
  const words = `server says: you are ${answer.body.userId}.`;
  return told(
    answer,
    isRenewed
      ? `The access token had run out: it was renewed first, then the ${words}`
      : `The ${words}`,
  );
}

async function describe() {
  const answer = await plain("/settings");
  Object.assign(settings, answer.body);
  const { origin, accessTtl, leeway, antiCsrf } = settings;
  const isRefused = location.origin !== origin && antiCsrf !== "NONE";
  fill($("elsewhere"), ...(isRefused ? hereRefused(origin) : []));
  $("settings").textContent =
    `Access tokens live ${accessTtl} s (ACCESS_TTL), the leeway is ${leeway} s (GRACE), anti-CSRF is ${antiCsrf} (ANTI_CSRF).`;
}

/** An origin that isn't the policy's is another site to it, however it was come by. */
function hereRefused(origin) {
  return [
    `This page is open at ${location.origin}, and to the demo that is another site: it refuses logins in cookies from here. Open `,
    make("a", { href: origin }, origin),
    " instead. (Where a port is forwarded, give it the same number on both sides.)",
  ];
}

function setUp() {
  fill($("example"), chip("7c3aed"));
  for (const input of document.getElementsByName("theme")) {
    input.checked = input.value === (document.documentElement.dataset.theme ?? "");
    input.addEventListener("change", () => {
      document.documentElement.dataset.theme = input.value;
      localStorage.setItem("counterfoil.theme", input.value);
    });
  }
  $("login-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const { user, mode } = event.target.elements;
    void run(event.submitter, "login-said", async () => {
      const answer = await login(user.value, DEVICE, mode.value);
      return told(answer, "");
    });
  });
  doing($("refresh"), "session-said", async () => {
    const before = session().holds;
    await refresh();
    return [
      "Refreshed at ",
      timeOf(Date.now()),
      ": ",
      chip(before),
      " was exchanged for ",
      chip(session().holds),
      ".",
    ];
  });
  doing($("ask"), "session-said", whoAmI);
  doing($("sign-out"), "session-said", signOut);
  setUpLife(() => run(null, "session-said", whoAmI));
  setUpClaims();
  setUpDevices(learn);
  setUpTrouble();
  setUpTheft();
  onChange(({ elsewhere }) => {
    show();
    if (elsewhere && !shown) void run(null, "login-said", () => over("revoked"));
  });
}

setUp();
show();
isStarted = true;
await run(null, "login-said", describe);
show();
if (session()) await run(null, "session-said", whoAmI);
