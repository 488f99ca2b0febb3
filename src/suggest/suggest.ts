import type { Cluster } from '../evaluator/cluster.ts';
import type { Traffic } from '../flows/traffic.ts';
import type { Labels } from '../flows/owner-labels.ts';
import { textAt, type JsonObject } from '../lib/json.ts';
import { plural } from '../lib/plural.ts';
import { sorted } from '../lib/sort.ts';
import { InsideAddresses } from './blocks.ts';
import { dnsPorts, findDns, isDns, usualDns } from './dns.ts';
import { joinVerdicts, judgeSeen, type Choice, type Judged } from './needs.ts';
import type { Need, Peer } from './peer.ts';
import { replay, replayTogether, type Replayed } from './replay.ts';
import { writeRules, writeSelector } from './rules.ts';
import { Scene } from './scene.ts';
import type { Workload } from '../flows/workloads.ts';

export interface Wanted extends Choice {
  /** Whether to suggest a policy for a workload. */
  readonly isWanted: (workload: Workload) => boolean;
  /** Minutes that the traffic covers, for notes. */
  readonly minutes?: number;
  /** Nodes whose agents have told what they saw. Missing: all. */
  readonly answeredNodes?: ReadonlySet<string>;
  /** `part` if the user may not see all pods and nodes. */
  readonly shows?: Cluster['shows'];
  /** Only the connections of the traffic, without DNS: for a policy beside others that isolate the pods already. */
  readonly isAddition?: boolean;
}

/** A policy for one or more workloads, with the flows that it comes from. */
export interface Suggestion {
  readonly policy: JsonObject;
  readonly namespace: string;
  /** Names of the workloads that it selects; several if no label tells them apart. */
  readonly workloads: readonly string[];
  readonly allowed: readonly Judged[];
  readonly leftOut: readonly Judged[];
  /** What the evaluator said of `allowed` and of DNS: with this policy alone, and with all of one answer. `denied` is empty unless there is a bug. */
  readonly replay: { readonly flows: number; readonly denied: readonly Replayed[] };
  readonly notes: readonly string[];
}

export interface Suggestions {
  readonly suggestions: readonly Suggestion[];
  readonly notes: readonly string[];
}

/** A suggestion before the replay with all the others. */
interface Draft extends Suggestion {
  readonly flows: readonly Replayed[];
}

/** Suggests policies that allow what was seen, and names to be resolved. Each isolates its pods in both directions. A workload of which nothing was seen gets none. */
export function suggest(objects: readonly JsonObject[], traffic: readonly Traffic[], wanted: Wanted): Suggestions {
  const scene = new Scene(objects);
  const [seen, inside] = [joinVerdicts(traffic), new InsideAddresses(objects, scene.cluster, wanted.shows)];
  const isAddition = wanted.isAddition ?? false;
  const servers = isAddition ? [] : findDns(scene);
  const isHidden = !isAddition && servers.length === 0 && wanted.shows === 'part';
  const dns = isHidden ? [usualDns] : servers;
  const taken = new Set(objects.filter((each) => each['kind'] === 'NetworkPolicy').map(nameOf));
  const notes: string[] = [];
  if (isHidden)
    notes.push(
      'you may not list the pods of kube-system: the policies allow DNS to those with the label k8s-app=kube-dns. If the nodes have a DNS cache, add a rule for its address',
    );
  if (dns.length === 0 && !isAddition)
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
  const drafts = [...bySelector.values()].flatMap(({ namespace, labels, workloads }): Draft[] => {
    const subject = { namespace, labels };
    const judged = judgeSeen(scene, seen, subject, inside, wanted);
    const silent = findSilent(scene, subject, wanted.answeredNodes);
    const none = whyNone(judged, silent, wanted.minutes);
    if (none !== undefined) {
      const names = workloads.map(({ name }) => `${namespace}/${name}`);
      notes.push(`${names.join(', ')}: ${none}: no policy is suggested`);
      return [];
    }
    const allowed = judged.filter(({ whyNot }) => whyNot === undefined);
    const needs = (direction: Judged['direction']): Need[] =>
      allowed.filter((each) => each.direction === direction).flatMap((each) => each.needs);
    const ofDns = dns.flatMap((peer) => dnsPorts.map((port): Need => ({ peer, port })));
    // Each pod and each node needs names, also those that asked for none in the last hour.
    const ofClients =
      !isAddition && scene.selected(namespace, labels).some(isDns)
        ? dnsPorts.map((port): Need => ({ peer: { kind: 'any' }, port }))
        : [];
    const name = chooseName(workloads[0]!, taken);
    taken.add(`${namespace}/${name}`);
    const policy = {
      ...{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace } },
      spec: {
        podSelector: writeSelector(labels),
        policyTypes: ['Ingress', 'Egress'],
        ingress: writeRules([...needs('ingress'), ...ofClients], 'ingress', namespace, inside),
        egress: writeRules([...needs('egress'), ...ofDns], 'egress', namespace, inside),
      },
    };
    const flows: Replayed[] = [...allowed, ...replayedDns(scene, subject, dns)];
    const selected = new Set(scene.selected(namespace, labels).map(({ workload }) => workload.name));
    const leftOut = judged.filter(({ whyNot }) => whyNot !== undefined);
    return [
      {
        ...{ policy, namespace, workloads: [...selected], allowed, leftOut, flows },
        replay: { flows: flows.length, denied: replay(scene, policy, flows) },
        notes: [
          ...describeSilent(silent),
          ...describeLost(leftOut),
          ...describeDenied(leftOut),
          ...notesOf(allowed, namespace, scene),
          ...noteOfPublic(allowed),
        ],
      },
    ];
  });
  return { suggestions: withAllReplayed(scene, drafts), notes };
}

