/**
 * Columns of a table to the numbers of a model, and scores back to labels.
 *
 * The same records as `kolam.features` in Python, with the same float32 bits; what each operation
 * means is in docs/specs/features.md. All arithmetic is float64, one operation at a time, and is
 * rounded to float32 once, when a feature is written.
 */

import { at, dateFromDays } from "./features_calendar.js";
import { cellOf, read } from "./features_cells.js";
import { checkProgram, parse } from "./features_check.js";
import { ScoresError, damaged } from "./features_errors.js";

export {
  DataError,
  FeatureError,
  ProgramError,
  ScoresError,
  UnknownNameError,
} from "./features_errors.js";

/** @typedef {import("./features_cells.js").Row} Row */
/** @typedef {import("./features_cells.js").Reads} Reads */
/** @typedef {import("./features_cells.js").Value} Value */
/** @typedef {import("./features_check.js").InputColumn} InputColumn */
/** @typedef {import("./features_check.js").LabelRecord} LabelRecord */
/** @typedef {import("./features_check.js").Operation} Operation */
/** @typedef {import("./features_check.js").ProgramRecord} ProgramRecord */

/**
 * What scores mean.
 * @typedef {object} Decoded
 * @property {string | number | boolean} label The class, or the value of a regression.
 * @property {number} [index] Place of the class among `classes`.
 * @property {number} [value] The value of a regression.
 */

const FLOAT32_MAX = 3.4028234663852886e38;
const DAY = 86_400_000;

/**
 * Load a column program.
 *
 * @param {unknown} json The JSON form, as an object or as text.
 * @returns {FeatureProgram}
 * @throws {ProgramError} It is damaged, or of a version that this file does not read.
 */
export function loadFeatures(json) {
  return new FeatureProgram(checkProgram(typeof json === "string" ? parse(json) : json));
}

/** A fitted column program; made by `loadFeatures`. */
export class FeatureProgram {
  /** @type {{name: string, reads: Reads, chains: Chain[]}[]} */
  #plan;

  /** @param {ProgramRecord} record A checked program. */
  constructor(record) {
    /** @type {InputColumn[]} What an input form needs to know of each column. */
    this.columns = record.columns.map(({ name, kind, input }) => ({ ...input, name, kind }));
    /** @type {LabelRecord | null} */
    this.label = record.label;
    this.#plan = record.columns.map(({ name, input, chains }) => ({
      name,
      reads: input.reads,
      chains: chains.map((operations) => new Chain(operations)),
    }));
    /** Number of features of a row. */
    this.width = 0;
    for (const column of this.#plan) {
      for (const chain of column.chains) this.width += chain.width;
    }
    /** @type {string[]} One name per feature. */
    this.featureNames = record.features;
  }

  /**
   * Make the features of one row.
   * @param {Row} row Column name to value; columns that the program does not use are ignored.
   * @returns {Float32Array} `width` numbers, always finite.
   * @throws {UnknownNameError} The row lacks a column.
   * @throws {DataError} A value is infinite or of another kind.
   */
  apply(row) {
    return this.applyMany([row]);
  }

  /**
   * Make the features of several rows.
   * @param {readonly Row[]} rows
   * @returns {Float32Array} `rows.length * width` numbers, row by row.
   */
  applyMany(rows) {
    const out = new Float32Array(rows.length * this.width);
    rows.forEach((row, number) => {
      let start = number * this.width;
      for (const column of this.#plan) {
        const value = read(cellOf(row, column.name), column.reads, column.name, number);
        for (const chain of column.chains) {
          chain.run(value, out, start);
          start += chain.width;
        }
      }
    });
    return out;
  }

  /**
   * Give the label that the scores of one row mean.
   * @param {ArrayLike<number>} scores One probability per class, or the value of a regression.
   * @returns {Decoded} The class with the highest score (the first one of equals), or the value.
   */
  decode(scores) {
    const label = this.label;
    if (label === null) {
      throw new ScoresError("The program has no label.", "Read the scores themselves.");
    }
    const wanted = label.classes === null ? 1 : label.classes.length;
    if (scores.length !== wanted) {
      throw new ScoresError(
        `A row of scores of the label '${label.name}' has ${scores.length} numbers.`,
        `Give ${wanted}.`,
        label.name,
      );
    }
    const values = Array.from(scores);
    if (values.some(Number.isNaN)) {
      throw new ScoresError(
        `Scores of the label '${label.name}' hold NaN.`,
        "Look at what the model was given in this row; weights may be NaN as well.",
        label.name,
      );
    }
    if (label.classes === null) {
      const value = /** @type {number} */ (values[0]);
      return { label: value, value };
    }
    const index = values.reduce((best, score, place) => (score > at(values, best) ? place : best), 0);
    return { label: at(label.classes, index), index };
  }
}

/** Operations that make features of the value of one column. */
class Chain {
  /** @type {((value: Value) => Value)[]} */
  #steps;
  /** @type {(value: Value, out: Float32Array, start: number) => void} */
  #write;

  /** @param {Operation[]} operations Checked ones. */
  constructor(operations) {
    const last = at(operations, operations.length - 1);
    const ends = last.op === "onehot" || last.op === "index" || last.op === "cyclic";
    const inner = ends ? operations.slice(0, -1) : operations;
    this.#steps = inner.map(stepOf);
    /** Number of features. */
    this.width = 1;
    this.#write = writeNumber;
    if (last.op === "onehot") {
      this.width = indexSize(at(operations, operations.length - 2));
      this.#write = writeOneHot;
    } else if (last.op === "cyclic") {
      this.width = 2;
      this.#write = circleWriter(last.first, last.sines, last.cosines);
    }
  }

