/** Writes netlink messages and their attributes (linux/netlink.h). Netlink headers are in the byte order of the machine: little-endian here. */
export class NetlinkBytes {
  #bytes = Buffer.alloc(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** A copy of what was written. */
  take(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length));
  }

  /** Writes a message of nfnetlink: header, `struct nfgenmsg`, then what `writeBody` writes. */
  message({ type, flags, sequence, family, resource }: NetlinkHeader, writeBody: () => void = () => {}): void {
    const start = this.#reserve(20);
    this.#bytes.writeUInt16LE(type, start + 4);
    this.#bytes.writeUInt16LE(flags, start + 6);
    this.#bytes.writeUInt32LE(sequence, start + 8);
    this.#bytes.writeUInt8(family, start + 16);
    this.#bytes.writeUInt16BE(resource, start + 18);
    writeBody();
    this.#bytes.writeUInt32LE(this.#length - start, start);
  }

  /** An attribute that holds attributes. */
  nest(type: number, writeBody: () => void): void {
    const start = this.#reserve(4);
    writeBody();
    this.#head(start, type | nested, this.#length - start);
  }

  /** A text ends with a zero byte. */
  text(type: number, value: string): void {
    const start = this.#reserve(4 + value.length + 1);
    this.#bytes.write(value, start + 4, 'latin1');
    this.#head(start, type, 4 + value.length + 1);
  }

  /** A 32-bit number in network byte order, as nf_tables has them. */
  number(type: number, value: number): void {
    const start = this.#reserve(8);
    this.#bytes.writeInt32BE(value, start + 4);
    this.#head(start, type, 8);
  }

  value(type: number, bytes: Uint8Array): void {
    const start = this.#reserve(4 + bytes.length);
    this.#bytes.set(bytes, start + 4);
    this.#head(start, type, 4 + bytes.length);
  }

  #head(start: number, type: number, length: number): void {
    this.#bytes.writeUInt16LE(length, start);
    this.#bytes.writeUInt16LE(type, start + 2);
  }

  /** Makes room for zeros up to the next multiple of four, and returns where they begin. */
  #reserve(length: number): number {
    const start = this.#length;
    this.#length += aligned(length);
    while (this.#length > this.#bytes.length)
      this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(this.#bytes.length)]);
    return start;
  }
}

export interface NetlinkHeader {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly family: number;
  readonly resource: number;
}

/** NLA_F_NESTED. */
const nested = 0x8000;

/** Netlink aligns messages and attributes to four bytes. nf_tables does the same with the fields of a key. */
export function aligned(length: number): number {
  return (length + 3) & ~3;
}
