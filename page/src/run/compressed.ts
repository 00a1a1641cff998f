// Bytes as they stand in a page (src/makemore/web/compressed.py writes them), back to bytes.

const HEADER = 5; // bytes of a number, and in four bytes how many bytes there are

/** Inflate the text of an element. Throws for what is none of ours. */
export async function inflated(text: string): Promise<ArrayBuffer> {
  const bytes = fromBase64(text);
  const header = new DataView(bytes.buffer), width = header.getUint8(0), length = header.getUint32(1, true);
  const stream = new Blob([bytes.subarray(HEADER)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  return width === 1 ? planes.buffer : numbers(planes, width).slice(0, length).buffer;
}

/** Put the bytes of each number side by side again: all first bytes come first, then all second ones. */
function numbers(planes: Uint8Array, width: number): Uint8Array<ArrayBuffer> {
  const count = planes.length / width, whole = new Uint8Array(planes.length);
  for (let place = 0; place < width; place++) {
    for (let i = 0; i < count; i++) whole[i * width + place] = planes[place * count + i]!;
  }
  return whole;
}

/** What browsers of 2025 and later have. */
type Native = { fromBase64?(text: string): Uint8Array<ArrayBuffer> };

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const native = Uint8Array as Native;
  if (native.fromBase64) return native.fromBase64(text);
  const binary = atob(text.trim()); // a character for each byte
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
