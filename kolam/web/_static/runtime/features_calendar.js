/**
 * The civil calendar in whole numbers, the same in every language.
 */

/**
 * Give year, month and day of days counted from 1970-01-01; years begin in March, so that the
 * leap day is the last of the year.
 * @param {number} days
 * @returns {[number, number, number]}
 */
export function dateFromDays(days) {
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
export function daysFromDate(year, month, day) {
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
 * @template T
 * @param {readonly T[]} list
 * @param {number} place A place that is certain to exist.
 * @returns {T}
 */
export function at(list, place) {
  return /** @type {T} */ (list[place]);
}
