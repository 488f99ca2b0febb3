/** The suites, and what each proves. CONTRIBUTING.md shows this table. A test checks that each test file belongs to exactly one suite. */
import { globSync } from 'node:fs';
import { resolve } from 'node:path';

/** Each run has all suites of the run before it, and more. */
export const runs = ['check', 'test', 'whole'] as const;
export type Run = (typeof runs)[number];

export interface Suite {
  readonly name: string;
  readonly kind: 'static' | 'unit' | 'kernel' | 'mutants' | 'program';
  readonly proves: string;
  /** Patterns of test files. A suite of the kind `unit` leaves out those that end in `.kernel.test.ts`. */
  readonly files?: readonly string[];
  /** For a suite without files: a script of package.json. */
  readonly script?: string;
  /** The shortest run that has the suite, or how it runs otherwise. */
  readonly from: Run | 'nightly' | 'by hand';
  /** The time of the suite on two processors, in `npm test` or else `npm run test:whole`. The longest suite starts first. */
  readonly seconds: number;
  /** Environment variables of `npm run test:whole` that `npm test` does not set. */
  readonly whole?: Readonly<Record<string, string>>;
}

const root = resolve(import.meta.dirname, '..');

const environments: Readonly<Record<Run, Readonly<Record<string, string>>>> = {
  check: { POSTERN_RUNS: '0.1', POSTERN_SAMPLE: '1' },
  test: { POSTERN_SAMPLE: '1' },
  whole: {},
};

