import { html } from "../charts/dom.js";
import { counted, fixed } from "../charts/format.js";
import { whisker, whiskerAxis } from "../charts/whisker.js";
import { interval, measureDomain } from "./measures.js";
import { section } from "../live/section.js";

/**
 * @typedef {import("./data.js").Report} Report
 * @typedef {import("./data.js").SliceResult} SliceResult
 * @typedef {import("./data.js").Evaluation} Evaluation
 */

/** @typedef {(a: SliceResult, b: SliceResult) => number} Order */

/** @type {Record<string, (metric: string, sign: number) => Order>} */
const ORDERS = {
  "worst first": (metric, sign) => (a, b) => unsure(a, b, metric) || worse(a, b, metric, sign),
  "best first": (metric, sign) => (a, b) => unsure(a, b, metric) || worse(b, a, metric, sign),
  "most rows first": () => (a, b) => b.rows - a.rows,
  "by name": () => (a, b) => a.name.localeCompare(b.name),
};

/**
 * How good the model is on parts of the rows: one dot and interval each, on one axis.
 * @param {Report} report
 */
export function slices({ evaluation, measures }) {
  if (!evaluation?.slices.length) return null;
  const names = Object.keys(evaluation.overall.metrics);
  const metric = choice(
    "Measure",
    names,
    evaluation.main_metric,
    (name) => measures[name]?.title ?? name,
  );
  const order = choice("Order", Object.keys(ORDERS), "worst first", (name) => name);
  const place = html("div", {});
  const draw = () => {
    const sign = measures[metric.value]?.greater_is_better === false ? -1 : 1;
    place.replaceChildren(
      sliceTable(evaluation, metric.value, ORDERS[order.value](metric.value, sign)),
    );
  };
  for (const select of [metric, order]) select.addEventListener("change", draw);
  draw();
  return section(
    "slices",
    "For whom it is good",
    "The same measure on parts of the rows. The thin line is the value of all rows; an interval " +
      "that does not reach it is a real difference.",
    html(
      "div",
      { class: "choices" },
      [metric, order].map((select) => html("label", {}, html("span", {}, select.name), select)),
    ),
    place,
  );
}

/**
 * The favourable end of the interval: a few unlucky rows do not stand before a slice that is surely
 * bad.
 * @param {SliceResult} result @param {string} metric @param {number} sign
 */
function score({ metrics }, metric, sign) {
  const { value, low, high } = metrics[metric];
  return (sign > 0 ? high : low) ?? value ?? 0;
}

/** @param {SliceResult} a @param {SliceResult} b @param {string} metric @param {number} sign */
const worse = (a, b, metric, sign) => sign * (score(a, metric, sign) - score(b, metric, sign));

/**
 * Slices without an interval come last: nothing sure can be said of them.
 * @param {SliceResult} a @param {SliceResult} b @param {string} metric
 */
function unsure(a, b, metric) {
  return Number(a.metrics[metric].low === null) - Number(b.metrics[metric].low === null);
}

/**
 * @param {Evaluation} evaluation @param {string} metric
 * @param {(a: SliceResult, b: SliceResult) => number} order
 */
function sliceTable({ overall, slices }, metric, order) {
  const sorted = [...slices].sort((a, b) => order(a, b));
  const domain = measureDomain([overall, ...slices].map(({ metrics }) => metrics[metric]), metric);
  const reference = overall.metrics[metric].value;
  return html(
    "table",
    { class: "slices" },
    html("caption", { class: "hidden" }, `${metric} by slice`),
    html(
      "thead",
      {},
      html(
        "tr",
        {},
        html("th", { scope: "col" }, "slice"),
        html("td", { class: "picture" }, whiskerAxis(domain)),
        html("th", { scope: "col" }, "value"),
        html("th", { scope: "col", class: "wide" }, "interval"),
      ),
    ),
    html(
      "tbody",
      {},
      [overall, ...sorted].map((result) => {
        const estimate = result.metrics[metric];
        return html(
          "tr",
          { class: result === overall ? "main" : null },
          html(
            "th",
            { scope: "row" },
            result.name,
            html(
              "small",
              { class: result.is_small ? "few" : null },
              `${counted(result.rows, 'row')}${result.is_small ? ', too few to rely on' : ''}`,
            ),
          ),
          html("td", { class: "picture" }, whisker(estimate, domain, reference)),
          html("td", {}, fixed(estimate.value)),
          html(
            "td",
            { class: estimate.low === null ? "wide soft reason" : "wide soft" },
            interval(estimate),
          ),
        );
      }),
    ),
  );
}

/**
 * @param {string} name @param {string[]} values @param {string} chosen
 * @param {(value: string) => string} say
 */
function choice(name, values, chosen, say) {
  return html(
    "select",
    { name, "aria-label": name },
    values.map((value) => html("option", { value, selected: value === chosen }, say(value))),
  );
}
