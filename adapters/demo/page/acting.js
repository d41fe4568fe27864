// What every button needs: to be pressed once at a time, and to tell what came of it.

import { Ended, Unreachable } from "./client.js";
import { $, fill } from "./dom.js";

/**
 * How the server is set: {origin, accessTtl, leeway, antiCsrf}, times in seconds; filled in at the
 * start.
 */
export const settings = {};

let atTheEnd;

/** Be told, with what the server said, when a call finds that the session is over. */
export function whenEnded(listener) {
  atTheEnd = listener;
}

/** Do this when the button is pressed. Words that come of it are said in the element `said`. */
export function doing(button, said, work) {
  button.addEventListener("click", () => run(button, said, work));
}

export async function run(button, said, work) {
  if (button?.getAttribute("aria-disabled")) return;
  button?.setAttribute("aria-disabled", "true");
  try {
    const words = await work();
    if (words !== undefined) fill($(said), ...[words].flat());
  } catch (error) {
    await failed(error, $(said));
  } finally {
    button?.removeAttribute("aria-disabled");
  }
}

async function failed(error, said) {
  if (error instanceof Unreachable) {
    fill(said, `${error.message} Nothing is lost: your tokens stay as they are. Try again.`);
  } else if (error instanceof Ended) {
    fill(said);
    await atTheEnd(error.message);
  } else {
    fill(said, `Something is wrong with this page: ${error.message}`);
    throw error;
  }
}

/** What to say after a call that the server may refuse. */
export function told(answer, words) {
  return answer.ok ? words : `The server says no: ${answer.body.message ?? answer.status}`;
}
