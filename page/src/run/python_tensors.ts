// The tensors of a model in the types that Python's `load_tensors` takes.
//
// A network has float32. Counts have unsigned integers in the smallest type that fits. An ensemble has float64 weights
// and an int64 trie. In a page they may be kept in whatever holds them, so the type follows from the name.

import type { ModelSpec, Tensor, Tensors } from "../contract";
import type { Dtype, Stored } from "./safetensors";

const COUNTS = new Set(["contexts", "ngrams", "counts"]); // of an n-gram, also "0.counts" of a label or a member

/** Convert a model's tensors. Throws a RangeError for a count or code that is no whole number. */
export function asPython(spec: ModelSpec, tensors: Tensors): Map<string, Stored> {
  return new Map([...tensors].map(([name, tensor]) => [name, stored(tensor, kindOf(spec, name))]));
}

type Kind = "count" | "F32" | "F64" | "I64";

function kindOf(spec: ModelSpec, name: string): Kind {
  if (spec.kind === "ensemble") {
    if (name === "weights") return "F64";
    if (name === "known") return "I64";
    const point = name.indexOf(".");
    const member = spec.members?.[Number(name.slice(0, point))];
    if (!member) throw new RangeError(`no member has the tensor ${name}`);
    return kindOf(member, name.slice(point + 1));
  }
  const last = name.slice(name.lastIndexOf(".") + 1);
  if (spec.kind === "ngram" && COUNTS.has(last)) return "count";
  return last === "num_batches_tracked" ? "I64" : "F32"; // BatchNorm's count of batches
}

function stored({ shape, data }: Tensor, kind: Kind): Stored {
  if (kind === "F32") return { dtype: "F32", shape, bytes: bytesOf(Float32Array.from(data as Float32Array)) };
  if (kind === "F64") return { dtype: "F64", shape, bytes: bytesOf(Float64Array.from(data as Float64Array)) };
  if (kind === "I64") return { dtype: "I64", shape, bytes: bytesOf(BigInt64Array.from(wholes(data))) };
  const [dtype, array] = smallest(data);
  return { dtype, shape, bytes: bytesOf(array) };
}

/** Numbers as whole numbers of 64 bits. */
function wholes(data: Tensor["data"]): bigint[] {
  return Array.from(data as ArrayLike<number | bigint>, BigInt); // BigInt(0.5) throws a RangeError
}

/** Store whole numbers from 0 in the smallest unsigned type that fits, as numpy's min_scalar_type chooses. */
function smallest(data: Tensor["data"]): [Dtype, ArrayBufferView] {
  let most = 0;
  const numbers = Float64Array.from(data as ArrayLike<number | bigint>, Number);
  for (const number of numbers) {
    if (!Number.isSafeInteger(number) || number < 0) throw new RangeError(`${number} is no count`);
    if (number > most) most = number;
  }
  if (most < 2 ** 8) return ["U8", Uint8Array.from(numbers)];
  if (most < 2 ** 16) return ["U16", Uint16Array.from(numbers)];
  if (most < 2 ** 32) return ["U32", Uint32Array.from(numbers)];
  return ["U64", BigUint64Array.from(Array.from(numbers, BigInt))];
}

function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength); // little-endian, as every browser is
}
