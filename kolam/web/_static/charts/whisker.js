import { html, svg } from "./dom.js";
import { linear, ticks } from "./scale.js";
import { number } from "./format.js";

const WIDTH = 200;
const INSET = 6; // room for half a dot at either end

/** @typedef {{value: number | null, low: number | null, high: number | null}} Estimate */

/**
 * A value and its interval on a scale that several of these share.
 * @param {Estimate} estimate
 * @param {[number, number]} domain
 * @param {number | null} [reference] marked by a thin line, as the value of all rows
 */
export function whisker({ value, low, high }, domain, reference) {
  const [width, height, middle] = [WIDTH, 20, 10];
  const toX = linear(domain, [INSET, width - INSET]);
  return svg(
    "svg",
    { class: "whisker", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", preserveAspectRatio: "none" },
    reference === null || reference === undefined
      ? null
      : svg(
        "line",
        { class: "reference", x1: toX(reference), x2: toX(reference), y1: 0, y2: height },
      ),
    low === null || high === null
      ? null
      : svg("line", { class: "interval", x1: toX(low), x2: toX(high), y1: middle, y2: middle }),
    // a line of no length with round ends: stays a dot when the picture is stretched
    value === null
      ? null
      : svg("line", { class: "value", x1: toX(value), x2: toX(value), y1: middle, y2: middle }),
  );
}

/**
 * The axis over a column of whiskers, as text that keeps its shape at any width.
 * @param {[number, number]} domain
 */
export function whiskerAxis(domain) {
  const toShare = linear(domain, [INSET / WIDTH, 1 - INSET / WIDTH]);
  return html(
    "div",
    { class: "whisker-axis", "aria-hidden": "true" },
    ticks(...domain, 3).map((value) => {
      const mark = html("span", {}, number(value));
      mark.style.left = `${100 * toShare(value)}%`;
      return mark;
    }),
  );
}
