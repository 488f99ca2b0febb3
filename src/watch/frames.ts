import { ProtobufError } from '../lib/protobuf/decode-message.ts';
import { invalidProtobuf } from './protobuf.ts';

const prefix = 4;
/** etcd stores objects of 1.5 MB at most by default (--max-request-bytes), and kube-apiserver accepts 3 MB. */
const maxLength = 16 * 1024 * 1024;

/**
 * Splits a byte stream into frames: a length of four bytes, most significant first, and as many bytes. It joins the bytes of a frame once, when all are
 * there, so it never allocates what only a length claims. It drops a last frame that is not complete, because the stream broke inside that frame. Throws
 * an ApiError if a frame is too long.
 */
export async function* splitFrames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let pending: Uint8Array[] = [];
  let held = 0;
  /** The length of the frame that begins; `undefined` if its prefix is not complete. */
  let length: number | undefined;
  for await (const chunk of chunks) {
    pending.push(chunk);
    held += chunk.length;
    while (held >= (length ?? prefix)) {
      const bytes = join(pending);
      const end = length ?? prefix;
      pending = bytes.length > end ? [bytes.subarray(end)] : [];
      held -= end;
      if (length !== undefined) {
        length = undefined;
        yield bytes.subarray(0, end);
      } else {
        length = bytes.readUInt32BE();
        if (length > maxLength) throw invalidProtobuf(new ProtobufError(`a frame claims ${length} bytes`));
      }
    }
  }
}

/** Copies only if there are several chunks: one chunk may hold many frames. */
function join(chunks: readonly Uint8Array[]): Buffer {
  const [first] = chunks;
  if (first === undefined || chunks.length > 1) return Buffer.concat(chunks);
  return Buffer.from(first.buffer, first.byteOffset, first.byteLength);
}
