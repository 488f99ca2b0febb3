import type { Traffic } from '../flows/traffic.ts';
import type { Labels } from '../flows/owner-labels.ts';
import { textAt, type JsonObject } from '../lib/json.ts';
import { InsideAddresses } from './blocks.ts';
import { dnsPorts, findDns } from './dns.ts';
import { joinVerdicts, judgeSeen, type Choice, type Judged } from './needs.ts';
import type { Need, Peer } from './peer.ts';
import { replay, type Replayed } from './replay.ts';
import { writeRules, writeSelector } from './rules.ts';
import { Scene } from './scene.ts';
import type { Workload } from '../flows/workloads.ts';

export interface Wanted extends Choice {
  /** Whether to suggest a policy for a workload. */
  readonly isWanted: (workload: Workload) => boolean;
}

/** A policy for one or more workloads, with the flows that it comes from. */
export interface Suggestion {
  readonly policy: JsonObject;
  readonly namespace: string;
  /** Names of the workloads that it selects; several if no label tells them apart. */
  readonly workloads: readonly string[];
  readonly allowed: readonly Judged[];
  readonly leftOut: readonly Judged[];
  /** What the evaluator said of `allowed`, with this policy alone. `denied` is empty unless there is a bug. */
  readonly replay: { readonly flows: number; readonly denied: readonly Replayed[] };
  readonly notes: readonly string[];
}

export interface Suggestions {
  readonly suggestions: readonly Suggestion[];
  readonly notes: readonly string[];
}

/** Suggests policies that allow what was seen, and names to be resolved. Each isolates its pods in both directions. */
export function suggest(objects: readonly JsonObject[], traffic: readonly Traffic[], wanted: Wanted): Suggestions {
  const scene = new Scene(objects);
  const [seen, inside, dns] = [joinVerdicts(traffic), new InsideAddresses(objects, scene.cluster), findDns(scene)];
  const taken = new Set(objects.filter((each) => each['kind'] === 'NetworkPolicy').map(nameOf));
  const notes: string[] = [];
  if (dns.length === 0)
    notes.push(
      'no DNS server with the label k8s-app=kube-dns runs in kube-system: DNS is allowed only where it was seen',
    );
  const bySelector = new Map<
    string,
    { readonly namespace: string; readonly labels: Labels; readonly workloads: Workload[] }
  >();
  for (const workload of scene.workloads.filter(wanted.isWanted)) {
    const { namespace, name } = workload;
    const { labels, isShared } = scene.labelsOfWorkload(workload);
    if (Object.keys(labels).length === 0 && isShared) {
      notes.push(
        `${namespace}/${name} has no label of its own, and there are other pods in the namespace: give its pods a label`,
      );
      continue;
    }
    const key = JSON.stringify([namespace, labels]);
    const known = bySelector.get(key);
    if (known) known.workloads.push(workload);
    else bySelector.set(key, { namespace, labels, workloads: [workload] });
  }
  const suggestions = Array.from(bySelector.values(), ({ namespace, labels, workloads }): Suggestion => {
    const subject = { namespace, labels };
    const judged = judgeSeen(scene, seen, subject, inside, wanted);
    const allowed = judged.filter(({ whyNot }) => whyNot === undefined);
    const needs = (direction: Judged['direction']): Need[] =>
      allowed.filter((each) => each.direction === direction).flatMap((each) => each.needs);
    const ofDns = dns.flatMap((peer) => dnsPorts.map((port): Need => ({ peer, port })));
    const name = chooseName(workloads[0]!, taken);
    taken.add(`${namespace}/${name}`);
    const policy = {
      ...{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace } },
      spec: {
        podSelector: writeSelector(labels),
        policyTypes: ['Ingress', 'Egress'],
        ingress: writeRules(needs('ingress'), 'ingress', namespace, inside),
        egress: writeRules([...needs('egress'), ...ofDns], 'egress', namespace, inside),
      },
    };
    const flows: Replayed[] = [...allowed, ...replayedDns(scene, subject, dns)];
    const selected = new Set(scene.selected(namespace, labels).map(({ workload }) => workload.name));
    return {
      ...{ policy, namespace, workloads: [...selected], allowed },
      leftOut: judged.filter(({ whyNot }) => whyNot !== undefined),
      replay: { flows: flows.length, denied: replay(scene, policy, flows) },
      notes: notesOf(allowed, namespace, scene),
    };
  });
  return { suggestions, notes };
}

/** DNS of each pod of the subject to each server, on both protocols. */
function replayedDns(scene: Scene, subject: { namespace: string; labels: Labels }, dns: readonly Peer[]): Replayed[] {
  const ends = new Map(
    scene.selected(subject.namespace, subject.labels).map(({ namespace, labels }) => {
      return [JSON.stringify(labels), { kind: 'workload', namespace, labels } as const];
    }),
  );
  return [...ends.values()].flatMap((from) =>
    dns.flatMap((peer) => {
      const servers =
        peer.kind === 'block'
          ? [peer]
          : scene
              .selected(peer.namespace, peer.labels)
              .map(({ namespace, labels }) => ({ kind: 'workload', namespace, labels }) as const);
      return servers.flatMap((to) =>
        dnsPorts.map((traffic) => ({ direction: 'egress', seen: { from, to, ...traffic } }) as const),
      );
    }),
  );
}

/** Peers that a rule selects together with more than was seen. */
function notesOf(allowed: readonly Judged[], own: string, scene: Scene): string[] {
  const notes = allowed.flatMap(({ direction, seen }) => {
    const other = direction === 'ingress' ? seen.from : seen.to;
    if (other.kind !== 'workload' || !scene.labelsOfEnd(other).isShared) return [];
    const { labels } = scene.labelsOfEnd(other);
    const names = new Set(scene.selected(other.namespace, labels).map(({ workload }) => workload.name));
    const where = other.namespace === own ? '' : ` of namespace ${other.namespace}`;
    return [
      `no label tells these pods${where} apart, so a rule selects all of them: ${[...names].slice(0, 5).join(', ')}${names.size > 5 ? ` and ${names.size - 5} more` : ''}`,
    ];
  });
  return [...new Set(notes)];
}

/** The name of the workload; with an ending if a policy has it already. */
function chooseName({ namespace, name }: Workload, taken: ReadonlySet<string>): string {
  // Names of policies and of workloads follow the same rules (RFC 1123), and are as long.
  const base = name.replace(/^[^/]*\//, '').slice(0, 240);
  for (let number = 1; ; number++) {
    const each = number === 1 ? base : number === 2 ? `${base}-seen` : `${base}-seen-${number - 1}`;
    if (!taken.has(`${namespace}/${each}`)) return each;
  }
}

function nameOf(object: JsonObject): string {
  return `${textAt(object, 'metadata', 'namespace') ?? 'default'}/${textAt(object, 'metadata', 'name') ?? ''}`;
}
