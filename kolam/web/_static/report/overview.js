import { html } from "../charts/dom.js";
import { bytes, cell, counted, fixed, number } from "../charts/format.js";
import { whisker, whiskerAxis } from "../charts/whisker.js";
import { badge, facts } from "../live/section.js";
import { measureDomain } from "./measures.js";

/** @typedef {import("./data.js").Report} Report */

/**
 * The head of the page: what was predicted, the verdict, the main number.
 * @param {Report} report
 */
export function overview(report) {
  return html(
    "header",
    { class: "overview" },
    html("p", { class: "eyebrow" }, `${taskName(report)} of `, html("b", {}, report.label)),
    html("h1", {}, report.title),
    report.summary ? html("p", { class: "summary" }, report.summary) : null,
    html("div", { class: "verdict-row" }, headline(report), verdict(report)),
    facts(keyFigures(report), "figures"),
  );
}

/** @param {Report} report */
const taskName = ({ task, evaluation }) =>
  ({
    binary: "Binary classification",
    multiclass: `Classification (${evaluation?.classes.length ?? "several"} classes)`,
    regression: "Regression",
  })[task];

/** @param {Report} report */
function headline({ evaluation, measures }) {
  if (!evaluation) return null;
  const name = evaluation.main_metric;
  const estimate = evaluation.overall.metrics[name];
  const domain = measureDomain([estimate], name);
  return html(
    "div",
    { class: "headline" },
    html("p", { class: "big" }, fixed(estimate.value)),
    html(
      "div",
      {},
      html("p", { class: "measure" }, measures[name]?.title ?? name),
      estimate.low === null
        ? html("p", { class: "note" }, estimate.reason)
        : html(
          "p",
          { class: "note" },
          `95 % interval ${fixed(estimate.low)} to ${fixed(estimate.high)}, ` +
            `on ${counted(evaluation.overall.rows, "row")} not used for training`,
        ),
      html("div", { class: "headline-whisker" }, whisker(estimate, domain), whiskerAxis(domain)),
    ),
  );
}

/** @param {Report} report */
function verdict({ passed, checks }) {
  if (passed === null) return null;
  return html(
    "div",
    { class: `verdict ${passed ? 'passed' : 'failed'}`, role: "status" },
    html(
      "p",
      { class: "word" },
      badge(passed ? "good" : "bad", passed ? "Gate passed" : "Gate failed"),
    ),
    html(
      "ul",
      {},
      checks.map(
        (check) => html(
          "li",
          {},
          badge(check.passed ? "good" : "bad", ""),
          html("span", { class: "hidden" }, check.passed ? "holds: " : "fails: "),
          check.text,
        ),
      ),
    ),
  );
}

/** @param {Report} report @returns {[string, string][]} */
function keyFigures({ rows, columns, anomalies, targets, live, evaluation }) {
  /** @type {[string, string | null][]} */
  const all = [
    ["rows profiled", rows === null ? null : number(rows)],
    ["rows judged", evaluation && rows === null ? number(evaluation.overall.rows) : null],
    ["columns", columns.length ? number(columns.length) : null],
    ["anomalies", columns.length ? cell(anomalies.length) : null],
    ["slices judged", evaluation?.slices.length ? number(evaluation.slices.length) : null],
    ["targets", targets.length ? number(targets.length) : null],
    [
      "model in this page",
      live ? bytes(
        live.manifest.files["model.wasm"].bytes + live.manifest.files["model.weights"].bytes,
      ) : null,
    ],
  ];
  return /** @type {[string, string][]} */ (all.filter(([, value]) => value !== null));
}
