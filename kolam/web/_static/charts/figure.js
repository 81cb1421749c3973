import { freshId, html, svg } from "./dom.js";

/** @typedef {import("./dom.js").Child} Child */

/**
 * A picture with its words: heading, note, drawing, and the same numbers as a table.
 * @param {object} parts
 * @param {string} parts.title
 * @param {string} [parts.note] one sentence on how to read it
 * @param {Element} parts.chart
 * @param {{head: string[], rows: Child[][]}} [parts.table]
 */
export function figure({ title, note, chart, table }) {
  return html(
    "figure",
    {},
    html("figcaption", {}, html("h3", {}, title), note ? html("p", { class: "note" }, note) : null),
    chart,
    table
      ? html(
        "details",
        { class: "numbers" },
        html("summary", {}, "Numbers"),
        dataTable({ ...table, caption: title }),
      )
      : null,
  );
}

/**
 * A plain table. The first cell of a row is its header; numbers are set to the right.
 * @param {{head: string[], rows: Child[][], caption?: string}} parts
 */
export function dataTable({ head, rows, caption }) {
  return html(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption ?? head.join(", ") },
    html(
      "table",
      {},
      caption ? html("caption", { class: "hidden" }, caption) : null,
      html("thead", {}, html("tr", {}, head.map((name) => html("th", { scope: "col" }, name)))),
      html(
        "tbody",
        {},
        rows.map((row) =>
          html(
            "tr",
            {},
            row.map((cell, at) => (at ? html("td", {}, cell) : html("th", { scope: "row" }, cell))),
          ),
        ),
      ),
    ),
  );
}

/**
 * An SVG that is drawn for the width it gets, and again when that changes, so that letters keep
 * their size on a phone.
 * @param {string} description what a reader who cannot see it should know
 * @param {(width: number) => {height: number, marks: Child[]}} draw
 * @param {number} [widest] pixels
 */
export function chart(description, draw, widest = 720) {
  const id = freshId("chart");
  const picture = svg("svg", { class: "chart", role: "img", "aria-labelledby": id });
  const box = html("div", { class: "chart-box" }, picture);
  box.style.maxWidth = `${widest}px`;
  let drawn = 0;
  const render = (/** @type {number} */ width) => {
    if (width === drawn) return;
    drawn = width;
    const { height, marks } = draw(width);
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    picture.replaceChildren(svg("title", { id }, description));
    for (const mark of marks.flat()) if (mark instanceof Node) picture.append(mark);
  };
  render(Math.min(widest, 480));
  new ResizeObserver(([entry]) => {
    const width = Math.round(entry.contentRect.width);
    if (width > 40) render(width);
  }).observe(box);
  return box;
}
