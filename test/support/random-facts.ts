import fc from 'fast-check';
import type { Link, NodeFact, Pod } from '../../src/model/cluster.ts';
import { keyOf, upsertOf, type ApiObject } from './pipeline.ts';

interface SandboxChoice {
  readonly pod: number;
  /** Index of the pod whose addresses it has; `undefined` for unused addresses. */
  readonly addressesOf: number | undefined;
  readonly isOfAnother: boolean;
  readonly live: boolean;
  readonly order: number;
  readonly link: Link | undefined;
}

interface FetchedChoice {
  readonly pod: number;
  readonly isAnother: boolean;
  readonly hasNode: boolean;
}

export interface FactChoices {
  readonly sandboxes: readonly SandboxChoice[];
  readonly fetched: readonly FetchedChoice[];
  readonly kept: boolean;
  readonly unreadable: boolean;
  readonly links: readonly { readonly pod: number; readonly link: Link }[];
  readonly ranges: readonly string[];
  /** Pods whose addresses are denied until connections are deleted. */
  readonly unflushed: readonly number[];
}

const link = fc.constantFrom<Link>({ device: 'veth1' }, { device: 'veth2' }, { device: 'cni0', port: 'veth1' });
const someOf = { maxLength: 3 };

/** Input of `factsOf`. */
export const factChoices: fc.Arbitrary<FactChoices> = fc.record({
  sandboxes: fc.array(
    fc.record({
      pod: fc.nat(),
      addressesOf: fc.option(fc.nat(), { freq: 6, nil: undefined }),
      isOfAnother: fc.constantFrom(false, false, false, true),
      live: fc.constantFrom(true, true, true, false),
      order: fc.nat({ max: 2 }),
      link: fc.option(link, { freq: 4, nil: undefined }),
    }),
    { maxLength: 6 },
  ),
  fetched: fc.array(fc.record({ pod: fc.nat(), isAnother: fc.boolean(), hasNode: fc.boolean() }), someOf),
  kept: fc.boolean(),
  unreadable: fc.constantFrom(false, false, false, true),
  links: fc.array(fc.record({ pod: fc.nat(), link }), someOf),
  ranges: fc.subarray(['10.1.0.0/24', 'fd01::/120']),
  unflushed: fc.array(fc.nat(), { maxLength: 2 }),
});

/** Facts of a node: about its pods, about earlier pods of the same names, and about unknown pods. */
export function factsOf(objects: readonly ApiObject[], node: string, choices: FactChoices): NodeFact[] {
  const all = objects.filter(({ kind }) => kind === 'Pod');
  const podAt = (index: number): ApiObject => all[index % all.length]!;
  const addressesOf = (pod: ApiObject): string[] => {
    return (pod['status'] as { podIPs: { ip: string }[] }).podIPs.map(({ ip }) => ip);
  };
  const sandboxes = choices.sandboxes.map(({ pod, addressesOf: source, isOfAnother, ...rest }, index): NodeFact => {
    const { namespace = '', name, uid } = podAt(pod).metadata;
    const addresses = source === undefined ? [`10.1.0.${200 + index}`] : addressesOf(podAt(source));
    const value = { id: `s${index}`, namespace, name, uid: isOfAnother ? `${uid}-other` : uid!, addresses, ...rest };
    return { op: 'sandbox', id: value.id, value };
  });
  const fetched = choices.fetched.map(({ pod, isAnother, hasNode }): [string, NodeFact] => {
    const object = podAt(pod);
    const { value } = upsertOf(object) as { readonly value: Pod };
    // A pod never changes its node.
    const uid = isAnother || value.nodeName !== node ? `${value.uid}-other` : value.uid;
    const other = { ...value, uid, nodeName: hasNode ? node : undefined };
    return [keyOf(object), { op: 'fetched', key: keyOf(object), value: other }];
  });
  const links = new Map(choices.links.flatMap(({ pod, link }) => addressesOf(podAt(pod)).map((ip) => [ip, link])));
  return [
    ...sandboxes,
    ...new Map(fetched).values(),
    ...(choices.kept ? [{ op: 'cache-complete' } as const] : []),
    ...(choices.unreadable ? [{ op: 'cache-readable', readable: false } as const] : []),
    { op: 'links', links },
    { op: 'ranges', cidrs: choices.ranges },
    { op: 'unflushed', addresses: choices.unflushed.flatMap((pod) => addressesOf(podAt(pod))) },
  ];
}

/** The fact that removes this fact; empty if it cannot be removed. */
export function endOfFact(fact: NodeFact): NodeFact[] {
  switch (fact.op) {
    case 'sandbox':
    case 'fetched':
      return [{ ...fact, value: undefined }];
    case 'links':
      return [{ op: 'links', links: new Map() }];
    case 'ranges':
      return [{ op: 'ranges', cidrs: [] }];
    case 'unflushed':
      return [{ op: 'unflushed', addresses: [] }];
    case 'cache-readable':
      return [{ op: 'cache-readable', readable: true }];
    case 'cache-complete':
    case 'saved':
      return [];
  }
}
