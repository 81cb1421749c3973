import { loadFeatures } from "./features.js";
import { load as loadModel } from "./model.js";
import { open } from "./parcel.js";

/**
 * @typedef {string | number | boolean | null | undefined} Value null and undefined are missing
 * @typedef {Record<string, Value>} Row column name to value; a date is ISO 8601 text
 * @typedef {"binary" | "multiclass" | "regression"} Task
 * @typedef {import("./parcel.js").Manifest & {label: string, task: Task, classes: Value[]}} About
 * @typedef {import("./features.js").InputColumn} Column what a form needs to know of a column
 */

/** A model and its column program: rows in, labels out. */
export class Predictor {
  /**
   * @param {import("./model.js").Model} model
   * @param {import("./features.js").FeatureProgram} features
   * @param {About} manifest
   */
  constructor(model, features, manifest) {
    this.model = model;
    this.features = features;
    this.manifest = manifest;
    this.columns = /** @type {readonly Column[]} */ (features.columns);
    this.label = manifest.label;
    this.task = manifest.task;
    this.classes = manifest.classes;
  }

  /**
   * Give the scores of one row: a probability for each class, or one value.
   * @param {Row} row every column of the model; null is missing
   * @returns {Float32Array} a fresh array
   */
  scores(row) {
    const { scores } = this.model.run({ features: this.features.apply(row) });
    return /** @type {Float32Array} */ (scores);
  }

  /**
   * Give the label of one row, in the label's own type, with its scores.
   * @param {Row} row
   */
  predict(row) {
    const scores = this.scores(row);
    return { label: this.features.decode(scores).label, scores };
  }
}

/**
 * Load the model and the column program of an exported folder or page.
 * @param {Parameters<typeof open>[0]} source
 */
export async function load(source) {
  const parcel = await open(source);
  const [model, text] = await Promise.all([loadModel(parcel), parcel.read("features.json")]);
  const features = loadFeatures(JSON.parse(new TextDecoder().decode(text)));
  return new Predictor(model, features, /** @type {About} */ (parcel.manifest));
}
