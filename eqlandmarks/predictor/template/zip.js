'use strict';

// Files as a zip without compression (PNG has its own).

const crcTable = Uint32Array.from({length: 256}, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ crcTable[(crc ^ byte) & 255];
  return (crc ^ 0xffffffff) >>> 0;
}

function fields(...pairs) {
  const size = pairs.reduce((sum, [bytes]) => sum + bytes, 0);
  const view = new DataView(new ArrayBuffer(size));
  let at = 0;
  for (const [bytes, value] of pairs) {
    if (bytes === 4) view.setUint32(at, value, true);
    else view.setUint16(at, value, true);
    at += bytes;
  }
  return new Uint8Array(view.buffer);
}

// Of [name, bytes]; names are UTF-8, times are those of 1980.
function zip(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  const append = (list, ...chunks) => list.push(...chunks);
  const length = (list) => list.reduce((sum, chunk) => sum + chunk.length, 0);
  for (const [name, bytes] of files) {
    const path = new TextEncoder().encode(name);
    const common = [
      [2, 20], [2, 0x0800], [2, 0], [2, 0], [2, 0x21], [4, crc32(bytes)],
      [4, bytes.length], [4, bytes.length], [2, path.length], [2, 0],
    ];
    const head = fields([4, 0x04034b50], ...common);
    append(parts, head, path, bytes);
    append(
      directory,
      fields([4, 0x02014b50], [2, 20], ...common, [2, 0], [2, 0], [2, 0],
        [4, 0], [4, offset]),
      path);
    offset += head.length + path.length + bytes.length;
  }
  const end = fields(
    [4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length],
    [4, length(directory)], [4, offset], [2, 0]);
  return new Blob([...parts, ...directory, end], {type: 'application/zip'});
}
