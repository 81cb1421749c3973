/**
 * Columns of a table to the numbers of a model, and scores back to labels.
 *
 * The same records as `kolam.features` in Python, with the same float32 bits; what each operation
 * means is in docs/specs/features.md. All arithmetic is float64, one operation at a time, and is
 * rounded to float32 once, when a feature is written.
 */

/** @typedef {number | string | boolean | null | undefined} Cell */
/** @typedef {{[column: string]: Cell}} Row A missing value is null, undefined, NaN or "". */
/** @typedef {"number" | "text" | "boolean" | "date"} Reads */

/**
 * What an input form needs to know of a column.
 * @typedef {object} InputColumn
 * @property {string} name
 * @property {"number" | "category" | "boolean" | "date"} kind
 * @property {Reads} reads How its values are read; a category can hold numbers or text.
 * @property {number | string | boolean | null} typical A value to begin with.
 * @property {number | string | null} minimum
 * @property {number | string | null} maximum
 * @property {number | null} step Distance of neighbouring numbers; of dates, in seconds.
 * @property {(string | number)[]} values Vocabulary, the most frequent value first.
 * @property {boolean} optional Whether values were missing when the program was fitted.
 */

/**
 * @typedef {{op: "impute", value: number}
 *   | {op: "clip", low: number, high: number}
 *   | {op: "squash", points: number[], values: number[]}
 *   | {op: "zscore", mean: number, std: number}
 *   | {op: "missing"}
 *   | {op: "buckets", edges: number[], missing: boolean}
 *   | {op: "vocabulary", values: (string | number)[], unknown: boolean, missing: boolean}
 *   | {op: "onehot"}
 *   | {op: "index"}
 *   | {op: "part", part: string}
 *   | {op: "cyclic", first: number, sines: number[], cosines: number[]}} Operation
 */

/** @typedef {"binary" | "multiclass" | "regression"} Task */

/**
 * @typedef {object} LabelRecord
 * @property {string} name
 * @property {Task} task
 * @property {string} type
 * @property {(string | number | boolean)[] | null} classes Whole numbers above 2^53 are text.
 */

/**
 * @typedef {object} ProgramRecord
 * @property {string} format
 * @property {number} version
 * @property {{name: string, kind: InputColumn["kind"],
 *   input: Omit<InputColumn, "name" | "kind">, chains: Operation[][]}[]} columns
 * @property {string[]} features
 * @property {LabelRecord | null} label
 */

/**
 * What scores mean.
 * @typedef {object} Decoded
 * @property {string | number | boolean} label The class, or the value of a regression.
 * @property {number} [index] Place of the class among `classes`.
 * @property {number} [value] The value of a regression.
 */

/** A cell as operations take it: numbers and dates with NaN for missing, text with null. */
/** @typedef {number | string | null} Value */

const FORMAT = "kolam.features";
const VERSION = 1;
const FLOAT32_MAX = 3.4028234663852886e38;
const DAY = 86_400_000;
const TRUE_WORDS = ["true", "yes", "t", "y"];
const FALSE_WORDS = ["false", "no", "f", "n"];
const BOOLEAN_HELP = `Give one of ${[...TRUE_WORDS, ...FALSE_WORDS].join(", ")}, or 0 or 1.`;
const DATE_HELP = "Write dates as 2026-11-22 or 2026-11-22T10:30:00Z, or give Unix seconds.";
const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:\d{2})?)?$/;

/** An error that says what was wrong, where, and what to do. */
export class FeatureError extends Error {
  /**
   * @param {string} what What was wrong, with the values received.
   * @param {string} how What to do now.
   * @param {string | null} [column] Name of the column at fault.
   */
  constructor(what, how, column = null) {
    super(how ? `${what}\n  ${how}` : what);
    this.name = new.target.name;
    this.what = what;
    this.how = how;
    this.column = column;
  }
}

/** A value that cannot be used. */
export class DataError extends FeatureError {}

/** A column that a row should have and has not. */
export class UnknownNameError extends FeatureError {}

/** A program that is damaged, or of another version. */
export class ProgramError extends FeatureError {}

