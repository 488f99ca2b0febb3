import { isEnforced, type Policy, type PolicyId } from '../model/policy.ts';
import type { LocalPod, Snapshot } from '../model/snapshot.ts';

/**
 * Isolated pods grouped by kind. Pods of one kind have the same policies, and the same named ports if a policy has ingress port names (S4.7). So
 * they have equal classes.
 */
export type PodKinds = ReadonlyMap<string, readonly [LocalPod, ...LocalPod[]]>;

/** The kinds of pods that enforced policies make, and those that policies in audit make: an audit must not change what the others cost. */
export interface AllKinds {
  readonly enforced: PodKinds;
  readonly audited: PodKinds;
}

export function groupPods({ localPods, policies }: Snapshot): AllKinds {
  const naming = new Set(policies.values().flatMap((policy) => (hasIngressNames(policy) ? [policy.id] : [])));
  const audits = new Set(policies.values().flatMap((policy) => (isEnforced(policy) ? [] : [policy.id])));
  // Pods may share one list of policies. Read a list of thousands only once.
  const ofLists = new Map<readonly PolicyId[], Readonly<Record<keyof AllKinds, KindText | undefined>>>();
  const kinds = { enforced: new Map<string, [LocalPod, ...LocalPod[]]>(), audited: new Map() };
  const textOf = (ids: readonly PolicyId[]): KindText => ({
    text: ids.join(),
    names: ids.some((id) => naming.has(id)),
  });
  const textsOf = (ids: readonly PolicyId[]): Record<keyof AllKinds, KindText | undefined> => {
    if (audits.size === 0) return { enforced: textOf(ids), audited: undefined };
    const enforced = ids.filter((id) => !audits.has(id));
    return {
      enforced: enforced.length > 0 ? textOf(enforced) : undefined,
      // The enforced policies count too: an audit skips each direction in which one of them isolates the pod.
      audited: enforced.length < ids.length ? textOf(ids) : undefined,
    };
  };
  for (const pod of localPods.values()) {
    const { policies: ids, ports } = pod;
    if (ids.length === 0) continue;
    let texts = ofLists.get(ids);
    if (!texts) ofLists.set(ids, (texts = textsOf(ids)));
    for (const which of ['enforced', 'audited'] as const) {
      const kind = texts[which];
      if (!kind) continue;
      const text = kind.names ? `${kind.text} ${JSON.stringify(ports)}` : kind.text;
      const known = kinds[which].get(text);
      if (known) known.push(pod);
      else kinds[which].set(text, [pod]);
    }
  }
  return kinds;
}

interface KindText {
  readonly text: string;
  /** Whether a policy has ingress port names. */
  readonly names: boolean;
}

/** By policy, the number of pod kinds that it selects: an upper bound for its classes per direction. */
export function countKinds({ enforced, audited }: AllKinds, policies: Snapshot['policies']): Map<PolicyId, number> {
  const counts = new Map<PolicyId, number>();
  for (const [kinds, counted] of [
    [enforced, true],
    [audited, false],
  ] as const) {
    for (const [pod] of kinds.values()) {
      for (const id of pod.policies) {
        if (isEnforced(policies.get(id)!) === counted) counts.set(id, (counts.get(id) ?? 0) + 1);
      }
    }
  }
  return counts;
}

function hasIngressNames({ rules }: Policy): boolean {
  return rules.ingress.some(({ ports }) => ports.some(({ kind }) => kind === 'named'));
}
