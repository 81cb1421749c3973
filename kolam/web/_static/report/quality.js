import { histogram } from "../charts/columns.js";
import { html } from "../charts/dom.js";
import { figure } from "../charts/figure.js";
import { fixed, number, percent } from "../charts/format.js";
import { confusionMatrix } from "../charts/matrix.js";
import { plot } from "../charts/plot.js";
import { extent } from "../charts/scale.js";
import { whisker, whiskerAxis } from "../charts/whisker.js";
import { interval, isShare } from "./measures.js";
import { section } from "../live/section.js";

/**
 * @typedef {import("./data.js").Report} Report
 * @typedef {import("./data.js").Evaluation} Evaluation
 */

/**
 * How good the model is on all rows.
 * @param {Report} report
 */
export function quality({ evaluation, measures, label }) {
  if (!evaluation) return null;
  const { plots, classes } = evaluation;
  return section(
    "quality",
    "How good it is",
    "Measured on rows that training never saw. Intervals hold with 95 % confidence.",
    overall(evaluation, measures),
    html(
      "div",
      { class: "grid" },
      plots.confusion.length
        ? html(
            "figure",
            {},
            html(
              "figcaption",
              {},
              html("h3", {}, "Confusion"),
              html(
                "p",
                { class: "note" },
                "Rows by true and predicted class; shares are of the true class.",
              ),
            ),
            confusionMatrix(plots.confusion, classes),
          )
        : null,
      plots.roc.length ? roc(evaluation) : null,
      plots.calibration.length ? calibration(evaluation) : null,
      plots.sample.length ? predictedActual(evaluation, label) : null,
      plots.residual_counts.length ? residuals(evaluation, label) : null,
    ),
  );
}

/** @param {Evaluation} evaluation @param {Report["measures"]} measures */
function overall({ overall, main_metric }, measures) {
  const hasShares = Object.keys(overall.metrics).some(isShare);
  return html(
    "table",
    { class: "measures" },
    html("caption", { class: "hidden" }, "Measures on all rows"),
    html(
      "thead",
      {},
      html(
        "tr",
        {},
        html("th", { scope: "col" }, "measure"),
        html("th", { scope: "col" }, "value"),
        html("th", { scope: "col" }, "95 % interval"),
        hasShares ? html("td", { class: "picture" }, whiskerAxis([0, 1])) : null,
      ),
    ),
    html(
      "tbody",
      {},
      Object.entries(overall.metrics).map(([name, estimate]) =>
        html(
          "tr",
          { class: name === main_metric ? "main" : null },
          html("th", { scope: "row" }, measures[name]?.title ?? name),
          html("td", {}, fixed(estimate.value)),
          html(
            "td",
            { class: estimate.low === null ? "soft reason" : "soft" },
            interval(estimate),
          ),
          hasShares && html(
            "td",
            { class: "picture" },
            isShare(name) ? whisker(estimate, [0, 1]) : null,
          ),
        ),
      ),
    ),
  );
}

/** @param {Evaluation} evaluation */
function roc({ plots, overall }) {
  return figure({
    title: "ROC",
    note: "How many true cases are found for each share of false alarms.",
    chart: plot({
      description: `ROC curve; the area under it is ${fixed(overall.metrics.auc?.value)}`,
      series: [{ name: "ROC", points: plots.roc }],
      x: [0, 1],
      y: [0, 1],
      xLabel: "false positive rate",
      yLabel: "true positive rate",
      square: true,
      diagonal: true,
    }),
    table: {
      head: ["false positive rate", "true positive rate"],
      rows: thin(plots.roc, 25).map(([x, y]) => [fixed(x), fixed(y)]),
    },
  });
}

/** @param {Evaluation} evaluation */
function calibration({ plots, task }) {
  const bins = plots.calibration.filter(
    (bin) => bin.rows > 0 && bin.confidence !== null && bin.observed !== null,
  );
  const most = Math.max(...bins.map((bin) => bin.rows));
  return figure({
    title: "Calibration",
    note: "Dots on the diagonal keep their promise. Large dots: many rows.",
    chart: plot({
      description: `Calibration in ${bins.length} bins of confidence`,
      series: [
        {
          name: "bins of confidence",
          mark: "dotted-line",
          points: bins.map(
            (bin) => /** @type {[number, number]} */ ([bin.confidence, bin.observed]),
          ),
          sizes: bins.map((bin) => bin.rows / most),
        },
      ],
      x: [0, 1],
      y: [0, 1],
      xLabel: task === "binary" ? "predicted probability" : "confidence",
      yLabel: "observed share",
      square: true,
      diagonal: true,
    }),
    table: {
      head: ["bin", "rows", "predicted", "observed"],
      rows: bins.map(
        (bin) => [
          `${fixed(bin.low, 1)} – ${fixed(bin.high, 1)}`,
          number(bin.rows),
          percent(bin.confidence),
          percent(bin.observed),
        ],
      ),
    },
  });
}

/** @param {Evaluation} evaluation @param {string} label */
function predictedActual({ plots }, label) {
  const both = extent(plots.sample.flat(), 0.03);
  return figure({
    title: "Predicted and actual",
    note: "Each dot is a row; on the diagonal the prediction is exact.",
    chart: plot({
      description: `Predicted against actual ${label}, ${plots.sample.length} rows drawn at random`,
      series: [{ name: "rows", mark: "dots", points: plots.sample }],
      x: both,
      y: both,
      xLabel: `actual ${label}`,
      yLabel: "predicted",
      square: true,
      diagonal: true,
    }),
    table: {
      head: ["actual", "predicted"],
      rows: plots.sample.slice(0, 50).map((pair) => pair.map((value) => number(value, 4))),
    },
  });
}

/** @param {Evaluation} evaluation @param {string} label */
function residuals({ plots: { residual_edges: edges, residual_counts: counts } }, label) {
  return figure({
    title: "Residuals",
    note: "Predicted minus actual: left of zero the model is too low. The end bars take the tails.",
    chart: histogram({
      description: `Histogram of predicted minus actual ${label}`,
      edges,
      counts,
      xLabel: "predicted − actual",
      mark: 0,
    }),
    table: {
      head: ["from", "to", "rows"],
      rows: counts.map((count, at) => [number(edges[at]), number(edges[at + 1]), number(count)]),
    },
  });
}

/**
 * @template T
 * @param {T[]} values @param {number} count
 */
const thin = (values, count) =>
  values.length <= count ? values : Array.from(
    { length: count },
    (_, at) => values[Math.round((at * (values.length - 1)) / (count - 1))],
  );
