import { KolamError } from "./errors.js";
import { open } from "./parcel.js";

/**
 * @typedef {object} ArraySpec one array of the interface (docs/specs/wasm-interface.md)
 * @property {string} name
 * @property {keyof typeof VIEWS} dtype
 * @property {number[]} shape
 * @property {number} bytes
 * @property {string} symbol
 *
 * @typedef {object} Interface
 * @property {string} format "kolam.lite"
 * @property {number} version
 * @property {string} name
 * @property {ArraySpec[]} inputs
 * @property {ArraySpec[]} outputs
 * @property {{bytes: number, symbol: string}} weights
 *
 * @typedef {Float32Array | Uint8Array | Int8Array | Int16Array | Uint16Array | Int32Array
 *   | Uint32Array | BigInt64Array | BigUint64Array} View
 * @typedef {ArrayLike<number> | ArrayLike<bigint>} Values
 */

const VIEWS = {
  float32: Float32Array,
  bool: Uint8Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
};

/**
 * One compiled program with its weights in one memory that never grows. Nothing to free: dropping
 * the object drops the memory. `inputs` and `outputs` are views on that memory.
 */
export class Model {
  /**
   * @param {Interface} program
   * @param {WebAssembly.Exports} exports
   * @param {Uint8Array} weights
   */
  constructor(program, exports, weights) {
    this.interface = program;
    const memory = /** @type {WebAssembly.Memory} */ (exports.memory).buffer;
    const address = (/** @type {string} */ symbol) =>
      /** @type {WebAssembly.Global} */ (exports[symbol]).value;
    new Uint8Array(memory, address(program.weights.symbol), weights.length).set(weights);
    const lay = (/** @type {ArraySpec} */ { name, dtype, bytes, symbol }) => {
      const View = VIEWS[dtype];
      return [name, new View(memory, address(symbol), bytes / View.BYTES_PER_ELEMENT)];
    };
    /** @type {Readonly<Record<string, View>>} */
    this.inputs = Object.freeze(Object.fromEntries(program.inputs.map(lay)));
    /** @type {Readonly<Record<string, View>>} */
    this.outputs = Object.freeze(Object.fromEntries(program.outputs.map(lay)));
    /** Compute `outputs` from what stands in `inputs`, without any copy. */
    this.call = /** @type {() => void} */ (exports.kolam_run);
  }

  /**
   * Copy values in, compute, and copy the outputs out.
   * @param {Record<string, Values>} inputs one for each input, row-major
   * @returns {Record<string, View>}
   */
  run(inputs) {
    for (const { name, shape } of this.interface.inputs) {
      const [view, values] = [this.inputs[name], inputs[name]];
      if (values?.length !== view.length)
        throw new KolamError(
          values ? `It has ${values.length} values.` : "It was not given.",
          `input ${name} of ${this.interface.name}`,
          `Give ${view.length} values of shape (${shape.join(', ')}), row by row.`,
        );
      view.set(
        /** @type {any} the element type is the caller's: numbers, or bigints for int64 */ (values),
      );
    }
    this.call();
    return Object.fromEntries(
      Object.entries(this.outputs).map(([name, view]) => [name, view.slice()]),
    );
  }
}

/**
 * Load an exported model and check every byte of it against its manifest.
 * @param {Parameters<typeof open>[0] | import("./parcel.js").Parcel} source
 * @returns {Promise<Model>}
 */
export async function load(source) {
  const parcel = "read" in /** @type {object} */ (Object(source))
    ? /** @type {import("./parcel.js").Parcel} */ (source)
    : await open(/** @type {string} */ (source));
  const program = parcel.manifest.interface;
  if (program?.format !== "kolam.lite" || !(program.version <= 1))
    throw new KolamError(
      `The wasm interface is ${program?.format} version ${program?.version}.`,
      parcel.place,
      "Export the model again, or load it with a newer runtime; this one reads version 1.",
    );
  const [code, weights] = await Promise.all(
    ["model.wasm", "model.weights"].map((name) => parcel.read(name)),
  );
  const { instance } = await WebAssembly.instantiate(code, {});
  return new Model(program, instance.exports, weights);
}
