import { readForeignRules, type ForeignRules } from '../../src/doctor/foreign/rules.ts';

interface ChainText {
  readonly family?: string;
  readonly table?: string;
  /** Hook and priority of a base chain, as `forward 0`, and `drop` if that is its policy. */
  readonly hook?: string;
  readonly dev?: string | readonly string[];
  /** Each as `nft -j` lists its `expr`. */
  readonly rules: readonly (readonly object[])[];
}

/** By the names of its chains, as `nft -j list table` lists it. */
export function foreignRules(chains: Readonly<Record<string, ChainText>>): ForeignRules {
  return readForeignRules(
    Object.entries(chains).flatMap(([name, { family = 'inet', table = 'x', hook, dev, rules }]) => {
      const [hookName, prio, policy = 'accept'] = hook?.split(' ') ?? [];
      const base = hook ? { type: 'filter', hook: hookName, prio: Number(prio), policy } : {};
      const chain = { chain: { family, table, name, handle: 1, ...base, ...(dev !== undefined && { dev }) } };
      return [
        chain,
        ...rules.map((expr, index) => ({ rule: { family, table, chain: name, handle: index + 2, expr } })),
      ];
    }),
  );
}

/** Rules as nft 1.1.3 lists them. */
export const match = (left: object, right: unknown, op = '=='): object => ({ match: { op, left, right } });
export const saddr = { payload: { protocol: 'ip', field: 'saddr' } };
export const daddr = { payload: { protocol: 'ip', field: 'daddr' } };
export const meta = (key: string): object => ({ meta: { key } });
export const jump = (target: string): object => ({ jump: { target } });
export const goto = (target: string): object => ({ goto: { target } });
export const prefix = (addr: string, len: number): object => ({ prefix: { addr, len } });
export const [accept, drop, back] = [{ accept: null }, { drop: null }, { return: null }];
