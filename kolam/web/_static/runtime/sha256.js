/**
 * SHA-256 of some bytes, in hexadecimal. The browser's own where there is one; pages from plain
 * HTTP have none (`crypto.subtle` needs a secure context), so the standard is written out below.
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Promise<string>}
 */
export async function sha256(bytes) {
  const subtle = globalThis.crypto?.subtle;
  return hex(subtle ? new Uint8Array(await subtle.digest("SHA-256", bytes)) : digest(bytes));
}

/** @param {Uint8Array} bytes */
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** @param {number} root @param {number} n first 32 bits of the fraction of n ** (1 / root) */
const fraction = (n, root) => ((n ** (1 / root) % 1) * 2 ** 32) | 0;

const primes = /** @type {number[]} */ ([]);
for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);

/**
 * FIPS 180-4, section 6.2.
 * @param {Uint8Array} bytes
 */
export function digest(bytes) {
  const length = bytes.length;
  const padded = new DataView(new ArrayBuffer(((length + 72) >> 6) << 6));
  new Uint8Array(padded.buffer).set(bytes);
  padded.setUint8(length, 0x80);
  padded.setUint32(padded.byteLength - 8, length / 2 ** 29);
  padded.setUint32(padded.byteLength - 4, length << 3);
  const state = Int32Array.from(primes.slice(0, 8), (n) => fraction(n, 2));
  const constants = Int32Array.from(primes, (n) => fraction(n, 3));
  const w = new Int32Array(64);
  for (let at = 0; at < padded.byteLength; at += 64) {
    for (let i = 0; i < 64; i++) {
      if (i < 16) w[i] = padded.getInt32(at + 4 * i);
      else {
        const [x, y] = [w[i - 15], w[i - 2]];
        const low = turn(x, 7) ^ turn(x, 18) ^ (x >>> 3);
        w[i] = w[i - 16] + low + w[i - 7] + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10));
      }
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const one = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g));
      const sum = (one + constants[i] + w[i]) | 0;
      const two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + sum) | 0, c, b, a, (sum + two) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => (state[i] += word));
  }
  const out = new DataView(new ArrayBuffer(32));
  state.forEach((word, i) => out.setInt32(4 * i, word));
  return new Uint8Array(out.buffer);
}

/** @param {number} word @param {number} by bits to the right, round the end */
const turn = (word, by) => (word >>> by) | (word << (32 - by));
