import type { Family } from '../../src/model/address.ts';
import { localPods, policyObjects } from './policies.ts';
import { ruleList } from './rule-list.ts';
import { compileNode, defaults, policiesAlone, type Checks } from './rule-sets.ts';
import type { Layout } from './scene.ts';
import type { RuleSet } from './tables.ts';

/** Active rules of the node, or connection tracking only. */
export interface Variant {
  /** Name of its tables. */
  readonly name?: string;
  readonly title: string;
  readonly policies: number;
  readonly kind: 'none' | 'alone' | 'defaults' | 'list' | 'loopback';
}

export const none: Variant = { title: '', policies: 0, kind: 'none' };
/** The generator and the sockets without a path. */
export const loopback: Variant = { title: 'the generator alone, over loopback', policies: 0, kind: 'loopback' };

export function variantsOf(kind: 'alone' | 'defaults' | 'list', of: readonly number[]): Variant[] {
  const what = { alone: '', defaults: ', with gate, guard and fast path', list: ', as a list of rules' }[kind];
  return of.map((policies) => ({
    name: `${kind}-${policies}`,
    title: `${policies.toLocaleString('en')} policies${what}`,
    policies,
    kind,
  }));
}

export function ruleSetOf({ name, policies, kind }: Variant, layout: Layout, family: Family): RuleSet {
  const checks: Checks = kind === 'defaults' ? defaults : policiesAlone;
  const { snapshot, script } = compileNode(policyObjects(policies), checks, layout, family);
  const addresses = localPods().map(({ address }) => address);
  return { name: name!, script: kind === 'list' ? ruleList(snapshot, addresses) : script };
}
