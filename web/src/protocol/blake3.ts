// BLAKE3 of what lies in memory, for chunks: the general library hashes some 30 MB/s in a browser, this several times that.
//
// The compression function keeps its sixteen words of state and of message in local variables, so that the engine can keep
// them in registers; its rounds are written out and the message is permuted between them.

const IV = Int32Array.of(
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
);

const CHUNK_START = 1;
const CHUNK_END = 2;
const PARENT = 4;
const ROOT = 8;
const BLOCK_BYTES = 64;
const LEAF_BYTES = 1024;

/** The hash of `bytes`, 32 bytes. */
export function blake3(bytes: Uint8Array): Uint8Array {
  const words = wordsOf(bytes);
  const leaves = Math.max(1, Math.ceil(bytes.length / LEAF_BYTES));
  // The chaining values of complete subtrees, largest first: one for each bit of the number of leaves so far.
  const stack = new Int32Array(8 * 54);
  let height = 0;
  for (let leaf = 0; leaf < leaves - 1; leaf++) {
    hashLeaf(words, leaf, LEAF_BYTES, 0, stack, 8 * height++);
    for (let done = leaf + 1; done % 2 === 0; done /= 2) {
      height--;
      hashParent(stack, 8 * (height - 1), 0);
    }
  }
  hashLeaf(words, leaves - 1, bytes.length - (leaves - 1) * LEAF_BYTES, leaves === 1 ? ROOT : 0, stack, 8 * height++);
  while (height > 1) {
    height--;
    hashParent(stack, 8 * (height - 1), height === 1 ? ROOT : 0);
  }
  return littleEndian(stack.subarray(0, 8));
}

/** Hashes one leaf of `length` bytes; its blocks are chained. */
function hashLeaf(words: Int32Array, leaf: number, length: number, root: number, out: Int32Array, outAt: number): void {
  const blocks = Math.max(1, Math.ceil(length / BLOCK_BYTES));
  for (let block = 0; block < blocks; block++) {
    const isLast = block === blocks - 1;
    const flags = (block === 0 ? CHUNK_START : 0) | (isLast ? CHUNK_END | root : 0);
    const blockLength = isLast ? length - block * BLOCK_BYTES : BLOCK_BYTES;
    const at = leaf * (LEAF_BYTES / 4) + block * (BLOCK_BYTES / 4);
    if (block === 0) compress(IV, 0, words, at, leaf, blockLength, flags, out, outAt);
    else compress(out, outAt, words, at, leaf, blockLength, flags, out, outAt);
  }
}

/** Replaces two chaining values that lie side by side with their parent's. */
function hashParent(stack: Int32Array, at: number, root: number): void {
  compress(IV, 0, stack, at, 0, BLOCK_BYTES, PARENT | root, stack, at);
}

/** The input as little-endian words, with zeros up to a whole block. */
function wordsOf(bytes: Uint8Array): Int32Array {
  const padded = Math.max(1, Math.ceil(bytes.length / BLOCK_BYTES)) * BLOCK_BYTES;
  if (padded === bytes.length && bytes.byteOffset % 4 === 0 && IS_LITTLE_ENDIAN) {
    return new Int32Array(bytes.buffer, bytes.byteOffset, padded / 4);
  }
  const copy = new Uint8Array(padded);
  copy.set(bytes);
  if (!IS_LITTLE_ENDIAN) for (let i = 0; i < padded; i += 4) copy.subarray(i, i + 4).reverse();
  return new Int32Array(copy.buffer);
}

function littleEndian(words: Int32Array): Uint8Array {
  const out = new Uint8Array(4 * words.length);
  const view = new DataView(out.buffer);
  words.forEach((word, i) => view.setInt32(4 * i, word, true));
  return out;
}

const IS_LITTLE_ENDIAN = new Uint8Array(Int32Array.of(1).buffer)[0] === 1;

