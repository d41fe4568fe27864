// The log of what the engine did: asked for once a second while somebody looks, newest first.

import { Unreachable, plain } from "./client.js";
import { $, fill, make, withChips } from "./dom.js";

const PAUSE = 1000; // ms
const MOST_GROUPS = 60; // on the page
const FOLDED = ["GET /sessions"]; // what the page asks for its own list
const LIST_CHANGES = new Set(["Establish", "Revoke", "RevokeUser"]);

let last = 0;
const groups = new Map(); // the requests on the page, by number

/** Begin to watch; the result is a function that looks once, now. */
export function watch({ happened, away, back }) {
  let isAway = false;
  let looking = Promise.resolve();

  async function look() {
    try {
      const answer = await plain(`/log?after=${last}`);
      if (isAway) cameBack();
      return written(answer.body);
    } catch (error) {
      wentAway(error);
      return [];
    }
  }

  function cameBack() {
    isAway = false;
    away(false);
    back().catch(wentAway); // no part of the look, for it may wait for a look itself
  }

  function wentAway(error) {
    if (!(error instanceof Unreachable)) throw error;
    isAway = true;
    away(true);
  }

  // One look at a time, or lines would come twice.
  const lookNow = () => (looking = looking.then(look, look));

  async function goOn() {
    try {
      if (document.visibilityState !== "visible") return;
      const lines = await lookNow();
      if (lines.length) await happened(summary(lines));
    } finally {
      setTimeout(goOn, PAUSE); // whatever went wrong
    }
  }

  $("clear").addEventListener("click", clear);
  setTimeout(goOn);
  return async () => {
    const lines = await lookNow();
    if (lines.length) await happened({ ...summary(lines), listChanged: false });
  };
}

function summary(lines) {
  return {
    over: lines.flatMap((line) => Object.entries(line.ended ?? {})),
    listChanged: lines.some((line) => LIST_CHANGES.has(line.effect)),
  };
}

function written(lines) {
  if (lines.length && lines[0].number <= last) clear(); // another server
  for (const line of lines) {
    last = line.number;
    write(line);
  }
  return lines;
}

function clear() {
  fill($("log"));
  groups.clear();
}

function write(line) {
  const group = groups.get(line.group) ?? begin(line);
  if (line.status) {
    fill(group.status, String(line.status));
    group.status.dataset.kind = line.status < 400 ? "good" : "bad";
  } else if (line.on_response) {
    group.response.append(told(line));
    group.details.hidden = false;
    group.count.textContent = `${group.response.childElementCount} effects on the response`;
  } else {
    group.effects.append(told(line));
  }
}

function begin(line) {
  const [method, path] = line.request.split(" ");
  const status = make("span", { class: "status" });
  const who = line.who ? make("span", { class: "badge thief" }, line.who) : "";
  const effects = make("ul");
  const count = make("summary");
  const response = make("ul");
  const details = make("details", { hidden: "" }, count, response);
  const heading = make(
    "h3",
    {},
    make("span", { class: "method" }, method),
    " ",
    path.replace(/[0-9a-f-]{36}/, "…"),
    " ",
    who,
    " ",
    status,
  );
  const open = !FOLDED.includes(line.request);
  const element = make(
    "li",
    {},
    make("details", { open: open && "" }, make("summary", {}, heading), effects, details),
  );
  $("log").prepend(element);
  if ($("log").childElementCount > MOST_GROUPS) $("log").lastElementChild.remove();
  const group = { status, effects, details, count, response };
  groups.set(line.group, group);
  return group;
}

function told(line) {
  const element = make(
    "li",
    {},
    make("code", { "data-effect": line.effect }, line.effect),
    " ",
    ...withChips(line.asked),
  );
  const isBad = line.asked.startsWith("TheftDetected") || line.asked.startsWith("RequestRejected");
  if (isBad) element.dataset.kind = "bad";
  if (line.reply) {
    const kind = ["Missing", "Stale", "StoreUnavailable"].includes(line.reply) ? "bad" : "good";
    element.append(
      make(
        "span",
        { class: "reply", "data-kind": kind },
        make("span", { class: "unseen" }, "replied: "),
        make("code", {}, line.reply),
        " ",
        ...withChips(line.answered),
      ),
    );
  }
  return element;
}
