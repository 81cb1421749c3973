import { KolamError } from "./errors.js";
import { sha256 } from "./sha256.js";

/**
 * @typedef {object} Manifest `manifest.json` of an exported model (docs/specs/web-export.md)
 * @property {string} format "kolam.web"
 * @property {number} version
 * @property {Record<string, {bytes: number, sha256: string}>} files
 * @property {import("./model.js").Interface} interface
 *
 * @typedef {{manifest: Manifest, files: Record<string, string>}} Inlined files in base64
 */

const NEWEST = 1;

/** The files of one exported model, each checked against the manifest when it is read. */
export class Parcel {
  /**
   * @param {Manifest} manifest
   * @param {(name: string) => Promise<Uint8Array<ArrayBuffer>>} fetchFile
   * @param {string} place where it came from, for messages
   */
  constructor(manifest, fetchFile, place) {
    if (manifest?.format !== "kolam.web" || !(manifest.version <= NEWEST))
      throw new KolamError(
        `This manifest cannot be read: format ${manifest?.format}, version ${manifest?.version}.`,
        place,
        `Export the model again, or load it with a newer runtime; this one reads version ${NEWEST}.`,
      );
    this.manifest = manifest;
    this.place = place;
    /** @private */
    this.fetchFile = fetchFile;
  }

  /**
   * Read one file whole and check its digest.
   * @param {string} name
   */
  async read(name) {
    const listed = this.manifest.files[name];
    if (!listed)
      throw new KolamError(`There is no file ${name}.`, this.place, "Export the model again.");
    const bytes = await this.fetchFile(name);
    const found = await sha256(bytes);
    if (found !== listed.sha256)
      throw new KolamError(
        `${name} has ${bytes.length} bytes and SHA-256 ${found}, but the manifest says ` +
          `${listed.bytes} bytes and ${listed.sha256}.`,
        this.place,
        "It was cut short or altered, or is of another export: copy the whole folder again.",
      );
    return bytes;
  }
}

/**
 * Open an exported folder by its URL, or the parts that a single page carries.
 * @param {string | URL | Inlined} source URL of the folder (with a slash at its end) or of its manifest
 */
export async function open(source) {
  if (typeof source !== "string" && !(source instanceof URL)) {
    const { files } = source;
    return new Parcel(
      source.manifest,
      async (name) => fromBase64(files[name] ?? ""),
      "in this page",
    );
  }
  const base = new URL(source, globalThis.document?.baseURI ?? import.meta.url);
  const folder = new URL(base.pathname.endsWith(".json") ? "." : base.href, base);
  const manifest = JSON.parse(
    new TextDecoder().decode(await get(new URL("manifest.json", folder))),
  );
  return new Parcel(manifest, (name) => get(new URL(name, folder)), folder.href);
}

/** @param {URL} url @returns {Promise<Uint8Array<ArrayBuffer>>} */
async function get(url) {
  if (url.protocol === "file:" && "process" in globalThis) {
    const { readFile } = await import("node:fs/promises"); // Node's fetch has no file:
    return new Uint8Array(await readFile(url));
  }
  const response = await fetch(url).catch(
    (cause) => ({ ok: false, status: String(cause), arrayBuffer: null }),
  );
  if (!response.ok || !response.arrayBuffer)
    throw new KolamError(
      `A file of the model cannot be fetched: ${response.status}.`,
      url.href,
      url.protocol === "file:"
        ? "Serve the folder (python -m http.server), or export with single_file=True."
        : "Check that the whole exported folder is on the server.",
    );
  return new Uint8Array(await response.arrayBuffer());
}

/** @param {string} text */
const fromBase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
