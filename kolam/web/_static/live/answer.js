import { html } from "../charts/dom.js";
import { cell, number, percent } from "../charts/format.js";

/**
 * @typedef {import("../runtime/predictor.js").Predictor} Predictor
 * @typedef {import("../runtime/predictor.js").Value} Value
 */

const MOST_CLASSES = 8; // more bars than this are noise; the highest ones are shown

/**
 * The panel that says what the model answers.
 * @param {Predictor} predictor
 */
export function makeAnswer(predictor) {
  const label = html("output", { class: "label", "aria-live": "polite" });
  const truth = html("p", { class: "truth" });
  const bars = html("ul", { class: "bars", "aria-label": "Probabilities" });
  const element = html(
    "div",
    { class: "answer" },
    html("p", { class: "eyebrow" }, `predicted ${predictor.label}`),
    html("div", { class: "said" }, label, truth),
    predictor.task === "regression" ? null : bars,
  );
  return {
    element,
    /** @param {Value} answer @param {Float32Array} scores @param {{label: Value} | null} example */
    show(answer, scores, example) {
      const shown = predictor.task === "regression" ? number(scores[0], 4) : cell(answer);
      label.title = predictor.task === "regression" ? String(scores[0]) : "";
      if (label.textContent !== shown) label.textContent = shown; // read out only when it changes
      truth.textContent = example ? `really ${cell(example.label)}` : "";
      if (predictor.task !== "regression") bars.replaceChildren(
        ...classBars(predictor.classes, scores),
      );
    },
  };
}

/** @param {Value[]} classes @param {Float32Array} scores */
function classBars(classes, scores) {
  const order = classes.map((_, at) => at);
  if (order.length > MOST_CLASSES) order.sort((a, b) => scores[b] - scores[a]);
  const best = scores.indexOf(Math.max(...scores));
  return order.slice(0, MOST_CLASSES).map((at) => {
    const bar = html("span", { class: "fill" });
    bar.style.setProperty("--share", String(scores[at]));
    return html(
      "li",
      { class: at === best ? "best" : null },
      html("span", { class: "name" }, cell(classes[at])),
      html("span", { class: "track" }, bar),
      html("span", { class: "share" }, percent(scores[at])),
    );
  });
}