export const suites: readonly Suite[] = [
  { name: 'format', kind: 'static', proves: 'all files have one format', script: 'format', from: 'check', seconds: 1 },
  {
    name: 'lint',
    kind: 'static',
    proves: 'rooms import only what they may; no promise is left without an await',
    script: 'lint',
    from: 'check',
    seconds: 9,
  },
  { name: 'types', kind: 'static', proves: 'types are correct', script: 'typecheck', from: 'check', seconds: 5 },
  {
    name: 'unused',
    kind: 'static',
    proves: 'no file, export or dependency is unused',
    script: 'knip',
    from: 'check',
    seconds: 2,
  },

  {
    name: 'rooms',
    kind: 'unit',
    proves: 'each pure room, and the evaluator: S1 to S10 by example',
    files: [
      'test/{model,kinds,indexer,compile,plan,nftables,evaluator,tiers,impact,flows,suggest,map,doctor,lib}/**/*.test.ts',
    ],
    from: 'check',
    seconds: 40,
  },
  {
    name: 'pipeline',
    kind: 'unit',
    proves: 'policies to rules: golden cases, examples, hostile policies, scale, recorded orders of events',
    files: ['test/*.test.ts', 'test/{examples,identity}/**/*.test.ts'],
    from: 'check',
    seconds: 40,
  },
  {
    name: 'stages',
    kind: 'unit',
    proves: 'a change never passes what neither the old nor the new rules pass (S7.3), in random histories',
    files: ['test/property/stages.test.ts'],
    from: 'check',
    seconds: 160,
    whole: { POSTERN_RUNS: '4' },
  },
  {
    name: 'properties',
    kind: 'unit',
    proves: 'the rules and the evaluator agree on random clusters, in any order of events, after any failure',
    files: ['test/property/!(stages).test.ts'],
    from: 'check',
    seconds: 20,
  },
  {
    name: 'agent',
    kind: 'unit',
    proves: 'the agent, its watches, its saved state, metrics and flags',
    files: ['test/{agent,cni,state,sandboxes,watch,apply,config,telemetry}/**/*.test.ts'],
    from: 'check',
    seconds: 35,
  },
  {
    name: 'commands',
    kind: 'unit',
    proves: 'the commands: what they print, and how they end',
    files: ['test/{cli,bin,manifests}/**/*.test.ts'],
    from: 'check',
    seconds: 30,
  },
  {
    name: 'page',
    kind: 'unit',
    proves:
      'the page of `postern ui` in a real browser: map, reasons, changes, suggestions, exports, keyboard, contrast',
    files: ['test/page/**/*.test.ts'],
    from: 'test',
    seconds: 60,
  },
  {
    name: 'house',
    kind: 'unit',
    proves: 'docs, chart, alerts and code agree; the tools of this repository',
    files: ['test/{house,charts,monitoring,bench,scripts,e2e}/**/*.test.ts'],
    from: 'check',
    seconds: 15,
  },
  {
    name: 'replays',
    kind: 'unit',
    proves: 'failures of other controllers do not happen here',
    files: ['test/replays/!(*.kernel).test.ts'],
    from: 'test',
    seconds: 35,
    whole: { POSTERN_REPLAYS_CHURN: '10000' },
  },

  {
    name: 'packets',
    kind: 'kernel',
    proves: 'real packets: answers, open connections, what begins in mid-stream, neighbour discovery',
    files: ['test/kernel/{answers,midstream,neighbour-discovery,own-node}.test.ts'],
    from: 'check',
    seconds: 30,
  },
  {
    name: 'services',
    kind: 'kernel',
    proves: 'real packets: Services, host ports, DHCP, headers, live connections, tables of others, drift',
    files: [
      'test/kernel/{services,port-mappings,dhcp,headers,live-connections,fast-path,revocations,other-tables,undisturbed,drift}.test.ts',
    ],
    from: 'test',
    seconds: 120,
    whole: { REVOCATIONS: '400', POSTERN_FAST_PATH: 'false' },
  },
  {
    name: 'nft',
    kind: 'kernel',
    proves: 'real nft accepts our rules, and decides as our model of nft does',
    files: ['test/{nftables,compile,apply,agent,cni,state,sandboxes,bench}/**/*.kernel.test.ts'],
    from: 'test',
    seconds: 90,
  },
  {
    name: 'lab',
    kind: 'kernel',
    proves: 'the lab works as the tests expect: CNI plugins, pods, Services, API server',
    files: ['test/lab/*/**/*.test.ts', 'test/lab/[!cp]*.test.ts', 'test/lab/{cni,config-list,pod-process}.test.ts'],
    from: 'test',
    seconds: 60,
  },
  {
    name: 'lab-commands',
    kind: 'kernel',
    proves: 'postern lab, probe, test and the image',
    files: ['test/lab/{cli,probe-command,policy-test}.test.ts', 'test/image/**/*.test.ts'],
    from: 'test',
    seconds: 100,
  },
  {
    name: 'conformance',
    kind: 'kernel',
    proves: 'the conformance cases, where they are beside the checkout, on each network of the lab',
    files: ['test/kernel/conformance.test.ts'],
    from: 'test',
    seconds: 2,
  },
  {
    name: 'tiers',
    kind: 'kernel',
    proves: 'real packets: ClusterNetworkPolicies in a table of cases (S10), on bridge and ptp, both families',
    files: ['test/kernel/tiers.test.ts'],
    from: 'test',
    seconds: 60,
  },
  {
    name: 'node-networks',
    kind: 'kernel',
    proves: 'fragments and packet-too-big through each network between nodes; flow tables of other programs',
    files: ['test/kernel/{node-networks,flow-tables}.test.ts'],
    from: 'test',
    seconds: 20,
  },
  {
    name: 'pod-networks',
    kind: 'kernel',
    proves: 'pods whose packets do not cross the node (macvlan): policies, changes, restoration, agents that stop',
    files: ['test/kernel/pod-networks.test.ts'],
    from: 'test',
    seconds: 60,
    whole: { POD_NETWORK_CHANGES: '1000' },
  },
  {
    name: 'pod-network-attacks',
    kind: 'kernel',
    proves:
      'what a pod with NET_ADMIN or NET_RAW does in its own network namespace, on each network that the kernel has',
    files: ['test/kernel/pod-network-attacks.test.ts'],
    from: 'test',
    seconds: 20,
  },
  {
    name: 'firewalls',
    kind: 'kernel',
    proves: 'firewalld, ufw, nftables.service and others on the node open nothing, and the doctor finds what they drop',
    files: ['test/kernel/firewalls.test.ts'],
    from: 'test',
    seconds: 30,
  },
  {
    name: 'agent-life',
    kind: 'kernel',
    proves: 'agents that stop, are killed at each stage, start, take over and lose the API server',
    files: ['test/kernel/{lifecycle,adoption,served-versions}.test.ts'],
    from: 'test',
    seconds: 90,
  },
  {
    name: 'pod-starts',
    kind: 'kernel',
    proves: 'a pod has its rules before its first packet, also after a reboot and with the address of another',
    files: [
      'test/kernel/{pod-start,cni-plugin,cni-plugin-inside,cni-install,reboot,address-reuse,gate-claims}.test.ts',
    ],
    from: 'test',
    seconds: 200,
    whole: { POD_STARTS: '200', REUSES: '100' },
  },
  {
    name: 'agent-faults',
    kind: 'kernel',
    proves: 'agents, nft and tables that fail: what is enforced, and what is reported',
    files: [
      'test/kernel/{faults,drift-parts,two-agents,refusal,events,readiness,rewrite,policy-status,policy-proof}.test.ts',
    ],
    from: 'test',
    seconds: 90,
  },
  {
    name: 'denials',
    kind: 'kernel',
    proves:
      'denied connections are recorded and explained; a flood of them costs little; audits, flows, plan and alerts',
    files: [
      'test/kernel/{audits,denials,denial-flood,plan,flows,rewrite-flood}.test.ts',
      'test/monitoring/fire.kernel.test.ts',
    ],
    from: 'test',
    seconds: 200,
    whole: { REWRITES: '40' },
  },
  {
    name: 'diagnosis',
    kind: 'kernel',
    proves: 'doctor and the node commands find the faults that tests make',
    files: ['test/cli/**/*.kernel.test.ts', 'test/doctor/walk.kernel.test.ts'],
    from: 'test',
    seconds: 180,
    whole: { WALKS: '1000' },
  },
  {
    name: 'troubleshooting',
    kind: 'kernel',
    proves: 'each row of docs/troubleshooting.md',
    files: ['test/kernel/troubleshooting/**/*.test.ts'],
    from: 'test',
    seconds: 90,
  },
  {
    name: 'spoofing',
    kind: 'kernel',
    proves: 'pods send from their own addresses only, and devices that come late are guarded',
    files: ['test/kernel/{spoof,stranger}.test.ts'],
    from: 'test',
    seconds: 60,
  },
  {
    name: 'attacks',
    kind: 'kernel',
    proves: 'attacks fail with agents, and get through without; one kind of network',
    files: ['test/attacks/*.kernel.test.ts'],
    from: 'test',
    seconds: 200,
    whole: { POSTERN_FAST_PATH: 'false' },
  },
  {
    name: 'attack-networks',
    kind: 'kernel',
    proves: 'the attacks that depend on the network between nodes, on each kind of it',
    files: ['test/attacks/*.long.ts'],
    from: 'whole',
    seconds: 600,
  },
  {
    name: 'kernel-replays',
    kind: 'kernel',
    proves: 'failures of other controllers do not happen here, with real packets',
    files: ['test/replays/*.kernel.test.ts'],
    from: 'test',
    seconds: 120,
    whole: { PORT_REUSES: '10000', QUEUE_CHANGES: '200', MIXED_FLOWS: '1000', SHORT_PODS: '50000' },
  },

  {
    name: 'mutants',
    kind: 'mutants',
    proves: 'the unit tests notice wrong lines; a fixed sample of 60 in `npm test`',
    script: 'mutants',
    from: 'test',
    seconds: 190,
  },
  {
    name: 'e2e',
    kind: 'program',
    proves: 'what upstream tests cannot see; the same suite runs on any cluster',
    files: ['e2e/*.test.ts'],
    from: 'whole',
    seconds: 300,
  },
  {
    name: 'faults',
    kind: 'program',
    proves: 'the table of docs/reliability.md: packets that pass and packets that are lost while things fail',
    script: 'e2e:faults',
    from: 'whole',
    seconds: 500,
  },
  {
    name: 'performance',
    kind: 'program',
    proves: 'docs/performance.md: no figure is lost',
    script: 'bench',
    from: 'nightly',
    seconds: 3600,
  },
  {
    name: 'kind',
    kind: 'program',
    proves: 'the e2e suite on a kind cluster',
    script: 'e2e:kind',
    from: 'by hand',
    seconds: 600,
  },
];

/** Of a run, or those with these names or of these kinds. The checks that take seconds come first, then the suites that take longest. */
export function suitesOf(run: Run, words: readonly string[] = []): Suite[] {
  const reach = runs.indexOf(run);
  const isStatic = ({ kind }: Suite): boolean => kind === 'static';
  return suites
    .filter(({ from, name, kind }) =>
      words.length > 0
        ? words.includes(name) || words.includes(kind)
        : runs.slice(0, reach + 1).some((each) => each === from),
    )
    .toSorted((a, b) => Number(isStatic(b)) - Number(isStatic(a)) || b.seconds - a.seconds);
}

export function filesOf({ kind, files = [] }: Suite): string[] {
  const found = globSync(files, { cwd: root });
  return found.filter((file) => kind !== 'unit' || !file.endsWith('.kernel.test.ts')).toSorted();
}

export function commandOf(suite: Suite): string {
  if (suite.script !== undefined) return `node --run ${suite.script}`;
  return ['mocha', ...filesOf(suite)].join(' ');
}

export function environmentOf(suite: Suite, run: Run): Readonly<Record<string, string>> {
  return { ...environments[run], ...(run === 'whole' ? suite.whole : {}) };
}
