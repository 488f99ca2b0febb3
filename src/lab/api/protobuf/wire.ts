/** An encoded field of a protobuf message. */
export interface WireField {
  readonly number: number;
  readonly value: bigint | Uint8Array;
}

/** Invalid protobuf, or a message or field without a description. */
export class ProtobufError extends Error {
  override readonly name = 'ProtobufError';
}

/** Reads the fields of a message in order. */
export function* readFields(bytes: Uint8Array): Generator<WireField> {
  let at = 0;
  const readVarint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) break;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new ProtobufError('a number is cut off or too long');
  };
  while (at < bytes.length) {
    const tag = readVarint();
    const number = Number(tag >> 3n);
    const wireType = Number(tag & 7n);
    if (wireType === 0) yield { number, value: readVarint() };
    else if (wireType === 2) {
      const length = Number(readVarint());
      if (length > bytes.length - at) throw new ProtobufError('a field is cut off');
      yield { number, value: bytes.subarray(at, at + length) };
      at += length;
    } else throw new ProtobufError(`wire type ${wireType} is not used by Kubernetes objects`);
  }
}
