// The arithmetic of the charts in Node: numbers in words, marks on axes.
import assert from "node:assert/strict";
import { test } from "node:test";

import { bytes, cell, counted, duration, fixed, number, percent } from "../../kolam/web/_static/charts/format.js";
import { extent, linear, ticks } from "../../kolam/web/_static/charts/scale.js";

test("numbers keep the digits that tell", () => {
  const shown = [0, 1234567, 1.5e9, 0.013249, -4.125, 2.5e-7, 1e21, NaN, null, Infinity].map(value => number(value));
  assert.deepEqual(shown, ["0", "1,234,567", "1,500,000,000", "0.0132", "−4.13", "2.5e−7", "1e21", "–", "–", "∞"]);
});

test("measures line up", () => {
  assert.deepEqual([1, -0.5, null, 0.12345].map(value => fixed(value)), ["1.000", "−0.500", "–", "0.123"]);
});

test("shares never round to none or all", () => {
  assert.deepEqual([0, 0.0001, 0.05, 0.5, 0.9999, 1].map(percent), ["0 %", "< 0.1 %", "5 %", "50 %", "> 99.9 %", "100 %"]);
});

test("sizes and times have units that fit", () => {
  assert.deepEqual([0, 1023, 1536, 5 << 20].map(bytes), ["0 B", "1023 B", "1.5 KB", "5.0 MB"]);
  assert.deepEqual([0, 4e-7, 0.012, 2.5, 150].map(duration), ["0 s", "0.4 µs", "12 ms", "2.5 s", "2 min 30 s"]);
});

test("different cells never look the same", () => {
  const values = [null, "", 1028, 1028.5, "missing value", true];
  assert.equal(new Set(values.map(cell)).size, values.length);
  assert.equal(cell(17031081401), "17031081401");
});

test("one thing is not plural", () => {
  assert.deepEqual([counted(1, "row"), counted(0, "row"), counted(1000, "row")], ["1 row", "0 rows", "1,000 rows"]);
});

test("marks are round numbers inside the axis", () => {
  assert.deepEqual(ticks(0, 1, 5), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(ticks(-3, 7, 5), [-2, 0, 2, 4, 6]);
  assert.deepEqual(ticks(0.1, 0.3, 2), [0.1, 0.2, 0.3]);
  assert.deepEqual(ticks(5, 5), [5]);
});

test("every axis of random ends has a few marks in order, all inside", () => {
  for (let at = 1; at < 500; at++) {
    const [low, span] = [Math.sin(at) * 10 ** (at % 9), Math.abs(Math.cos(at)) * 10 ** (at % 7)];
    const marks = ticks(low, low + span, 5);
    assert.ok(marks.length >= 1 && marks.length <= 12, `${low} ${span} ${marks}`);
    assert.ok(marks.every((mark, place) => place === 0 || mark > marks[place - 1]));
    assert.ok(marks.every(mark => mark >= low - span * 1e-6 && mark <= low + span * (1 + 1e-6)));
  }
});

test("a scale of one value maps to the middle", () => {
  assert.equal(linear([3, 3], [0, 10])(3), 5);
  assert.equal(linear([0, 4], [10, 0])(1), 7.5);
});

test("an extent passes over what is not finite and is never empty", () => {
  assert.deepEqual(extent([null, NaN, 2, 5, Infinity]), [2, 5]);
  assert.deepEqual(extent([]), [0, 1]);
  const [low, high] = extent([7]);
  assert.ok(low < 7 && high > 7);
});
