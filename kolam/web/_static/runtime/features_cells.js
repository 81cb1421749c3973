/**
 * Cells of a row in the forms that operations take; what cannot be read is refused.
 */
import { at, dateFromDays, daysFromDate } from "./features_calendar.js";
import { DataError, UnknownNameError } from "./features_errors.js";

/** @typedef {number | string | boolean | null | undefined} Cell */
/** @typedef {{[column: string]: Cell}} Row A missing value is null, undefined, NaN or "". */
/** @typedef {"number" | "text" | "boolean" | "date"} Reads */

/** @typedef {number | string | null} Value Numbers and dates with NaN for missing, text with null. */

const TRUE_WORDS = ["true", "yes", "t", "y"];
const FALSE_WORDS = ["false", "no", "f", "n"];
const BOOLEAN_HELP = `Give one of ${[...TRUE_WORDS, ...FALSE_WORDS].join(", ")}, or 0 or 1.`;
const DATE_HELP = "Write dates as 2026-11-22 or 2026-11-22T10:30:00Z, or give Unix seconds.";
const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:\d{2})?)?$/;

/**
 * @param {Row} row
 * @param {string} name
 * @returns {Cell}
 */
export function cellOf(row, name) {
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
  let before = Array.from({ length: other.length + 1 }, (_, place) => place);
  for (let i = 1; i <= one.length; i++) {
    const now = [i];
    for (let j = 1; j <= other.length; j++) {
      const change = at(before, j - 1) + (one[i - 1] === other[j - 1] ? 0 : 1);
      now.push(Math.min(change, at(before, j) + 1, at(now, j - 1) + 1));
    }
    before = now;
  }
  return at(before, other.length) * 3 <= Math.max(one.length, other.length);
}

/**
 * Read one cell into the form that operations take.
 * @param {Cell} cell
 * @param {Reads} reads
 * @param {string} column
 * @param {number} row
 * @returns {Value}
 */
export function read(cell, reads, column, row) {
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