  /**
   * @param {Value} value What `read` gives.
   * @param {Float32Array} out All zero where the features go.
   * @param {number} start
   */
  run(value, out, start) {
    let state = value;
    for (const step of this.#steps) state = step(state);
    this.#write(state, out, start);
  }
}

/**
 * Give the function of one operation that does not end a chain.
 * @param {Operation} operation
 * @returns {(value: Value) => Value}
 */
function stepOf(operation) {
  switch (operation.op) {
    case "impute": {
      const { value } = operation;
      return (x) => (Number.isNaN(x) ? value : x);
    }
    case "clip": {
      const { low, high } = operation;
      return onNumber((x) => (x < low ? low : x > high ? high : x));
    }
    case "squash": {
      const { points, values } = operation;
      return onNumber((x) => interpolate(x, points, values));
    }
    case "zscore": {
      const { mean, std } = operation;
      return onNumber((x) => (x - mean) / std);
    }
    case "missing":
      return (x) => (Number.isNaN(x) ? 1 : 0);
    case "buckets": {
      const { edges, missing } = operation;
      const none = missing ? edges.length + 1 : -1;
      return onNumber((x) => (Number.isNaN(x) ? none : countUpTo(edges, x)));
    }
    case "vocabulary":
      return lookUp(operation.values, operation.unknown, operation.missing);
    case "part": {
      const { part } = operation;
      return onNumber((x) => (Number.isNaN(x) ? x : partOf(part, x)));
    }
    default:
      throw damaged(`${operation.op} stands inside a chain`);
  }
}

/**
 * @param {(x: number) => number} fn
 * @returns {(value: Value) => Value}
 */
function onNumber(fn) {
  return (value) => fn(/** @type {number} */ (value));
}

/**
 * @param {number} x
 * @param {number[]} points
 * @param {number[]} curve
 */
function interpolate(x, points, curve) {
  const last = points.length - 1;
  if (Number.isNaN(x)) return x;
  if (x >= at(points, last)) return at(curve, last);
  if (x <= at(points, 0)) return at(curve, 0);
  const left = countUpTo(points, x) - 1;
  const from = at(points, left);
  const share = (x - from) / (at(points, left + 1) - from);
  return at(curve, left) + share * (at(curve, left + 1) - at(curve, left));
}

/**
 * Count the numbers of an increasing list that are not above `x`.
 * @param {number[]} sorted
 * @param {number} x
 */
function countUpTo(sorted, x) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at(sorted, middle) <= x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * @param {(string | number)[]} values
 * @param {boolean} unknown
 * @param {boolean} missing
 * @returns {(value: Value) => Value}
 */
function lookUp(values, unknown, missing) {
  const places = new Map(values.map((value, place) => [value, place]));
  const unknownAt = unknown ? values.length : -1;
  const missingAt = missing ? values.length + (unknown ? 1 : 0) : unknownAt;
  return (value) => {
    if (value === null || Number.isNaN(value)) return missingAt;
    return places.get(value) ?? unknownAt;
  };
}

/** @param {Operation} operation */
function indexSize(operation) {
  if (operation.op === "buckets") return operation.edges.length + 1 + (operation.missing ? 1 : 0);
  if (operation.op !== "vocabulary") throw damaged(`onehot follows ${operation.op}`);
  return operation.values.length + (operation.unknown ? 1 : 0) + (operation.missing ? 1 : 0);
}

/**
 * What is missing to the end becomes 0, what is too large the largest float32.
 * @param {Value} value
 * @param {Float32Array} out
 * @param {number} start
 */
function writeNumber(value, out, start) {
  const x = /** @type {number} */ (value);
  if (Number.isNaN(x)) return;
  out[start] = x > FLOAT32_MAX ? FLOAT32_MAX : x < -FLOAT32_MAX ? -FLOAT32_MAX : x;
}

/**
 * @param {Value} value
 * @param {Float32Array} out
 * @param {number} start
 */
function writeOneHot(value, out, start) {
  const index = /** @type {number} */ (value);
  if (index >= 0) out[start + index] = 1;
}

/**
 * @param {number} first
 * @param {number[]} sines
 * @param {number[]} cosines
 * @returns {(value: Value, out: Float32Array, start: number) => void}
 */
function circleWriter(first, sines, cosines) {
  const size = sines.length;
  return (value, out, start) => {
    if (Number.isNaN(value)) return;
    const offset = Math.floor(/** @type {number} */ (value) - first);
    const turned = offset - Math.floor(offset / size) * size;
    const place = turned < 0 ? 0 : turned > size - 1 ? size - 1 : turned;
    out[start] = at(sines, place);
    out[start + 1] = at(cosines, place);
  };
}

/**
 * Take one part of a date.
 * @param {string} part
 * @param {number} millis Milliseconds since 1970.
 */
function partOf(part, millis) {
  if (part === "seconds") return Math.floor(millis / 1000);
  const days = Math.floor(millis / DAY);
  if (part === "hour") return Math.floor((millis - days * DAY) / 3_600_000);
  if (part === "weekday") return days + 3 - Math.floor((days + 3) / 7) * 7;
  const [year, month, day] = dateFromDays(days);
  return part === "year" ? year : part === "month" ? month : day;
}
