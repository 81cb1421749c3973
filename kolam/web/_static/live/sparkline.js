import { svg } from "../charts/dom.js";
import { linear } from "../charts/scale.js";

const WIDTH = 200;
const HEIGHT = 44;

/**
 * Draw how the answer moves over a field: a curve for an ordered field, bars for the rest.
 * @param {SVGSVGElement} picture is filled anew
 * @param {object} options
 * @param {number[]} options.answers
 * @param {boolean} options.ordered
 * @param {[number, number]} options.domain of the answers, the same for all fields
 * @param {number} options.position of the present value: 0..1 along the curve, or index of the bar; -1 for none
 * @param {number} options.present the present answer
 */
export function drawSparkline(picture, { answers, ordered, domain, position, present }) {
  picture.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  picture.setAttribute("preserveAspectRatio", "none");
  const toY = linear(domain, [HEIGHT - 5, 5]);
  /** @type {SVGElement[]} */
  const marks = [
    svg("line", { class: "now", x1: 0, x2: WIDTH, y1: toY(present), y2: toY(present) }),
  ];
  if (ordered) {
    const toX = linear([0, Math.max(1, answers.length - 1)], [4, WIDTH - 4]);
    const path = answers.map(
      (value, at) => `${toX(at).toFixed(1)} ${toY(value).toFixed(1)}`,
    ).join("L");
    marks.push(svg("path", { class: "line", d: `M${path}` }));
    if (position >= 0) marks.push(point(4 + position * (WIDTH - 8), toY(present)));
  } else {
    const slot = WIDTH / Math.max(1, answers.length);
    answers.forEach((value, at) => {
      const [y, inset] = [toY(value), Math.min(6, slot * 0.2)];
      const mark = { x1: at * slot + inset, x2: (at + 1) * slot - inset, y1: y, y2: y };
      marks.push(svg("line", { class: at === position ? "level chosen" : "level", ...mark }));
    });
  }
  picture.replaceChildren(...marks);
}

/** @param {number} x @param {number} y a line of no length: round even when the picture is stretched */
const point = (x, y) => svg("line", { class: "point", x1: x, x2: x, y1: y, y2: y });