/** Adds what fails once all policies of the answer are there. What one end leaves out is listed there, and is no failure of the other end. */
function withAllReplayed(scene: Scene, drafts: readonly Draft[]): Suggestion[] {
  const leftOut = new Set<unknown>(drafts.flatMap((draft) => draft.leftOut.map(({ seen }) => seen)));
  const flows = drafts.flatMap((draft) => draft.flows).filter(({ seen }) => !leftOut.has(seen));
  const policies = drafts.map(({ policy }) => policy);
  const denied = new Set(replayTogether(scene, policies, flows));
  return drafts.map(({ flows: own, replay: alone, ...rest }) => {
    const all = new Set([...alone.denied, ...own.filter((flow) => denied.has(flow))]);
    return { ...rest, replay: { flows: alone.flows, denied: [...all] } };
  });
}

/** Nodes of the subject's pods whose agents have told nothing. */
interface Silent {
  readonly nodes: readonly string[];
  readonly pods: number;
  readonly isAll: boolean;
}

function findSilent(
  scene: Scene,
  subject: { namespace: string; labels: Labels },
  answered?: ReadonlySet<string>,
): Silent {
  const pods = scene.selected(subject.namespace, subject.labels);
  const nodes = pods.flatMap(({ object }) => {
    const node = textAt(object, 'spec', 'nodeName');
    return node === undefined || answered === undefined || answered.has(node) ? [] : [node];
  });
  return { nodes: sorted(new Set(nodes)), pods: nodes.length, isAll: nodes.length > 0 && nodes.length === pods.length };
}

/** Why a workload gets no policy: what it needs is not known, and a policy would cut all of it. */
function whyNone(judged: readonly Judged[], { nodes, isAll }: Silent, minutes: number | undefined): string | undefined {
  if (isAll) return `its pods run where no agent has told what it saw (${nodes.slice(0, 5).join(', ')})`;
  if (judged.some(({ needs, seen }) => needs.length > 0 || seen.allowed !== undefined)) return undefined;
  const time = minutes === undefined ? '' : ` in ${plural(minutes, 'minute')}`;
  return judged.length === 0 ? `no connection was seen${time}` : `no connection was answered${time}`;
}

function describeSilent({ nodes, pods }: Silent): string[] {
  if (nodes.length === 0) return [];
  const more = nodes.length > 5 ? ` and ${nodes.length - 5} more` : '';
  return [
    `INCOMPLETE: no agent has told what it saw of ${plural(pods, 'pod')}, on ${nodes.slice(0, 5).join(', ')}${more}`,
  ];
}

/** What was answered before a policy denied it. */
function describeDenied(leftOut: readonly Judged[]): string[] {
  const { length } = leftOut.filter(({ seen, whyNot }) => seen.allowed !== undefined && whyNot === 'denied');
  if (length === 0) return [];
  return [
    `${plural(length, 'flow')} had answers, and the current policies deny ${length === 1 ? 'it' : 'them'}: this policy does not allow ${length === 1 ? 'it' : 'them'}`,
  ];
}

/** What was answered, and would be cut. */
function describeLost(leftOut: readonly Judged[]): string[] {
  const lost = leftOut.filter(
    ({ seen, whyNot }) => seen.allowed !== undefined && whyNot !== 'denied' && whyNot !== 'no-ports',
  );
  if (lost.length === 0) return [];
  return [
    `INCOMPLETE: no rule can name the ends or ports of ${plural(lost.length, 'answered flow')}: this policy would cut them`,
  ];
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

/** With so many clients outside, others will come. */
const manyClients = 4;

/** A rule for each client of an hour shuts out those of the next one. */
function noteOfPublic(allowed: readonly Judged[]): string[] {
  const clients = new Set(
    allowed.flatMap(({ direction, seen }) =>
      direction === 'ingress' && seen.from.kind === 'block' ? [seen.from.cidr] : [],
    ),
  );
  if (clients.size < manyClients) return [];
  return [
    `${plural(clients.size, 'address', 'addresses')} outside opened connections to it, and this policy denies all others: if anyone may, allow 0.0.0.0/0 and ::/0 instead`,
  ];
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
