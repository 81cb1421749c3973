import { smallHistogram } from "../charts/columns.js";
import { html } from "../charts/dom.js";
import { cell, counted, number, percent } from "../charts/format.js";
import { badge, section } from "../live/section.js";

/**
 * @typedef {import("./data.js").Report} Report
 * @typedef {import("./data.js").ColumnView} ColumnView
 */

const FIRST_COLUMNS = 30;

/**
 * What is wrong with the data.
 * @param {Report} report
 */
export function anomalies({ anomalies, columns }) {
  if (!columns.length && !anomalies.length) return null;
  const errors = anomalies.filter((one) => one.severity === "error").length;
  const sorted = [...anomalies].sort(
    (a, b) => Number(b.severity === "error") - Number(a.severity === "error"),
  );
  return section(
    "anomalies",
    "What is odd in the data",
    anomalies.length
      ? `${counted(errors, "error")} and ${counted(anomalies.length - errors, "warning")}, ` +
        "found before anything was trained."
      : null,
    anomalies.length
      ? html(
          "ul",
          { class: "anomalies" },
          sorted.map(({ column, kind, severity, message, accept }) =>
            html(
              "li",
              { class: severity },
              html(
                "p",
                { class: "head" },
                badge(severity === "error" ? "bad" : "warn", severity),
                html("b", {}, column ?? "whole table"),
                html("span", { class: "soft" }, kind.replaceAll("_", " ")),
              ),
              html("p", {}, message),
              accept ? html(
                "p",
                { class: "accept" },
                "To accept it: ",
                html("code", {}, accept),
              ) : null,
            ),
          ),
        )
      : html(
        "p",
        { class: "calm" },
        badge("good", ""),
        "Nothing. Every column keeps to the schema.",
      ),
  );
}

/**
 * The columns, each with its shape.
 * @param {Report} report
 */
export function columns({ columns, rows, label }) {
  if (!columns.length) return null;
  const list = html(
    "ul",
    { class: "columns" },
    columns.slice(0, FIRST_COLUMNS).map((column) => card(column, label)),
  );
  const rest = columns.length - FIRST_COLUMNS;
  const more = html(
    "button",
    {
      type: "button",
      class: "unfold",
      onclick: () => {
        list.append(...columns.slice(FIRST_COLUMNS).map((column) => card(column, label)));
        more.remove();
      },
    },
    `Show ${counted(rest, 'more column')}`,
  );
  return section(
    "columns",
    "The columns",
    rows === null ? null : `${counted(columns.length, 'column')} of ${counted(rows, 'row')}.`,
    list,
    rest > 0 ? more : null,
  );
}

/** @param {ColumnView} column @param {string} label */
function card({ name, kind, rows, missing, facts, histogram, top }, label) {
  const share = rows ? missing / rows : 0;
  const meter = html("span", { class: "meter", "aria-hidden": "true" });
  meter.style.setProperty("--share", String(share));
  return html(
    "li",
    {},
    html(
      "div",
      { class: "column-head" },
      html("h3", { title: name }, name),
      html("span", { class: "soft" }, name === label ? `${kind}, label` : kind),
    ),
    histogram
      ? html(
        "div",
        {},
        smallHistogram(`Histogram of ${name}`, histogram.edges, histogram.counts),
        html(
          "p",
          { class: "ends" },
          (histogram.ends ?? ends(histogram.edges)).map((end) => html("span", {}, end)),
        ),
      )
      : topValues(top, rows - missing),
    html(
      "p",
      { class: "column-facts" },
      facts.map(
        ([fact, value]) => html(
          "span",
          {},
          `${fact} `,
          html("b", {}, typeof value === "number" ? number(value) : cell(value)),
        ),
      ),
    ),
    html(
      "p",
      { class: missing ? "missing-share" : "missing-share none" },
      meter,
      missing ? `${percent(share)} missing` : "none missing",
    ),
  );
}

/** @param {ColumnView["top"]} top @param {number} present rows that have a value */
function topValues(top, present) {
  return html(
    "ul",
    { class: "bars small" },
    top.slice(0, 5).map(({ value, count }) => {
      const fill = html("span", { class: "fill" });
      fill.style.setProperty("--share", String(present ? count / present : 0));
      return html(
        "li",
        {},
        html("span", { class: "name", title: String(value) }, cell(value)),
        html("span", { class: "track" }, fill),
        html("span", { class: "share" }, percent(present ? count / present : 0)),
      );
    }),
  );
}

/** @param {number[]} edges */
const ends = (edges) => [number(edges[0]), number(edges[edges.length - 1])];
