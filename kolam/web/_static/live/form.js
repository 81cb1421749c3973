import { html } from "../charts/dom.js";
import { cell } from "../charts/format.js";
import { extent } from "../charts/scale.js";
import { makeAnswer } from "./answer.js";
import { sweep } from "./effects.js";
import { makeField } from "./fields.js";
import { makeRanking } from "./ranking.js";
import { drawSparkline } from "./sparkline.js";

/**
 * @typedef {import("../runtime/predictor.js").Predictor} Predictor
 * @typedef {import("../runtime/predictor.js").Row} Row
 * @typedef {import("../runtime/predictor.js").Value} Value
 * @typedef {import("./effects.js").Sweep} Sweep
 * @typedef {{values: Row, label: Value}} Example
 */

const FIRST_FIELDS = 24; // a form longer than this starts folded
const SLICE_MILLISECONDS = 6; // of a frame, for sweeps; the rest is the browser's

/**
 * A form that answers while one types: fields with the real names, the answer, and what moves it.
 * @param {Predictor} predictor
 * @param {readonly Example[]} examples
 */
export function makeForm(predictor, examples) {
  /** @type {Example | null} */
  let example = null;
  let round = 0;
  const fields = predictor.columns.map((column) => makeField(column, () => edited()));
  const panel = makeAnswer(predictor);
  const ranking = makeRanking();
  const picks = makePicks(examples, pick);
  const grid = html("div", { class: "fields" }, fields.map((field) => field.element));

  /** @returns {Row} */
  const row = () => Object.fromEntries(fields.map((field) => [field.column.name, field.read()]));

  /** @param {Example | null} chosen */
  function pick(chosen) {
    example = chosen;
    for (const { column, write } of fields) write(
      chosen ? (chosen.values[column.name] ?? null) : column.typical,
    );
    update();
  }

  function edited() {
    example = null;
    picks.clear();
    update();
  }

  function update() {
    const values = row();
    const { label, scores } = predictor.predict(values);
    panel.show(label, scores, example);
    // followed: the second of two classes as in every binary report, else the winner
    const index = scores.length === 2 ? 1 : scores.indexOf(Math.max(...scores));
    round += 1;
    explain(round, values, index, scores[index]);
  }

  /**
   * Sweep field after field, a few milliseconds in each frame, so that typing never waits.
   * @param {number} mine @param {Row} values @param {number} index @param {number} present
   */
  function explain(mine, values, index, present) {
    /** @type {Sweep[]} */
    const sweeps = [];
    const step = () => {
      if (mine !== round) return;
      const end = performance.now() + SLICE_MILLISECONDS;
      while (sweeps.length < fields.length && performance.now() < end)
        sweeps.push(sweep(predictor, values, fields[sweeps.length].column, index));
      if (sweeps.length < fields.length) requestAnimationFrame(step);
      else draw(sweeps, values, index, present);
    };
    requestAnimationFrame(step);
  }

  /** @param {Sweep[]} sweeps @param {Row} values @param {number} index @param {number} present */
  function draw(sweeps, values, index, present) {
    /** @type {[number, number]} */
    const domain =
      predictor.task === "regression" ? extent(
        sweeps.flatMap(({ answers }) => [...answers, present]),
        0.05,
      ) : [0, 1];
    fields.forEach(({ column, picture, position }, at) =>
      drawSparkline(picture, {
        answers: sweeps[at].answers,
        ordered: column.kind === "number" || column.kind === "date",
        domain,
        position: position(values[column.name]),
        present,
      }),
    );
    const followed =
      predictor.task === "regression"
        ? predictor.label
        : `${predictor.label} = ${cell(predictor.classes[index])}`;
    ranking.show(
      sweeps.map(({ answers }, at) => ({ name: fields[at].column.name, answers })),
      predictor.task,
      followed,
    );
  }

  const element = html(
    "form",
    { class: "live", "aria-label": "Try the model", onsubmit: (event) => event.preventDefault() },
    html(
      "div",
      { class: "live-answer" },
      panel.element,
      ranking.element,
      examples.length ? picks.element : null,
    ),
    html("div", { class: "live-fields" }, grid, fold(grid, fields.length)),
  );
  pick(null);
  return { element, row, pick, update };
}

/** @param {readonly Example[]} examples @param {(example: Example | null) => void} choose */
function makePicks(examples, choose) {
  const all = [{ name: "typical", example: /** @type {Example | null} */ (null) }].concat(
    examples.map((example, at) => ({ name: `row ${at + 1}`, example })),
  );
  const buttons = all.map(({ name, example }) =>
    html(
      "button",
      {
        type: "button",
        "aria-pressed": "false",
        onclick: ({ currentTarget }) => {
          mark(/** @type {Element} */ (currentTarget));
          choose(example);
        },
      },
      name,
    ),
  );
  /** @param {Element | null} chosen */
  const mark = (chosen) => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button === chosen));
  };
  mark(buttons[0]);
  return {
    element: html(
      "div",
      { class: "picks", role: "group", "aria-label": "Try a real row" },
      html("span", {}, "Try a real row"),
      buttons,
    ),
    clear: () => mark(null),
  };
}

/** @param {HTMLElement} grid @param {number} count */
function fold(grid, count) {
  if (count <= FIRST_FIELDS) return null;
  const rest = [...grid.children].slice(FIRST_FIELDS);
  const hide = (/** @type {boolean} */ hidden) => {
    for (const field of rest) field.toggleAttribute("hidden", hidden);
    button.setAttribute("aria-expanded", String(!hidden));
    button.textContent = hidden ? `Show all ${count} fields` : "Show fewer fields";
  };
  const button = html("button", {
    type: "button",
    class: "unfold",
    onclick: () => hide(button.getAttribute("aria-expanded") === "true"),
  });
  hide(true);
  return button;
}
