// The runtime in Node, on the export whose folder KOLAM_EXPORT names.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";

import { KolamError } from "../../kolam/web/_static/runtime/errors.js";
import { load } from "../../kolam/web/_static/runtime/model.js";
import { open } from "../../kolam/web/_static/runtime/parcel.js";
import { digest, sha256 } from "../../kolam/web/_static/runtime/sha256.js";

const folder = String(process.env.KOLAM_EXPORT);
const url = pathToFileURL(`${folder}/`);
let copy = "";

before(async () => {
  copy = await mkdtemp(join(tmpdir(), "kolam-web-"));
});
after(() => rm(copy, { recursive: true }));

/** Copy the export and change one of its files. */
async function altered(name, change) {
  const place = join(copy, `${Math.random()}`);
  await cp(folder, place, { recursive: true });
  await writeFile(join(place, name), change(await readFile(join(place, name))));
  return pathToFileURL(`${place}/`);
}

const inManifest = change => bytes => {
  const manifest = JSON.parse(bytes);
  change(manifest);
  return JSON.stringify(manifest);
};

test("the written-out SHA-256 equals that of the platform at every length", async () => {
  for (let length = 0; length < 200; length++) {
    const bytes = new Uint8Array(randomBytes(length));
    const expected = createHash("sha256").update(bytes).digest("hex");
    assert.equal(Buffer.from(digest(bytes)).toString("hex"), expected);
    assert.equal(await sha256(bytes), expected);
  }
});

test("a model answers through views that stay where they are", async () => {
  const model = await load(url);
  const { features } = model.inputs;
  const first = model.run({ features: new Float32Array(features.length) }).scores;
  const memory = features.buffer;
  for (let at = 0; at < 10_000; at++) {
    features[0] = at;
    model.call();
  }
  assert.equal(model.inputs.features, features);
  assert.equal(features.buffer, memory);
  assert.ok(features.length > 0, "the memory was not detached");
  assert.deepEqual(model.run({ features: new Float32Array(features.length) }).scores, first);
});

test("what run gives is a copy that later runs leave alone", async () => {
  const model = await load(url);
  const width = model.inputs.features.length;
  const first = model.run({ features: new Float32Array(width) }).scores;
  const kept = [...first];
  model.run({ features: new Float32Array(width).fill(3) });
  assert.deepEqual([...first], kept);
  assert.notDeepEqual([...model.outputs.scores], kept);
});

test("inputs may be plain lists", async () => {
  const model = await load(url);
  const values = Array.from(model.inputs.features, (_, at) => at / 7);
  assert.deepEqual(
    model.run({ features: values }).scores,
    model.run({ features: Float32Array.from(values) }).scores,
  );
});

test("an input of another length is refused", async () => {
  const model = await load(url);
  const width = model.inputs.features.length;
  assert.throws(() => model.run({ features: [1, 2] }), error => {
    assert.ok(error instanceof KolamError);
    assert.equal(error.what, "It has 2 values.");
    assert.match(error.where, /^input features of predict/);
    assert.equal(error.how, `Give ${width} values of shape (1, ${width}), row by row.`);
    assert.equal(error.message, `${error.what}\n\n  ${error.where}\n\n  ${error.how}`);
    return true;
  });
});

test("an input that is not given is refused", async () => {
  const model = await load(url);
  assert.throws(() => model.run({ feature: [1] }), /It was not given\.\n\n  input features/);
});

for (const name of ["model.wasm", "model.weights"])
  test(`one changed bit in ${name} is found before it runs`, async () => {
    const place = await altered(name, bytes => {
      bytes[bytes.length >> 1] ^= 1;
      return bytes;
    });
    await assert.rejects(load(place), error => {
      assert.match(error.what, new RegExp(`^${name} has \\d+ bytes and SHA-256 [0-9a-f]{64}, but the manifest says`));
      assert.equal(error.where, place.href);
      assert.match(error.how, /cut short or altered.*copy the whole folder again/);
      return true;
    });
  });

test("a file that was cut short is found", async () => {
  const place = await altered("model.weights", bytes => bytes.subarray(0, 10));
  await assert.rejects(load(place), /model\.weights has 10 bytes/);
});

test("a manifest of a newer version is refused", async () => {
  const place = await altered("manifest.json", inManifest(manifest => (manifest.version = 2)));
  await assert.rejects(load(place), /format kolam\.web, version 2\.[^]*reads version 1/);
});

test("another JSON file is no manifest", async () => {
  const place = await altered("manifest.json", () => '{"name": "package"}');
  await assert.rejects(load(place), /manifest cannot be read: format undefined/);
});

test("a wasm interface of a newer version is refused", async () => {
  const place = await altered("manifest.json", inManifest(manifest => (manifest.interface.version = 9)));
  await assert.rejects(load(place), /wasm interface is kolam\.lite version 9\.[^]*Export the model again/);
});

test("a file that the manifest does not list is not read", async () => {
  const parcel = await open(url);
  await assert.rejects(parcel.read("../secret"), /There is no file \.\.\/secret\./);
});

test("the parts of a single page load as the folder does", async () => {
  const files = {};
  for (const name of ["model.wasm", "model.weights"])
    files[name] = (await readFile(join(folder, name))).toString("base64");
  const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8"));
  const [inlined, fetched] = [await load({ manifest, files }), await load(url)];
  const features = Array.from(inlined.inputs.features, (_, at) => Math.sin(at));
  assert.deepEqual(inlined.run({ features }).scores, fetched.run({ features }).scores);
});

test("a folder is found by its own URL and by that of its manifest", async () => {
  const parcel = await open(new URL("manifest.json", url));
  assert.equal(parcel.place, url.href);
});

test("model.js of the folder predicts labels and refuses rows without a column", async () => {
  const door = await import(new URL("model.js", url).href);
  const model = await door.load();
  const row = Object.fromEntries(model.columns.map(({ name, typical }) => [name, typical]));
  const { label, scores } = model.predict(row);
  assert.ok(model.classes.includes(label));
  assert.equal(scores.length, model.classes.length);
  const { [model.columns[0].name]: _, ...rest } = row;
  assert.throws(() => model.predict(rest), /There is no column/);
});