/** Scores of a wrong length, or NaN. */
export class ScoresError extends FeatureError {}

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
    const index = values.reduce((best, score, at) => (score > at_(values, best) ? at : best), 0);
    return { label: at_(label.classes, index), index };
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
    const last = at_(operations, operations.length - 1);
    const ends = last.op === "onehot" || last.op === "index" || last.op === "cyclic";
    const inner = ends ? operations.slice(0, -1) : operations;
    this.#steps = inner.map(stepOf);
    /** Number of features. */
    this.width = 1;
    this.#write = writeNumber;
    if (last.op === "onehot") {
      this.width = indexSize(at_(operations, operations.length - 2));
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
  if (x >= at_(points, last)) return at_(curve, last);
  if (x <= at_(points, 0)) return at_(curve, 0);
  const left = countUpTo(points, x) - 1;
  const from = at_(points, left);
  const share = (x - from) / (at_(points, left + 1) - from);
  return at_(curve, left) + share * (at_(curve, left + 1) - at_(curve, left));
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
    if (at_(sorted, middle) <= x) low = middle + 1;
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
    out[start] = at_(sines, place);
    out[start + 1] = at_(cosines, place);
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

/**
 * Give year, month and day of days counted from 1970-01-01; years begin in March, so that the
 * leap day is the last of the year.
 * @param {number} days
 * @returns {[number, number, number]}
 */
function dateFromDays(days) {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const ofEra = shifted - era * 146_097;
  const leaps =
    Math.floor(ofEra / 1460) - Math.floor(ofEra / 36_524) + Math.floor(ofEra / 146_096);
  const yearOfEra = Math.floor((ofEra - leaps) / 365);
  const ofYear =
    ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * ofYear + 2) / 153);
  const day = ofYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  return [yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day];
}

/**
 * @param {number} year
 * @param {number} month
 * @param {number} day
 */
function daysFromDate(year, month, day) {
  const marchYear = year - (month <= 2 ? 1 : 0);
  const era = Math.floor(marchYear / 400);
  const yearOfEra = marchYear - era * 400;
  const fromMarch = month > 2 ? month - 3 : month + 9;
  const ofYear = Math.floor((153 * fromMarch + 2) / 5) + day - 1;
  const ofEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + ofYear;
  return era * 146_097 + ofEra - 719_468;
}

/**
 * @param {Row} row
 * @param {string} name
 * @returns {Cell}
 */
function cellOf(row, name) {
  if (Object.hasOwn(row, name)) return row[name];
  const known = Object.keys(row).sort();
  const low = name.toLowerCase();
  const near = known.filter((other) => isNear(low, other.toLowerCase())).slice(0, 3);
  const hint = near.length ? `Did you mean ${near.map((n) => `'${n}'`).join(" or ")}? ` : "";
  const listing = known.length
    ? `There are: ${known.slice(0, 20).join(", ")}.`
    : "There is no column at all.";
  throw new UnknownNameError(`There is no column '${name}'.`, hint + listing, name);
}

/**
 * Say whether two names differ by at most a third of their letters, or one holds the other.
 * @param {string} one
 * @param {string} other
 */
function isNear(one, other) {
  if (one.includes(other) || other.includes(one)) return true;
  let before = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let i = 1; i <= one.length; i++) {
    const now = [i];
    for (let j = 1; j <= other.length; j++) {
      const change = at_(before, j - 1) + (one[i - 1] === other[j - 1] ? 0 : 1);
      now.push(Math.min(change, at_(before, j) + 1, at_(now, j - 1) + 1));
    }
    before = now;
  }
  return at_(before, other.length) * 3 <= Math.max(one.length, other.length);
}

/**
 * Read one cell into the form that operations take.
 * @param {Cell} cell
 * @param {Reads} reads
 * @param {string} column
 * @param {number} row
 * @returns {Value}
 */
function read(cell, reads, column, row) {
  switch (reads) {
    case "number":
      return readNumber(cell, column, row);
    case "boolean":
      return readBoolean(cell, column, row);
    case "date":
      return readDate(cell, column, row);
    default:
      return readText(cell, column, row);
  }
}

/** @param {Cell} cell */
function isMissing(cell) {
  return cell === null || cell === undefined || cell === "" || Number.isNaN(cell);
}

/**
 * @param {Cell} cell
 * @param {string} column
 * @param {number} row
 */
function readNumber(cell, column, row) {
  if (isMissing(cell)) return NaN;
  if (typeof cell === "boolean") return cell ? 1 : 0;
  if (typeof cell !== "number") {
    const how = "Give numbers without quotes; leave it empty if it is missing.";
    throw wrongValue(cell, column, row, "a number", how);
  }
  if (!Number.isFinite(cell)) {
    throw new DataError(
      `Column '${column}' holds ${cell < 0 ? "-" : ""}infinity in row ${row}.`,
      "Leave the value empty if it is unknown, or put a finite number.",
      column,
    );
  }
  return cell;
}

/**
 * @param {Cell} cell
 * @param {string} column
 * @param {number} row
 */
function readBoolean(cell, column, row) {
  if (isMissing(cell)) return NaN;
  if (typeof cell === "string") {
    const trimmed = cell.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, "");
    const word = trimmed.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
    if (TRUE_WORDS.includes(word)) return 1;
    if (FALSE_WORDS.includes(word)) return 0;
  } else {
    const number = readNumber(cell, column, row);
    if (number === 0 || number === 1) return number;
  }
  throw wrongValue(cell, column, row, "true or false", BOOLEAN_HELP);
}

