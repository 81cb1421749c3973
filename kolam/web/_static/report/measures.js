import { fixed } from "../charts/format.js";
import { extent } from "../charts/scale.js";

/** @typedef {import("./data.js").Estimate} Estimate */

const SHARES = new Set([
  ...["auc", "auprc", "brier", "accuracy", "balanced_accuracy", "precision", "recall", "f1"],
  ...["macro_f1", "macro_auc", "calibration_error"],
]);

/** @param {string} name of a measure: whether it lives in 0..1 */
export const isShare = (name) => SHARES.has(name);

/**
 * The axis that a group of estimates of one measure shares.
 * @param {Estimate[]} estimates
 * @param {string} name of the measure
 * @returns {[number, number]}
 */
export function measureDomain(estimates, name) {
  const [low, high] = extent(estimates.flatMap(({ value, low, high }) => [value, low, high]), 0.08);
  if (!isShare(name)) return [low, high];
  // a share is never drawn so near that a hair looks like a mile
  const room = Math.max(0, 0.1 - (high - low)) / 2;
  return [Math.max(0, low - room), Math.min(1, high + room)];
}

/**
 * An interval in words, or why there is none.
 * @param {Estimate} estimate
 */
export const interval = ({ low, high, reason }) =>
  low === null ? reason || "–" : `${fixed(low)} – ${fixed(high)}`;
