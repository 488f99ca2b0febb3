import type { ElementVerdict, KeyType, TableFamily } from './ruleset.ts';
import { aligned } from './netlink-bytes.ts';

/** Numbers of linux/netlink.h, linux/netfilter/nfnetlink.h and nf_tables.h that requests and answers about elements have. */

const subsystem = 10;
/** NLMSG_…, NFNL_MSG_BATCH_…, NFT_MSG_… */
export const messageTypes = {
  error: 2,
  done: 3,
  batchBegin: 0x10,
  batchEnd: 0x11,
  addTable: subsystem << 8,
  addChain: (subsystem << 8) | 3,
  deleteChain: (subsystem << 8) | 5,
  deleteRules: (subsystem << 8) | 8,
  deleteSet: (subsystem << 8) | 11,
  addElements: (subsystem << 8) | 12,
  getElements: (subsystem << 8) | 13,
  deleteElements: (subsystem << 8) | 14,
  generation: (subsystem << 8) | 15,
  getGeneration: (subsystem << 8) | 16,
} as const;
/** The resource that a batch is about. */
export const batchResource = subsystem;
/** NLM_F_… */
export const messageFlags = { request: 1, acknowledge: 4, interrupted: 0x10, dump: 0x300, create: 0x400 } as const;
export const familyNumbers: Readonly<Record<TableFamily, number>> = { ip: 2, ip6: 10, bridge: 7 };

/** NFTA_SET_ELEM_LIST_…, NFTA_LIST_ELEM, NFTA_SET_ELEM_…, NFTA_DATA_…, NFTA_VERDICT_…, NFTA_GEN_… */
export const listAttributes = { table: 1, set: 2, elements: 3 } as const;
export const listItem = 1;
export const elementAttributes = { key: 1, data: 2, flags: 3, keyEnd: 10 } as const;
export const dataAttributes = { value: 1, verdict: 2 } as const;
export const verdictAttributes = { code: 1, chain: 2 } as const;
export const generationAttribute = 1;

export const catchAllFlag = 2;
export const verdictCodes: Readonly<Record<ElementVerdict['kind'], number>> = {
  drop: 0,
  accept: 1,
  continue: -1,
  jump: -3,
  goto: -4,
  return: -5,
};

/** Bytes of a field. An interface index is in the byte order of the machine. Only packets add such elements, so none is written or read here. */
const widths: Readonly<Record<KeyType, number | undefined>> = {
  ipv4_addr: 4,
  ipv6_addr: 16,
  inet_proto: 1,
  inet_service: 2,
  ifname: 16,
  ether_addr: 6,
  iface_index: undefined,
};

/** A field in the key of an element. */
export interface KeyField {
  readonly type: KeyType;
  readonly at: number;
  /** Bytes of its value, in network byte order. */
  readonly width: number;
  /** With zeros after the value: each field of several is padded to a multiple of four bytes. */
  readonly space: number;
}

/** The fields of a key as the kernel has them; `undefined` if one has a type that is neither written nor read. */
export function keyFields(key: readonly KeyType[]): readonly KeyField[] | undefined {
  const fields: KeyField[] = [];
  let at = 0;
  for (const type of key) {
    const width = widths[type];
    if (width === undefined) return undefined;
    const space = key.length > 1 ? aligned(width) : width;
    fields.push({ type, at, width, space });
    at += space;
  }
  return fields;
}
