// A thief with a copy of the refresh token: what he does, what you do, and how it comes out.

import { doing, settings, told } from "./acting.js";
import { Ended, plain, refresh, steal } from "./client.js";
import { $, chip, fill, make } from "./dom.js";
import { session } from "./keep.js";

let state = "safe"; // then "stolen", while he holds a copy; "over", once the server has noticed
let from = null; // the session whose token was copied
let his = null; // the name of the token in his jar
let hisLast = null; // and of the one that he exchanged for it
let next = "thief"; // who had best refresh now, for the story to go on

export function setUpTheft() {
  doing($("steal"), "session-said", copy);
  doing($("thief-refresh"), "session-said", heRefreshes);
  doing($("own-refresh"), "session-said", iRefresh);
}

/** Show both jars, and mark what to do next. */
export function showTheft(own) {
  if (own && state !== "safe" && own.payload.sessionHandle !== from) reset();
  $("theft").hidden = !own && state === "safe";
  $("steal").hidden = state !== "safe";
  $("thief-refresh").hidden = state === "safe";
  $("own-refresh").hidden = state !== "stolen" || !own;
  $("own-refresh").classList.toggle("main", next === "own");
  $("thief-refresh").classList.toggle("main", next === "thief" && state === "stolen");
  $("thief-refresh").textContent =
    state === "over"
      ? "The thief tries again"
      : hisLast
        ? "The thief refreshes again"
        : "The thief refreshes";
  fill($("own-jar"), chip(own?.holds));
  fill($("his-jar"), chip(his));
}

/** The server has noticed. */
export function theftEnded() {
  if (state === "stolen") state = "over";
  showTheft(session());
}

function reset() {
  state = "safe";
  from = his = hisLast = null;
  $("auto").checked = true;
  fill($("story"));
}

function tell(title, words, { then = "thief" } = {}) {
  next = then;
  $("story").append(make("li", {}, make("b", {}, title), " ", ...words));
  showTheft(session());
}

async function copy() {
  const answer = await steal();
  if (!answer.ok) return told(answer);
  state = "stolen";
  from = session().payload.sessionHandle;
  his = answer.body.holds;
  $("auto").checked = false;
  tell("Copied.", [
    "You both hold ",
    chip(his),
    ". (“Renew it by itself” is off now, so that you see each step.)",
  ]);
  $("thief-refresh").focus();
}

async function heRefreshes() {
  const { body } = await plain("/thief/refresh", "POST");
  if (!body.refreshed) return heIsRefused(body.told);
  [hisLast, his] = [his, body.holds];
  const own = session();
  const got = ["The thief showed ", chip(hisLast), " and got ", chip(his), "."];
  if (his === own?.holds)
    tell("The same as yours.", [
      ...got,
      ` You had exchanged it less than ${settings.leeway} s ago: he is taken for a second tab of yours.`,
    ]);
  else if (hisLast === own?.holds)
    tell("He is in.", [
      ...got,
      " The server can’t know: a refresh by you would look like this. If you refreshed now, you would look like a tab whose response was lost, and be let in too.",
    ]);
  else if (hisLast === own?.parent)
    tell(
      "A line of his own.",
      [
        ...got,
        " You never used what you had got for it, so it might have been a response that was lost: yours is displaced. When you show it, it comes out that two hold this session.",
      ],
      { then: "own" },
    );
  else
    tell(
      "He goes on.",
      [...got, " He used what he had got. Yours is now a token that no honest browser would hold."],
      { then: "own" },
    );
}

function heIsRefused(answer) {
  const showed = ["The thief showed ", chip(his)];
  if (answer !== "token theft detected") {
    tell("He is out.", [...showed, ` and was told: ${answer}. His copy opens nothing any more.`]);
    return;
  }
  state = "over";
  tell("Noticed.", [
    ...showed,
    ", which no honest browser would hold: two hold this session. The server revoked it, for him and for you.",
  ]);
}

async function iRefresh() {
  const before = session().holds;
  try {
    await refresh();
  } catch (error) {
    if (error instanceof Ended && error.message === "token theft detected")
      tell("Noticed.", [
        "You showed ",
        chip(before),
        ", which no honest browser would hold: two hold this session. The server revoked it. The thief is out, and you log in again.",
      ]);
    throw error;
  }
  const now = session().holds;
  const got = ["You showed ", chip(before), " and got ", chip(now), "."];
  if (now === his)
    tell("The same as his.", [
      ...got,
      ` He had exchanged it less than ${settings.leeway} s ago: you are taken for a second tab. Once one of you has gone on, and the other comes late, it is noticed.`,
    ]);
  else if (before === his)
    tell("Exchanged.", [...got, " The thief’s copy is one behind. See what it still gets him."]);
  else if (before === hisLast)
    tell("A line of your own.", [
      ...got,
      " The thief’s was never used, so it might have been a response that you lost: it is displaced. When he shows it, he gives himself away.",
    ]);
  else
    tell("You go on.", [
      ...got,
      " You used what you had got. The thief’s is now a token that no honest browser would hold.",
    ]);
}