/* eslint-disable max-lines-per-function -- the rounds are written out, see above */
function compress(
  cv: Int32Array,
  cvAt: number,
  words: Int32Array,
  at: number,
  counter: number,
  length: number,
  flags: number,
  out: Int32Array,
  outAt: number,
): void {
  let m0 = words[at + 0] ?? 0;
  let m1 = words[at + 1] ?? 0;
  let m2 = words[at + 2] ?? 0;
  let m3 = words[at + 3] ?? 0;
  let m4 = words[at + 4] ?? 0;
  let m5 = words[at + 5] ?? 0;
  let m6 = words[at + 6] ?? 0;
  let m7 = words[at + 7] ?? 0;
  let m8 = words[at + 8] ?? 0;
  let m9 = words[at + 9] ?? 0;
  let m10 = words[at + 10] ?? 0;
  let m11 = words[at + 11] ?? 0;
  let m12 = words[at + 12] ?? 0;
  let m13 = words[at + 13] ?? 0;
  let m14 = words[at + 14] ?? 0;
  let m15 = words[at + 15] ?? 0;
  let v0 = cv[cvAt + 0] ?? 0;
  let v1 = cv[cvAt + 1] ?? 0;
  let v2 = cv[cvAt + 2] ?? 0;
  let v3 = cv[cvAt + 3] ?? 0;
  let v4 = cv[cvAt + 4] ?? 0;
  let v5 = cv[cvAt + 5] ?? 0;
  let v6 = cv[cvAt + 6] ?? 0;
  let v7 = cv[cvAt + 7] ?? 0;
  let v8 = 0x6a09e667;
  let v9 = 0xbb67ae85 | 0;
  let v10 = 0x3c6ef372;
  let v11 = 0xa54ff53a | 0;
  let v12 = counter | 0;
  let v13 = (counter / 0x1_0000_0000) | 0;
  let v14 = length;
  let v15 = flags;
  let t = 0;
  for (let round = 0; ; round++) {
    v0 = (v0 + v4 + m0) | 0;
    v12 ^= v0;
    v12 = (v12 >>> 16) | (v12 << 16);
    v8 = (v8 + v12) | 0;
    v4 ^= v8;
    v4 = (v4 >>> 12) | (v4 << 20);
    v0 = (v0 + v4 + m1) | 0;
    v12 ^= v0;
    v12 = (v12 >>> 8) | (v12 << 24);
    v8 = (v8 + v12) | 0;
    v4 ^= v8;
    v4 = (v4 >>> 7) | (v4 << 25);
    v1 = (v1 + v5 + m2) | 0;
    v13 ^= v1;
    v13 = (v13 >>> 16) | (v13 << 16);
    v9 = (v9 + v13) | 0;
    v5 ^= v9;
    v5 = (v5 >>> 12) | (v5 << 20);
    v1 = (v1 + v5 + m3) | 0;
    v13 ^= v1;
    v13 = (v13 >>> 8) | (v13 << 24);
    v9 = (v9 + v13) | 0;
    v5 ^= v9;
    v5 = (v5 >>> 7) | (v5 << 25);
    v2 = (v2 + v6 + m4) | 0;
    v14 ^= v2;
    v14 = (v14 >>> 16) | (v14 << 16);
    v10 = (v10 + v14) | 0;
    v6 ^= v10;
    v6 = (v6 >>> 12) | (v6 << 20);
    v2 = (v2 + v6 + m5) | 0;
    v14 ^= v2;
    v14 = (v14 >>> 8) | (v14 << 24);
    v10 = (v10 + v14) | 0;
    v6 ^= v10;
    v6 = (v6 >>> 7) | (v6 << 25);
    v3 = (v3 + v7 + m6) | 0;
    v15 ^= v3;
    v15 = (v15 >>> 16) | (v15 << 16);
    v11 = (v11 + v15) | 0;
    v7 ^= v11;
    v7 = (v7 >>> 12) | (v7 << 20);
    v3 = (v3 + v7 + m7) | 0;
    v15 ^= v3;
    v15 = (v15 >>> 8) | (v15 << 24);
    v11 = (v11 + v15) | 0;
    v7 ^= v11;
    v7 = (v7 >>> 7) | (v7 << 25);
    v0 = (v0 + v5 + m8) | 0;
    v15 ^= v0;
    v15 = (v15 >>> 16) | (v15 << 16);
    v10 = (v10 + v15) | 0;
    v5 ^= v10;
    v5 = (v5 >>> 12) | (v5 << 20);
    v0 = (v0 + v5 + m9) | 0;
    v15 ^= v0;
    v15 = (v15 >>> 8) | (v15 << 24);
    v10 = (v10 + v15) | 0;
    v5 ^= v10;
    v5 = (v5 >>> 7) | (v5 << 25);
    v1 = (v1 + v6 + m10) | 0;
    v12 ^= v1;
    v12 = (v12 >>> 16) | (v12 << 16);
    v11 = (v11 + v12) | 0;
    v6 ^= v11;
    v6 = (v6 >>> 12) | (v6 << 20);
    v1 = (v1 + v6 + m11) | 0;
    v12 ^= v1;
    v12 = (v12 >>> 8) | (v12 << 24);
    v11 = (v11 + v12) | 0;
    v6 ^= v11;
    v6 = (v6 >>> 7) | (v6 << 25);
    v2 = (v2 + v7 + m12) | 0;
    v13 ^= v2;
    v13 = (v13 >>> 16) | (v13 << 16);
    v8 = (v8 + v13) | 0;
    v7 ^= v8;
    v7 = (v7 >>> 12) | (v7 << 20);
    v2 = (v2 + v7 + m13) | 0;
    v13 ^= v2;
    v13 = (v13 >>> 8) | (v13 << 24);
    v8 = (v8 + v13) | 0;
    v7 ^= v8;
    v7 = (v7 >>> 7) | (v7 << 25);
    v3 = (v3 + v4 + m14) | 0;
    v14 ^= v3;
    v14 = (v14 >>> 16) | (v14 << 16);
    v9 = (v9 + v14) | 0;
    v4 ^= v9;
    v4 = (v4 >>> 12) | (v4 << 20);
    v3 = (v3 + v4 + m15) | 0;
    v14 ^= v3;
    v14 = (v14 >>> 8) | (v14 << 24);
    v9 = (v9 + v14) | 0;
    v4 ^= v9;
    v4 = (v4 >>> 7) | (v4 << 25);
    if (round === 6) break;
    t = m0;
    m0 = m2;
    m2 = m3;
    m3 = m10;
    m10 = m12;
    m12 = m9;
    m9 = m11;
    m11 = m5;
    m5 = t;
    t = m1;
    m1 = m6;
    m6 = m4;
    m4 = m7;
    m7 = m13;
    m13 = m14;
    m14 = m15;
    m15 = m8;
    m8 = t;
  }
  out[outAt + 0] = v0 ^ v8;
  out[outAt + 1] = v1 ^ v9;
  out[outAt + 2] = v2 ^ v10;
  out[outAt + 3] = v3 ^ v11;
  out[outAt + 4] = v4 ^ v12;
  out[outAt + 5] = v5 ^ v13;
  out[outAt + 6] = v6 ^ v14;
  out[outAt + 7] = v7 ^ v15;
}
