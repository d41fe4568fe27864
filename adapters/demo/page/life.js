// The access token's life running down, and what happens when it ends.

import { $ } from "./dom.js";

const LOOK = 250; // ms between looks at the clock

let own = null;
let renewing = false;

/** `renew` is what the page does when the life is over: any call would do. */
export function setUpLife(renew) {
  setInterval(async () => {
    draw();
    const isDue =
      own &&
      $("auto").checked &&
      document.visibilityState === "visible" &&
      Date.now() >= own.endsAt;
    if (!isDue || renewing) return;
    renewing = true;
    await renew();
    setTimeout(() => (renewing = false), 1000); // a server that is away isn't asked without pause
  }, LOOK);
}

export function showLife(session) {
  own = session;
  draw();
}

function draw() {
  if (!own) return;
  const left = Math.max(0, own.endsAt - Date.now());
  const part = Math.min(1, left / own.life);
  $("seconds").textContent = left ? spoken(left) : "over";
  $("of").textContent = left ? `of ${spoken(own.life)}` : "renewed at the next request";
  $("ring").setAttribute("stroke-dashoffset", String(100 - part * 100));
  $("life").dataset.state = part > 0.5 ? "fresh" : part > 0.2 ? "ageing" : left ? "old" : "over";
}

function spoken(ms) {
  const seconds = Math.ceil(ms / 1000);
  return seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}
