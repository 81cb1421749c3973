import { html } from "../charts/dom.js";
import { dataTable, figure } from "../charts/figure.js";
import { bytes, cell, counted, duration, fixed, number } from "../charts/format.js";
import { plot } from "../charts/plot.js";
import { extent } from "../charts/scale.js";
import { badge, facts, section } from "../live/section.js";

/** @typedef {import("./data.js").Report} Report */

/**
 * The course of training.
 * @param {Report} report
 */
export function training({ curves, epoch_name }) {
  const drawn = curves.filter(({ values }) => values.some((value) => value !== null));
  if (!drawn.length) return null;
  const series = drawn.map(({ name, values }, index) => ({
    name,
    mark: /** @type {"line" | "dashed"} */ (index ? "dashed" : "line"),
    points: values.flatMap(
      (value, at) => (value === null ? [] : [/** @type {[number, number]} */ ([at + 1, value])]),
    ),
  }));
  const longest = Math.max(...drawn.map(({ values }) => values.length));
  return section(
    "training",
    "How it learnt",
    null,
    figure({
      title: "Training",
      chart: html(
        "div",
        {},
        html(
          "ul",
          { class: "legend" },
          series.map(
            ({ name, mark }, index) => html("li", { class: `series-${index} ${mark}` }, name),
          ),
        ),
        plot({
          description: drawn.map(
            ({
              name,
              values,
            }) => `${name} from ${number(values[0])} to ${number(values[values.length - 1])}`,
          ).join("; "),
          series,
          x: [1, Math.max(2, longest)],
          y: extent(drawn.flatMap(({ values }) => values), 0.05),
          xLabel: epoch_name,
          yLabel: "",
        }),
      ),
      table: {
        head: [epoch_name, ...drawn.map(({ name }) => name)],
        rows: Array.from(
          { length: longest },
          (_, at) => [cell(at + 1), ...drawn.map(({ values }) => number(values[at], 4))],
        ),
      },
    }),
  );
}

/**
 * Where the model runs, how large and fast it is there, and whether it is the same model.
 * @param {Report} report
 */
export function targets({ targets, evaluation }) {
  if (!targets.length) return null;
  const [reference] = targets;
  const judged = evaluation?.overall.metrics[evaluation.main_metric].value ?? null;
  const judgedElsewhere =
    judged !== null && reference.main_metric !== null && Math.abs(
      reference.main_metric - judged,
    ) > 1e-6;
  return section(
    "targets",
    "Where it runs",
    "What ships is what was judged: every target answered the same rows, and its answers were " +
      `judged by the same slices. The reference is ${reference.name}.`,
    dataTable({
      caption: "Targets",
      head: [
        "target",
        "greatest difference",
        evaluation?.main_metric ?? "main metric",
        "sliced metrics",
        "code",
        "weights",
        "memory",
        "one row",
      ],
      rows: targets.map((target) => [
        target.name,
        difference(target.max_abs_error),
        fixed(target.main_metric, 4),
        target.same_metrics === null
          ? "–"
          : badge(target.same_metrics ? "good" : "bad", target.same_metrics ? "equal" : "differ"),
        bytes(target.code_bytes),
        bytes(target.weight_bytes),
        bytes(target.arena_bytes),
        duration(target.latency_seconds),
      ]),
    }),
    judgedElsewhere
      ? html(
        "p",
        { class: "note" },
        `The ${evaluation?.main_metric} here is that of the shipped model on the compared rows. ` +
          "The value under “How good it is” comes from rows that training did not see.",
      )
      : null,
  );
}

/** @param {number | null} error of a target; the reference has none */
function difference(error) {
  if (error === null) return "reference";
  return error === 0 ? "0, to the bit" : number(error, 3);
}

/**
 * The steps of the run and what each one read and made.
 * @param {Report} report
 */
export function lineage({ steps }) {
  if (!steps.length) return null;
  const most = Math.max(...steps.map(({ seconds }) => seconds)) || 1;
  const spent = steps.reduce((sum, { seconds, reused }) => sum + (reused ? 0 : seconds), 0);
  return section(
    "lineage",
    "How it came to be",
    `${counted(steps.length, "step")}, ${duration(spent)}. Equal digests are equal bytes.`,
    html(
      "ol",
      { class: "steps" },
      steps.map(({ name, seconds, inputs, outputs, reused }) => {
        const bar = html("span", { class: "fill", "aria-hidden": "true" });
        bar.style.setProperty("--share", String(reused ? 0 : seconds / most));
        return html(
          "li",
          { class: reused ? "reused" : null },
          html(
            "p",
            { class: "step-head" },
            html("b", {}, name),
            html(
              "span",
              { class: "soft" },
              reused ? "taken from an earlier run" : duration(seconds),
            ),
          ),
          html("span", { class: "track" }, bar),
          artefacts("read", inputs),
          artefacts("made", outputs),
        );
      }),
    ),
  );
}

/** @param {string} verb @param {Record<string, string>} named */
function artefacts(verb, named) {
  const entries = Object.entries(named);
  if (!entries.length) return null;
  return html(
    "p",
    { class: "artefacts" },
    html("span", {}, verb),
    entries.map(
      ([name, digest]) => html(
        "span",
        { class: "artefact", title: digest },
        name,
        " ",
        html("code", {}, digest.slice(0, 10)),
      ),
    ),
  );
}

/**
 * The model card and the versions that the answers depend on.
 * @param {Report} report
 */
export function card({ card, versions }) {
  const told = Object.entries(card);
  const listed = Object.entries(versions);
  return section(
    "card",
    "Model card",
    null,
    told.length ? facts(told.map(([name, value]) => [name, shown(value)])) : null,
    listed.length ? html("h3", {}, "Versions") : null,
    listed.length ? facts(listed.map(([name, value]) => [name, html("code", {}, value)])) : null,
  );
}

/** @param {unknown} value a digest is set as code */
function shown(value) {
  const text = textOf(value);
  return /^[0-9a-f]{32,}$/.test(text) ? html("code", {}, text) : text;
}

/** @param {unknown} value @returns {string} */
function textOf(value) {
  if (Array.isArray(value)) return value.map(textOf).join(", ");
  if (value !== null && typeof value === "object")
    return Object.entries(value).map(([name, part]) => `${name}: ${textOf(part)}`).join(", ");
  return cell(value);
}