/**
 * @param {Cell} cell
 * @param {string} column
 * @param {number} row
 */
function readText(cell, column, row) {
  if (isMissing(cell)) return null;
  if (typeof cell === "string") return cell;
  if (typeof cell === "boolean") return String(cell);
  if (Number.isSafeInteger(readNumber(cell, column, row))) return String(cell);
  throw wrongValue(cell, column, row, "text", "Give text; whole numbers are taken as well.");
}

/**
 * @param {Cell} cell
 * @param {string} column
 * @param {number} row
 */
function readDate(cell, column, row) {
  if (isMissing(cell)) return NaN;
  let millis = NaN;
  if (typeof cell === "string") {
    millis = parseDate(cell);
  } else {
    const seconds = readNumber(cell, column, row);
    if (Math.abs(seconds) <= 8.64e12) millis = Math.floor(seconds * 1000);
  }
  if (Number.isNaN(millis)) throw wrongValue(cell, column, row, "a date", DATE_HELP);
  return millis;
}

/**
 * Give the milliseconds since 1970 of ISO 8601 text, NaN if it is none.
 * @param {string} text
 */
function parseDate(text) {
  const found = ISO.exec(text);
  if (found === null) return NaN;
  const [year, month, day, hour, minute, second] = [1, 2, 3, 4, 5, 6].map((group) =>
    Number(found[group] ?? 0),
  );
  if (
    year === undefined ||
    month === undefined ||
    day === undefined ||
    hour === undefined ||
    minute === undefined ||
    second === undefined
  ) {
    return NaN;
  }
  const days = daysFromDate(year, month, day);
  const back = dateFromDays(days);
  if (back[0] !== year || back[1] !== month || back[2] !== day) return NaN;
  if (hour > 23 || minute > 59 || second > 59) return NaN;
  const millis = Number((found[7] ?? "").padEnd(3, "0").slice(0, 3));
  const zone = found[8] ?? "Z";
  const ahead = zone === "Z" ? 0 : Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  const minutes = hour * 60 + minute - (zone.startsWith("-") ? -ahead : ahead);
  return ((days * 1440 + minutes) * 60 + second) * 1000 + millis;
}

/**
 * @param {Cell} cell
 * @param {string} column
 * @param {number} row
 * @param {string} wanted
 * @param {string} how
 */
function wrongValue(cell, column, row, wanted, how) {
  const shown = typeof cell === "string" ? JSON.stringify(cell) : String(cell);
  const what = `Column '${column}' holds ${shown} in row ${row}, which is not ${wanted}.`;
  return new DataError(what, how, column);
}

/**
 * @template T
 * @param {readonly T[]} list
 * @param {number} place A place that is certain to exist.
 * @returns {T}
 */
function at_(list, place) {
  return /** @type {T} */ (list[place]);
}

// --- reading a program with distrust ---

/** @typedef {{[key: string]: unknown}} Json */

const READS = ["number", "text", "boolean", "date"];
const KINDS = ["number", "category", "boolean", "date"];
const PARTS = ["year", "month", "day", "weekday", "hour", "seconds"];

/**
 * What each operation takes and gives, and a check of its values.
 * @type {{[op: string]: {takes: string, gives: string, check: (values: Json) => boolean}}}
 */
const OPERATIONS = {
  impute: { takes: "number", gives: "number", check: (v) => isNumber(v["value"]) },
  clip: {
    takes: "number",
    gives: "number",
    check: ({ low, high }) => isNumber(low) && isNumber(high) && low <= high,
  },
  squash: {
    takes: "number",
    gives: "number",
    check: ({ points, values }) =>
      isIncreasing(points) && isNumbers(values) && points.length > 0 &&
      points.length === values.length,
  },
  zscore: {
    takes: "number",
    gives: "number",
    check: ({ mean, std }) => isNumber(mean) && isNumber(std) && std > 0,
  },
  missing: { takes: "number", gives: "number", check: () => true },
  buckets: {
    takes: "number",
    gives: "index",
    check: ({ edges, missing }) => isIncreasing(edges) && typeof missing === "boolean",
  },
  vocabulary: {
    takes: "key",
    gives: "index",
    check: ({ values, unknown, missing }) =>
      Array.isArray(values) &&
      (values.every(isNumber) || values.every((value) => typeof value === "string")) &&
      new Set(values).size === values.length &&
      typeof unknown === "boolean" && typeof missing === "boolean",
  },
  onehot: { takes: "index", gives: "features", check: () => true },
  index: { takes: "index", gives: "features", check: () => true },
  part: {
    takes: "date",
    gives: "number",
    check: ({ part }) => typeof part === "string" && PARTS.includes(part),
  },
  cyclic: {
    takes: "number",
    gives: "features",
    check: ({ first, sines, cosines }) =>
      Number.isInteger(first) && isNumbers(sines) && isNumbers(cosines) &&
      sines.length > 0 && sines.length === cosines.length,
  },
};

