import { html } from "../charts/dom.js";

/** @typedef {import("../charts/dom.js").Child} Child */
/** @typedef {{id: string, title: string, element: HTMLElement}} Section */

/**
 * A part of the page under a heading of its own; none when it has nothing to show.
 * @param {string} id
 * @param {string} title
 * @param {string | null} lead one sentence that says what the part is for
 * @param {...(Child | Child[])} children
 * @returns {Section | null}
 */
export function section(id, title, lead, ...children) {
  const content = children.flat().filter((child) => child instanceof Node);
  if (!content.length) return null;
  const heading = `${id}-heading`;
  return {
    id,
    title,
    element: html(
      "section",
      { id, "aria-labelledby": heading, tabindex: "-1" },
      html("h2", { id: heading }, title),
      lead ? html("p", { class: "lead" }, lead) : null,
      content,
    ),
  };
}

/**
 * Names with values, side by side.
 * @param {[string, Child | Child[]][]} entries
 * @param {string} [className]
 */
export function facts(entries, className = "facts") {
  return html(
    "dl",
    { class: className },
    entries.map(([name, value]) => html("div", {}, html("dt", {}, name), html("dd", {}, value))),
  );
}

/**
 * A short word with a sign before it, so that colour is never alone.
 * @param {"good" | "bad" | "warn"} kind
 * @param {string} word
 */
export function badge(kind, word) {
  const sign = { good: "✓", bad: "✕", warn: "!" }[kind];
  return html(
    "span",
    { class: `badge ${kind}` },
    html("span", { class: "sign", "aria-hidden": "true" }, sign),
    word,
  );
}
