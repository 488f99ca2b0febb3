import { readElement } from '../../src/nftables/component.ts';
import { NetlinkBytes } from '../../src/nftables/netlink-bytes.ts';
import { keyFields } from '../../src/nftables/netlink-constants.ts';
import {
  catchAll,
  type Element,
  type ElementVerdict,
  type NftSet,
  type VerdictMap,
} from '../../src/nftables/ruleset.ts';

/** Datagrams in the form in which the kernel sends elements. Written apart from the encoder of batches, from linux/netfilter/nf_tables.h. */

const codes = { drop: 0, accept: 1, continue: -1, jump: -3, goto: -4, return: -5 } as const;

export interface DumpOptions {
  readonly sequence: number;
  readonly flags?: number;
  /** Writes more attributes into each element. */
  readonly addTo?: (bytes: NetlinkBytes) => void;
}

/** One part of a dump: a message with all elements of the object. */
export function dumpPart(object: NftSet | VerdictMap, { sequence, flags = 2, addTo }: DumpOptions): Buffer {
  const bytes = new NetlinkBytes();
  bytes.message({ type: 0x0a0c, flags, sequence, family: 2, resource: 7 }, () => {
    bytes.text(1, 'postern');
    bytes.text(2, object.name);
    bytes.nest(3, () => {
      const { elements } = object;
      for (const element of elements.keys()) {
        const verdict = elements instanceof Map ? (elements as VerdictMap['elements']).get(element) : undefined;
        bytes.nest(1, () => {
          writeKey(bytes, object, element);
          if (verdict) bytes.nest(2, () => bytes.nest(2, () => writeVerdict(bytes, verdict)));
          addTo?.(bytes);
        });
      }
    });
  });
  return bytes.take();
}

/** The end of a dump. */
export function dumpEnd({ sequence, flags = 2, error = 0 }: DumpOptions & { readonly error?: number }): Buffer {
  return endOfAnswer(3, sequence, flags, error);
}

export function errorAnswer(sequence: number, error: number): Buffer {
  return endOfAnswer(2, sequence, 0, error);
}

export function generationAnswer(sequence: number, generation: number): Buffer {
  const bytes = new NetlinkBytes();
  bytes.message({ type: 0x0a0f, flags: 0, sequence, family: 0, resource: generation & 0xffff }, () => {
    bytes.number(1, generation);
    bytes.number(2, 4711);
    bytes.text(3, 'nft');
  });
  return bytes.take();
}

function endOfAnswer(type: number, sequence: number, flags: number, error: number): Buffer {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt32LE(20, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(flags, 6);
  bytes.writeUInt32LE(sequence, 8);
  bytes.writeInt32LE(-error, 16);
  return bytes;
}

function writeKey(bytes: NetlinkBytes, { key, interval }: NftSet | VerdictMap, element: Element): void {
  if (element === catchAll) return bytes.number(3, 2);
  const values = readElement(key, element)!;
  const keyOf = (end: 'first' | 'last'): Buffer =>
    Buffer.concat(
      keyFields(key)!.map(({ width, space }, index) => {
        const digits = values[index]![end].toString(16).padStart(2 * width, '0');
        return Buffer.concat([Buffer.from(digits, 'hex'), Buffer.alloc(space - width)]);
      }),
    );
  bytes.nest(1, () => bytes.value(1, keyOf('first')));
  if (interval) bytes.nest(10, () => bytes.value(1, keyOf('last')));
}

function writeVerdict(bytes: NetlinkBytes, verdict: ElementVerdict): void {
  bytes.number(1, codes[verdict.kind]);
  if ('chain' in verdict) bytes.text(2, verdict.chain);
}
