// What ends sessions elsewhere, done on purpose: two refreshes at once, a lost response, a tab.

import { doing, settings } from "./acting.js";
import { loseResponse, refreshTwice } from "./client.js";
import { $, chip } from "./dom.js";
import { session } from "./keep.js";

export function setUpTrouble() {
  doing($("twice"), "trouble-said", async () => {
    const before = session().holds;
    const [one, other] = await refreshTwice();
    const held = [
      "Both showed ",
      chip(before),
      ". One got ",
      chip(one.holds),
      ", the other ",
      chip(other.holds),
      ": ",
    ];
    if (one.holds !== other.holds) return [...held, "they did not meet; one came after the other."];
    return [
      ...held,
      "the same successor. Neither tab is taken for a thief, and nobody is logged out.",
    ];
  });
  doing($("lose"), "trouble-said", async () => {
    const before = session().holds;
    await loseResponse();
    return [
      "The server has exchanged your token, but you never heard of it and still hold ",
      chip(before),
      `. Refresh now: within ${settings.leeway} s you get the successor that was lost, later a new one. You stay logged in.`,
    ];
  });
  doing($("tab"), "trouble-said", async () => {
    const opened = window.open(location.href, "_blank");
    return opened
      ? "The other tab shares this session. Put them side by side: when the token runs out, one of them refreshes for both."
      : "The browser has kept the tab from opening. Open this address in another tab yourself.";
  });
}
