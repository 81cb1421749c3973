/**
 * A column program from an untrusted place: every value is checked before it is used.
 */
import { at } from "./features_calendar.js";
import { ProgramError, damaged } from "./features_errors.js";

/** @typedef {import("./features_cells.js").Reads} Reads */

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

const FORMAT = "kolam.features";
const VERSION = 1;

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
      new Set(/** @type {unknown[]} */ (values)).size === values.length &&
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
export function parse(text) {
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
export function checkProgram(json) {
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
  return isNumbers(value) && value.every((x, place) => place === 0 || at(value, place - 1) < x);
}
