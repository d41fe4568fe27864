// Small helpers: find, make, say.

export const $ = (id) => document.getElementById(id);

/** An element with attributes and children; text is text, never markup. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") element.addEventListener("click", value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A token's name with a colour of its own: two that are equal look equal. */
export function chip(fingerprint, letter = "R") {
  if (!fingerprint) return make("span", { class: "chip none" }, "nothing");
  const element = make(
    "span",
    { class: "chip" },
    make("i", { "aria-hidden": "true" }),
    `${letter}·${fingerprint}`,
  );
  element.style.setProperty("--hue", Math.round((parseInt(fingerprint, 16) / 0xffffff) * 360));
  return element;
}

/** Text in which tokens' names are chips. */
export function withChips(text) {
  return text.split(/([AR]·[0-9a-f]{6})/).map((part) => {
    const [letter, name] = /^[AR]·[0-9a-f]{6}$/.test(part) ? part.split("·") : [];
    return name ? chip(name, letter) : part;
  });
}

/** Put words, and what else there is, in the place of what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children);
}

export const short = (handle) => `…${handle.slice(-4)}`;

export const timeOf = (ms) =>
  new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
