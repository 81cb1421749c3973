import { breakable, freshId, html, svg } from "../charts/dom.js";
import { cell, number } from "../charts/format.js";
import { isoDate } from "./effects.js";

/**
 * @typedef {import("../runtime/predictor.js").Column} Column
 * @typedef {import("../runtime/predictor.js").Value} Value
 *
 * @typedef {object} Field one column as a person sees and sets it
 * @property {Column} column
 * @property {HTMLElement} element
 * @property {SVGSVGElement} picture for the sparkline
 * @property {() => Value} read
 * @property {(value: Value) => void} write
 * @property {(value: Value) => number} position of a value in the sparkline: 0..1, an index, or -1
 */

const FEW = 6; // values of a category whose names fit under their bars

/**
 * Make the field of a column: its control, a "missing" switch, and room for a sparkline.
 * @param {Column} column
 * @param {() => void} changed
 * @returns {Field}
 */
export function makeField(column, changed) {
  const id = freshId("field");
  const control = controls[column.kind](column, id, changed);
  const missing = html("input", {
    type: "checkbox",
    class: "missing-switch",
    "aria-label": `${column.name}: missing`,
    onchange: () => {
      setMissing();
      changed();
    },
  });
  const picture = svg("svg", { class: "sparkline", "aria-hidden": "true" });
  const element = html(
    "div",
    { class: `field ${column.kind}` },
    html(
      "div",
      { class: "field-head" },
      html("label", { for: id, title: column.name }, breakable(column.name)),
      html("label", { class: "missing" }, missing, "missing"),
    ),
    html("div", { class: "control" }, control.elements),
    html("div", { class: "reach" }, picture, control.under),
  );
  const setMissing = () => {
    element.classList.toggle("is-missing", missing.checked);
    for (const part of [...control.elements, ...control.under])
      if (part instanceof HTMLInputElement || part instanceof HTMLSelectElement)
        part.disabled = missing.checked;
  };
  return {
    column,
    element,
    picture,
    read: () => (missing.checked ? null : control.read()),
    write: (value) => {
      missing.checked = value === null || value === undefined;
      if (!missing.checked) control.write(value);
      setMissing();
    },
    position: control.position,
  };
}

/**
 * @typedef {object} Control
 * @property {HTMLElement[]} elements
 * @property {HTMLElement[]} under what stands under the sparkline, on its scale
 * @property {() => Value} read
 * @property {(value: Value) => void} write
 * @property {(value: Value) => number} position
 */

/** @type {Record<Column["kind"], (column: Column, id: string, changed: () => void) => Control>} */
const controls = {
  number: numberControl,
  category: categoryControl,
  boolean: booleanControl,
  date: dateControl,
};

/** @type {(column: Column, id: string, changed: () => void) => Control} */
function numberControl({ name, minimum, maximum, step, typical }, id, changed) {
  const [low, high] = [Number(minimum ?? 0), Number(maximum ?? 1)];
  const fine = step || niceStep(high - low);
  const entry = html("input", {
    type: "number",
    id,
    step: "any",
    inputmode: "decimal",
    "aria-description": `seen from ${number(low)} to ${number(high)}, typically ${cell(typical)}`,
    oninput: () => {
      slider.value = entry.value;
      changed();
    },
  });
  const slider = html("input", {
    type: "range",
    min: low,
    max: high,
    step: fine,
    tabindex: "-1", // the number field beside it does the same by keyboard
    "aria-label": `${name}, slider`,
    oninput: () => {
      entry.value = slider.value;
      changed();
    },
  });
  const range = ends(number(low), number(high));
  return {
    elements: [entry],
    under: [slider, range],
    read: () => (entry.value === "" ? null : Number(entry.value)),
    write: (value) => {
      entry.value = String(Number(Number(value).toPrecision(7)));
      slider.value = entry.value;
    },
    position: (value) => share(value === null ? NaN : Number(value), low, high),
  };
}

/** @type {(column: Column, id: string, changed: () => void) => Control} */
function categoryControl({ values, reads }, id, changed) {
  // the value of an option is its place in the vocabulary, so that 1 and "1" stay different
  const select = html(
    "select",
    { id, onchange: changed },
    values.map((value, at) => html("option", { value: at }, cell(value))),
    html("option", { value: -1 }, "some other value"),
  );
  const other = reads === "number" ? Math.max(0, ...values.map(Number)) + 1 : "(some other value)";
  return {
    elements: [select],
    under: values.length <= FEW ? [names(values.map(cell))] : [],
    read: () => (select.value === "-1" ? other : values[Number(select.value)]),
    write: (value) => {
      select.value = String(values.indexOf(/** @type {string} */ (value)));
    },
    position: (value) => values.indexOf(/** @type {string} */ (value)),
  };
}

/** @type {(column: Column, id: string, changed: () => void) => Control} */
function booleanControl(_, id, changed) {
  const word = html("span", { class: "word", "aria-hidden": "true" });
  const box = html("input", {
    type: "checkbox",
    id,
    onchange: () => {
      say();
      changed();
    },
  });
  const say = () => (word.textContent = box.checked ? "true" : "false");
  return {
    elements: [box, word],
    under: [names(["false", "true"])],
    read: () => box.checked,
    write: (value) => {
      box.checked = Boolean(value);
      say();
    },
    position: (value) => (value === null ? -1 : Number(value)),
  };
}

/** @type {(column: Column, id: string, changed: () => void) => Control} */
function dateControl({ minimum, maximum }, id, changed) {
  // days alone, or a time of day as well: as the first date was written
  const like = String(minimum ?? "");
  const hasTime = like.length > 10;
  const [low, high] = [Date.parse(like), Date.parse(String(maximum))];
  const entry = html("input", {
    type: hasTime ? "datetime-local" : "date",
    id,
    step: hasTime ? 1 : null,
    "aria-description": `seen from ${minimum} to ${maximum}`,
    oninput: changed,
  });
  return {
    elements: [entry],
    under: [ends(like.slice(0, 10), String(maximum ?? "").slice(0, 10))],
    read: () => entry.value || null,
    write: (value) => {
      entry.value = isoDate(utc(value), like);
    },
    position: (value) => share(utc(value), low, high),
  };
}

/** @param {Value} value a date in ISO 8601; without a zone it is UTC, as in the feature program */
const utc = (value) => Date.parse(
  /T.*(Z|[+-]\d\d:\d\d)$|^[^T]*$/.test(String(value)) ? String(value) : `${value}Z`,
);

/** @param {string} low @param {string} high */
const ends = (low, high) => html(
  "div",
  { class: "ends", "aria-hidden": "true" },
  html("span", {}, low),
  html("span", {}, high),
);

/** @param {string[]} all */
const names = (all) => html(
  "div",
  { class: "names", "aria-hidden": "true" },
  all.map((name) => html("span", {}, name)),
);

/**
 * Where a value lies between the ends, 0..1; -1 when there is no value or no room.
 * @param {number} value @param {number} low @param {number} high
 */
function share(value, low, high) {
  if (Number.isNaN(value) || high === low) return -1;
  return Math.min(1, Math.max(0, (value - low) / (high - low)));
}

/** @param {number} span a slider of some hundred round steps */
const niceStep = (span) => (span > 0 ? 10 ** Math.floor(Math.log10(span / 100)) : 1);
