/** Numbers as people read them: few digits, real minus signs, units that fit. */

/**
 * Show a number with about three telling digits, whole ones in full: `1,234`, `0.0132`, `2.5e−7`.
 * @param {number | null | undefined} value
 * @param {number} [digits]
 */
export function number(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const text =
    value === 0
      ? "0"
      : size >= 1e15 || size < 1e-4
        ? value.toExponential(digits - 2).replace(/\.?0+e/, "e").replace("e+", "e")
        : size >= 1000 || Number.isInteger(value)
          ? Math.round(value).toLocaleString("en-US")
          : String(Number(value.toPrecision(digits)));
  return text.replaceAll("-", "−");
}

/**
 * Show a measure with a fixed number of decimals, so that a column of them lines up.
 * @param {number | null | undefined} value
 * @param {number} [decimals]
 */
export function fixed(value, decimals = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return number(value);
  return value.toFixed(decimals).replace("-", "−");
}

/** @param {number | null | undefined} share in 0..1 */
export function percent(share) {
  if (share === null || share === undefined || Number.isNaN(share)) return "–";
  const value = share * 100;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  if (value < 100 && value > 99.9) return "> 99.9 %";
  return `${value.toFixed(value < 10 ? 1 : 0).replace(/\.0$/, '')} %`;
}

/** @param {number | null | undefined} count of bytes */
export function bytes(count) {
  if (count === null || count === undefined) return "–";
  if (count < 1024) return `${count} B`;
  const units = ["KB", "MB", "GB"];
  let value = count / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const shown = value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en-US");
  return `${shown} ${units[unit]}`;
}

/** @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds === 0) return "0 s";
  if (seconds < 1e-3) return `${number(seconds * 1e6)} µs`;
  if (seconds < 1) return `${number(seconds * 1e3)} ms`;
  if (seconds < 100) return `${number(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/**
 * Show any value of a table cell as it stands: two different values never look the same.
 * @param {unknown} value
 */
export function cell(value) {
  if (value === null || value === undefined) return "missing";
  return value === "" ? "(empty)" : String(value);
}

/**
 * Count things in words: `1 row`, `2 rows`.
 * @param {number} count
 * @param {string} thing
 */
export const counted = (count, thing) => `${number(count)} ${thing}${count === 1 ? '' : 's'}`;
