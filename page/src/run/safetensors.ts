// Safetensors: 8 bytes with the length of a header, the header in JSON, and the tensors' bytes.

import { joined } from "./zip";

export type Dtype = "F64" | "I64" | "U64" | "F32" | "I32" | "U32" | "U16" | "U8";

/** A tensor as it stands in a file. */
export interface Stored {
  dtype: Dtype;
  shape: number[];
  bytes: Uint8Array; // little-endian
}

// The widest types first, as the library orders them: so each tensor stands at a multiple of its width.
const ORDER: Dtype[] = ["F64", "U64", "I64", "F32", "U32", "I32", "U16", "U8"];
const WIDTHS: Record<Dtype, number> = { F64: 8, I64: 8, U64: 8, F32: 4, I32: 4, U32: 4, U16: 2, U8: 1 };

/** Write a file; tensors of one width are in the order of their names. */
export function writeSafetensors(tensors: Map<string, Stored>): Uint8Array {
  const sorted = [...tensors].sort(
    ([name, a], [other, b]) =>
      WIDTHS[b.dtype] - WIDTHS[a.dtype] || ORDER.indexOf(a.dtype) - ORDER.indexOf(b.dtype) || (name < other ? -1 : 1),
  );
  const listed: Record<string, { dtype: Dtype; shape: number[]; data_offsets: [number, number] }> = {};
  let end = 0;
  for (const [name, { dtype, shape, bytes }] of sorted) {
    listed[name] = { dtype, shape, data_offsets: [end, end + bytes.length] };
    end += bytes.length;
  }
  const json = new TextEncoder().encode(JSON.stringify(listed));
  const header = new Uint8Array(Math.ceil(json.length / 8) * 8).fill(0x20); // spaces up to a multiple of 8
  header.set(json);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setUint32(0, header.length, true);
  return joined([length, header, ...sorted.map(([, tensor]) => tensor.bytes)]);
}
