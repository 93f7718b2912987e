// CRC-32 as ZIP has it, of pieces that are put together later in their order.

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let crc = n;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}

/** The CRC of one piece followed by another of `length` bytes. */
export function combineCrc(first: number, second: number, length: number): number {
  // Appending a zero bit is a linear map of 32 bits; its powers of two are applied for the bits of the length.
  let map = squared(squared(squared(oneZeroBit())));
  let crc = first;
  for (let rest = length; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) crc = times(map, crc);
    map = squared(map);
  }
  return (crc ^ second) >>> 0;
}

function oneZeroBit(): Uint32Array {
  return Uint32Array.from({ length: 32 }, (_, bit) => (bit === 0 ? 0xedb88320 : 1 << (bit - 1)));
}

function times(map: Uint32Array, vector: number): number {
  let sum = 0;
  for (let bit = 0; bit < 32; bit++) if ((vector >>> bit) & 1) sum ^= map[bit] ?? 0;
  return sum >>> 0;
}

function squared(map: Uint32Array): Uint32Array {
  return map.map((column) => times(map, column));
}
