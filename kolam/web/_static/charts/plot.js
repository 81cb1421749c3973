import { svg } from "./dom.js";
import { number } from "./format.js";
import { chart } from "./figure.js";
import { linear, ticks } from "./scale.js";

/**
 * @typedef {object} Series
 * @property {string} name
 * @property {[number, number][]} points
 * @property {"line" | "dots" | "dashed" | "dotted-line"} [mark]
 * @property {number[]} [sizes] share of rows per point, 0..1, for dots
 *
 * @typedef {object} PlotOptions
 * @property {string} description
 * @property {Series[]} series the first in the accent colour
 * @property {[number, number]} x
 * @property {[number, number]} y
 * @property {string} xLabel
 * @property {string} yLabel
 * @property {boolean} [square]
 * @property {boolean} [diagonal] draw the line x = y
 * @property {(value: number) => string} [xFormat]
 */

/**
 * Lines and dots on two axes.
 * @param {PlotOptions} options
 */
export function plot({
  description,
  series,
  x,
  y,
  xLabel,
  yLabel,
  square,
  diagonal,
  xFormat = number,
}) {
  return chart(
    description,
    (width) => {
      const [left, right, top, bottom] = [46, 12, 22, 40];
      const height = square
        ? width - left - right + top + bottom
        : Math.min(280, Math.max(200, width * 0.45));
      const toX = linear(x, [left, width - right]);
      const toY = linear(y, [height - bottom, top]);
      const [low, high] = [Math.max(x[0], y[0]), Math.min(x[1], y[1])];
      return {
        height,
        marks: [
          ...ticks(...y, height < 230 ? 4 : 5).flatMap((value) => [
            svg(
              "line",
              { class: "grid", x1: left, x2: width - right, y1: toY(value), y2: toY(value) },
            ),
            svg("text", { class: "tick end", x: left - 8, y: toY(value) + 4 }, number(value)),
          ]),
          ...ticks(...x, width < 420 ? 4 : 6).map((value) =>
            svg(
              "text",
              { class: "tick middle", x: toX(value), y: height - bottom + 18 },
              xFormat(value),
            ),
          ),
          svg("text", { class: "axis", x: left, y: 11 }, yLabel),
          svg("text", { class: "axis end", x: width - right, y: height - 4 }, xLabel),
          diagonal && svg(
            "line",
            { class: "diagonal", x1: toX(low), y1: toY(low), x2: toX(high), y2: toY(high) },
          ),
          ...series.flatMap((one, index) => draw(one, index, toX, toY)),
        ],
      };
    },
    square ? 380 : 720,
  );
}

/**
 * @param {Series} series @param {number} index
 * @param {(value: number) => number} toX @param {(value: number) => number} toY
 */
function draw({ name, points, mark = "line", sizes }, index, toX, toY) {
  const place = points.map(([px, py]) => `${toX(px).toFixed(1)} ${toY(py).toFixed(1)}`);
  const path =
    mark === "dots"
      ? null
      : svg(
        "path",
        { class: `line series-${index} ${mark}`, d: `M${place.join('L')}` },
        svg("title", {}, name),
      );
  const dots =
    mark === "dots" || mark === "dotted-line"
      ? points.map(([px, py], at) =>
          svg("circle", {
            class: `dot series-${index}`,
            cx: toX(px).toFixed(1),
            cy: toY(py).toFixed(1),
            r: sizes ? (2.5 + 6 * Math.sqrt(sizes[at])).toFixed(1) : 2.5,
          }),
        )
      : [];
  return [path, ...dots];
}

/**
 * Names of the series beside a sample of their marks.
 * @param {string[]} names
 */
export function sampleMark(names) {
  return names.map((name, index) => ({ name, className: `series-${index}` }));
}
