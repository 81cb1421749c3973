import { svg } from "./dom.js";
import { number } from "./format.js";
import { chart } from "./figure.js";
import { extent, linear, ticks } from "./scale.js";

/**
 * A histogram: counts between edges.
 * @param {object} options
 * @param {string} options.description
 * @param {number[]} options.edges one more than counts
 * @param {number[]} options.counts
 * @param {string} options.xLabel
 * @param {number} [options.mark] a value to mark by a line
 */
export function histogram({ description, edges, counts, xLabel, mark }) {
  return chart(description, (width) => {
    const [left, right, top, bottom, height] = [46, 12, 22, 40, 220];
    const most = Math.max(1, ...counts);
    const toX = linear(extent(edges), [left, width - right]);
    const toY = linear([0, most], [height - bottom, top]);
    return {
      height,
      marks: [
        ...ticks(0, most, 4).flatMap((value) => [
          svg(
            "line",
            { class: "grid", x1: left, x2: width - right, y1: toY(value), y2: toY(value) },
          ),
          svg("text", { class: "tick end", x: left - 8, y: toY(value) + 4 }, number(value)),
        ]),
        ...counts.map((count, at) => bar(toX(edges[at]), toX(edges[at + 1]), toY(count), toY(0))),
        mark === undefined
          ? null
          : svg(
            "line",
            { class: "diagonal", x1: toX(mark), x2: toX(mark), y1: top, y2: height - bottom },
          ),
        ...ticks(...extent(edges), width < 420 ? 4 : 6).map((value) =>
          svg(
            "text",
            { class: "tick middle", x: toX(value), y: height - bottom + 18 },
            number(value),
          ),
        ),
        svg("text", { class: "axis", x: left, y: 11 }, "rows"),
        svg("text", { class: "axis end", x: width - right, y: height - 4 }, xLabel),
      ],
    };
  });
}

/**
 * A histogram the size of a word, without axes; the numbers stand in the text beside it.
 * @param {string} description
 * @param {number[]} edges
 * @param {number[]} counts
 */
export function smallHistogram(description, edges, counts) {
  const [width, height] = [160, 40];
  const toX = linear(extent(edges), [0, width]);
  const toY = linear([0, Math.max(1, ...counts)], [height - 1, 2]);
  return svg(
    "svg",
    { class: "small-histogram", role: "img", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" },
    svg("title", {}, description),
    counts.map((count, at) => bar(toX(edges[at]), toX(edges[at + 1]), toY(count), toY(0))),
    svg("line", { class: "base", x1: 0, x2: width, y1: height - 0.5, y2: height - 0.5 }),
  );
}

/** @param {number} from @param {number} to @param {number} top @param {number} bottom pixels */
function bar(from, to, top, bottom) {
  const gap = to - from > 4 ? 1 : 0;
  return svg("rect", {
    class: "bar",
    x: from.toFixed(2),
    y: top.toFixed(2),
    width: Math.max(0.5, to - from - gap).toFixed(2),
    height: Math.max(0, bottom - top).toFixed(2),
  });
}
