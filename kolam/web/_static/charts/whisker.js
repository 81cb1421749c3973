import { svg } from './dom.js';
import { linear, ticks } from './scale.js';
import { number } from './format.js';

/** @typedef {{value: number | null, low: number | null, high: number | null}} Estimate */

/**
 * A value and its interval on a scale that several of these share.
 * @param {Estimate} estimate
 * @param {[number, number]} domain
 * @param {number | null} [reference] marked by a thin line, as the value of all rows
 */
export function whisker({ value, low, high }, domain, reference) {
  const [width, height, middle] = [200, 20, 10];
  const toX = linear(domain, [6, width - 6]);
  return svg(
    'svg',
    { class: 'whisker', viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true', preserveAspectRatio: 'none' },
    reference === null || reference === undefined
      ? null
      : svg('line', { class: 'reference', x1: toX(reference), x2: toX(reference), y1: 0, y2: height }),
    low === null || high === null
      ? null
      : svg('line', { class: 'interval', x1: toX(low), x2: toX(high), y1: middle, y2: middle }),
    // a line of no length with round ends: stays a dot when the picture is stretched
    value === null
      ? null
      : svg('line', { class: 'value', x1: toX(value), x2: toX(value), y1: middle, y2: middle }),
  );
}

/**
 * The axis over a column of whiskers.
 * @param {[number, number]} domain
 */
export function whiskerAxis(domain) {
  const [width, height] = [200, 16];
  const toX = linear(domain, [6, width - 6]);
  const marks = ticks(...domain, 3);
  return svg(
    'svg',
    { class: 'whisker-axis', viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' },
    marks.map(value => svg('text', { class: 'tick middle', x: toX(value), y: 12 }, number(value))),
  );
}
