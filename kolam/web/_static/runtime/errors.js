/** An error in three parts: what was wrong, where, and what to do now. */
export class KolamError extends Error {
  /**
   * @param {string} what what was wrong, with the values received
   * @param {string} where file, input or field at fault
   * @param {string} how what to do now
   */
  constructor(what, where, how) {
    super(`${what}\n\n  ${where}\n\n  ${how}`);
    this.name = "KolamError";
    this.what = what;
    this.where = where;
    this.how = how;
  }
}
