/** Where a value lies on an axis, and which round values deserve a mark. */

/**
 * Map a range of values to a range of pixels. A range of one value maps to the middle.
 * @param {[number, number]} domain
 * @param {[number, number]} range
 */
export function linear([low, high], [from, to]) {
  const span = high - low;
  return (/** @type {number} */ value) =>
    span === 0 ? (from + to) / 2 : from + ((value - low) / span) * (to - from);
}

/**
 * Choose about `count` round values inside [low, high].
 * @param {number} low
 * @param {number} high
 * @param {number} [count]
 * @returns {number[]}
 */
export function ticks(low, high, count = 5) {
  if (!(high > low)) return [low];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  // a multiple of a round step, cleaned of the noise of binary fractions
  return Array.from({ length: last - first + 1 }, (_, index) =>
    Number(((first + index) * step).toPrecision(12)),
  );
}

/**
 * Widen the range of some values a little, so that no mark sits on the frame.
 * @param {Iterable<number | null | undefined>} values others than finite ones are passed over
 * @param {number} [margin] share of the span
 * @returns {[number, number]}
 */
export function extent(values, margin = 0) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null || value === undefined || !Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return [0, 1];
  const share = low === high ? Math.max(margin, 0.1) : margin;
  const room = (high - low || Math.abs(high) || 1) * share;
  return [low - room, high + room];
}
