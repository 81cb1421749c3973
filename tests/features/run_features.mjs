// Reads jobs from standard input, one JSON line each, and answers with one line each.
import { createInterface } from "node:readline";
import { loadFeatures } from "../../kolam/web/_static/runtime/features.js";

/** @param {{program: unknown, rows?: object[], scores?: (number | string)[][]}} job */
function answer({ program, rows, scores }) {
  const features = loadFeatures(program);
  const answered = { width: features.width, columns: features.columns };
  if (rows) {
    const matrix = features.applyMany(rows);
    const single = rows.map((row) => features.apply(row));
    answered.bits = [...new Uint32Array(matrix.buffer)];
    answered.singleBits = single.flatMap((row) => [...new Uint32Array(row.buffer)]);
  }
  // JSON has no NaN: it comes as a word
  if (scores) answered.decoded = scores.map((row) => features.decode(row.map(Number)));
  return answered;
}

for await (const line of createInterface({ input: process.stdin })) {
  let out;
  try {
    out = answer(JSON.parse(line));
  } catch (error) {
    out = { error: error.name, what: error.what, how: error.how, column: error.column };
  }
  process.stdout.write(`${JSON.stringify(out)}\n`);
}
