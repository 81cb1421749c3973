/** How the answer moves when one field changes and all others stay. */

/**
 * @typedef {import("../runtime/predictor.js").Predictor} Predictor
 * @typedef {import("../runtime/predictor.js").Column} Column
 * @typedef {import("../runtime/predictor.js").Row} Row
 * @typedef {{values: (string | number | boolean)[], answers: number[]}} Sweep
 */

const STEPS = 24; // values tried of a number or a date: enough for a curve 120 pixels wide
const MOST_VALUES = 24; // values tried of a category: as many bars fit under a field

/**
 * The one number of an answer that sweeps and bars talk about: the score of a class, or the value.
 * @param {Predictor} predictor @param {Row} row @param {number} index
 */
export const answer = (predictor, row, index) => predictor.scores(row)[index];

/**
 * Try the values of one column.
 * @param {Predictor} predictor @param {Row} row @param {Column} column
 * @param {number} index of the score to follow
 * @returns {Sweep}
 */
export function sweep(predictor, row, column, index) {
  const values = candidates(column);
  return {
    values,
    answers: values.map((value) => answer(predictor, { ...row, [column.name]: value }, index)),
  };
}

/** @param {Column} column @returns {(string | number | boolean)[]} */
function candidates({ kind, minimum, maximum, step, values }) {
  if (kind === "boolean") return [false, true];
  if (kind === "category") return values.slice(0, MOST_VALUES);
  if (minimum === null || maximum === null) return [];
  const [low, high] = kind === "date" ? [
    Date.parse(String(minimum)),
    Date.parse(String(maximum)),
  ] : [Number(minimum), Number(maximum)];
  const tried = Array.from({ length: STEPS + 1 }, (_, at) => low + ((high - low) * at) / STEPS);
  if (kind === "date") return tried.map((time) => isoDate(time, String(minimum)));
  return [...new Set(step === 1 ? tried.map(Math.round) : tried)];
}

/** @param {number} time milliseconds @param {string} like tells whether there is a time of day */
export function isoDate(time, like) {
  return new Date(time).toISOString().slice(0, like.length > 10 ? 19 : 10);
}
