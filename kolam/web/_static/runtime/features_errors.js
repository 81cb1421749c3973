/**
 * Errors of a column program, by cause.
 */
import { KolamError } from "./errors.js";

/** An error about one column, in three parts: what was wrong, where, what to do. */
export class FeatureError extends KolamError {
  /**
   * @param {string} what What was wrong, with the values received.
   * @param {string} how What to do now.
   * @param {string | null} [column] Name of the column at fault.
   */
  constructor(what, how, column = null) {
    super(what, column === null ? "features" : `column '${column}'`, how);
    this.name = new.target.name;
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
 * @param {string} what
 * @returns {ProgramError}
 */
export function damaged(what) {
  return new ProgramError(
    `The feature program is damaged: ${what}.`,
    "Get the model from its origin again.",
  );
}