/** @param {string} text */
function parse(text) {
  try {
    return /** @type {unknown} */ (JSON.parse(text));
  } catch (error) {
    throw damaged(`it is no JSON (${error instanceof Error ? error.message : error})`);
  }
}

/**
 * @param {unknown} json
 * @returns {ProgramRecord}
 */
function checkProgram(json) {
  const record = asObject(json, "it");
  if (record["format"] !== FORMAT) throw damaged("it is no feature program");
  if (record["version"] !== VERSION) {
    throw new ProgramError(
      `The feature program has version ${JSON.stringify(record["version"])}; ` +
        `this page reads version ${VERSION}.`,
      "Export the model again with the version of Kolam that the page came with.",
    );
  }
  const names = asList(record["columns"], "columns").map(checkColumn);
  if (new Set(names).size < names.length) throw damaged("a column stands there twice");
  if (!asList(record["features"], "features").every((name) => typeof name === "string")) {
    throw damaged("the name of a feature is no text");
  }
  if (record["label"] !== null) checkLabel(asObject(record["label"], "the label"));
  return /** @type {ProgramRecord} */ (/** @type {unknown} */ (record));
}

/**
 * @param {unknown} json
 * @returns {string} The name of the column.
 */
function checkColumn(json) {
  const { name, kind, input, chains } = asObject(json, "a column");
  if (typeof name !== "string") throw damaged("the name of a column is no text");
  const { reads } = asObject(input, name);
  if (typeof reads !== "string" || !READS.includes(reads)) throw damaged(`'${name}' is not read`);
  if (typeof kind !== "string" || !KINDS.includes(kind)) throw damaged(`'${name}' has no kind`);
  const list = asList(chains, name);
  if (list.length === 0) throw damaged(`'${name}' has no chain`);
  for (const chain of list) checkChain(asList(chain, name), name, reads);
  return name;
}

/**
 * @param {unknown[]} chain
 * @param {string} column
 * @param {string} reads
 */
function checkChain(chain, column, reads) {
  let state = reads === "boolean" ? "number" : reads;
  for (const entry of chain) {
    const values = asObject(entry, column);
    const name = values["op"];
    const rule =
      typeof name === "string" && Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name] : undefined;
    if (rule === undefined || !rule.check(values)) {
      throw damaged(`column '${column}' has an operation ${JSON.stringify(name)} that is wrong`);
    }
    const isKey = rule.takes === "key" && (state === "number" || state === "text");
    if (rule.takes !== state && !isKey) {
      throw damaged(`${String(name)} of column '${column}' gets a ${state}`);
    }
    const words = rule.takes === "key" ? asList(values["values"], column) : [];
    if (words.length > 0 && (typeof words[0] === "string") !== (state === "text")) {
      throw damaged(`the vocabulary of column '${column}' does not fit its type`);
    }
    state = rule.gives;
  }
  if (state !== "number" && state !== "features") {
    throw damaged(`a chain of column '${column}' ends with a ${state}`);
  }
}

/** @param {Json} label */
function checkLabel({ name, task, type, classes }) {
  const isRegression = task === "regression";
  if (!isRegression && task !== "binary" && task !== "multiclass") throw damaged("it has no task");
  if (typeof name !== "string" || typeof type !== "string") throw damaged("its label is wrong");
  const fits = isRegression ? classes === null : Array.isArray(classes) && classes.length > 0;
  if (!fits) throw damaged("the classes of the label do not fit its task");
}

/**
 * @param {unknown} value
 * @param {string} where
 * @returns {Json}
 */
function asObject(value, where) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw damaged(`${where} is no object`);
  }
  return /** @type {Json} */ (value);
}

/**
 * @param {unknown} value
 * @param {string} where
 * @returns {unknown[]}
 */
function asList(value, where) {
  if (!Array.isArray(value)) throw damaged(`${where} is no list`);
  return value;
}

/**
 * @param {unknown} value
 * @returns {value is number}
 */
function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/**
 * @param {unknown} value
 * @returns {value is number[]}
 */
function isNumbers(value) {
  return Array.isArray(value) && value.every(isNumber);
}

/**
 * @param {unknown} value
 * @returns {value is number[]}
 */
function isIncreasing(value) {
  return isNumbers(value) && value.every((x, at) => at === 0 || at_(value, at - 1) < x);
}

/** @param {string} what */
function damaged(what) {
  return new ProgramError(
    `The feature program is damaged: ${what}.`,
    "Get the model from its origin again.",
  );
}
