import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import {
  environmentChecks,
  watchEnvironment,
  type EnvironmentWatch,
  type EnvironmentWatchOptions,
} from '../../src/agent/environment-watch.ts';
import type { Exec, ExecResult } from '../../src/apply/exec.ts';
import type { Issue } from '../../src/model/issue.ts';
import type { LocalPod, PodKey } from '../../src/model/snapshot.ts';
import { Checks } from '../../src/telemetry/checks.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { eventually } from '../kernel/eventually.ts';

const logger = createLogger({ level: 'silent', node: 'n1', version: '0' });

function localPod(key: PodKey, addresses: readonly string[], policies: readonly string[] = []): LocalPod {
  return { key, addresses, policies, ports: [], links: new Map() };
}

/** Answers to one command each, as of `ip -json -details`; others are not answered. */
const node: Readonly<Record<string, string>> = {
  'link show type bridge':
    '[{"ifname":"pods0","linkinfo":{"info_kind":"bridge","info_data":{"nf_call_iptables":1,"nf_call_ip6tables":1}}}]',
  'link show dev eth0': '[{"ifname":"eth0"}]',
  'route get 10.9.0.5': '[{"type":"unicast","dst":"10.9.0.5","dev":"pods0"}]',
  'route get 192.0.2.8': '[{"type":"unicast","dst":"192.0.2.8","dev":"eth0"}]',
  'route get 192.0.2.9': '[{"type":"unicast","dst":"192.0.2.9","dev":"eth0"}]',
  'route show table all to match 192.0.2.8': '[]',
  'route show table all to match 192.0.2.9': '[]',
};

/** In seconds: less than it waits from one look to the next. */
const atOnce = 5;

describe('watchEnvironment', () => {
  let abort: AbortController;
  let ready: Checks;
  let pods: Map<PodKey, LocalPod> | undefined;
  let found: ReadonlyMap<PodKey, readonly Issue[]> | undefined;
  let answers: Record<string, string>;
  let programs: Record<string, Partial<ExecResult>>;
  let now: number;
  let asked: string[];
  let held: Promise<void>;
  let links: EnvironmentWatchOptions['links'];
  let nftAnswers: Record<string, string>;
  let watch: EnvironmentWatch;
  const look = (): void => watch.check();

  beforeEach(() => {
    abort = new AbortController();
    ready = new Checks(environmentChecks);
    pods = undefined;
    found = undefined;
    answers = { ...node };
    programs = {};
    now = 0;
    asked = [];
    held = Promise.resolve();
    links = undefined;
    nftAnswers = { '--version': 'nftables v1.1.3 (x)', '-j': '{"nftables": []}' };
  });
  afterEach(() => abort.abort());

  const exec: Exec = async (file, args, { input = '' }) => {
    asked.push(input);
    await held;
    const result = { exitCode: 0, stdout: '', stderr: '' };
    if (programs[file]) return { ...result, ...programs[file] };
    if (file === 'nft') return { ...result, stdout: nftAnswers[args[0]!] ?? '' };
    const lines = input.split('\n').flatMap((command) => answers[command] ?? []);
    return { ...result, exitCode: 1, stdout: lines.join('\n') };
  };
  const start = (): void => {
    watch = watchEnvironment({
      localPods: () => pods,
      ready,
      logger,
      signal: abort.signal,
      unenforceable: (each) => void (found = each),
      ...(links && { links }),
      exec,
      now: () => now,
    });
  };
  const reasons = (): Record<string, string | undefined> =>
    Object.fromEntries(ready.results().map(({ name, reason }) => [name, reason]));
  /** Looks for the pods as they are now. */
  const lookAt = async (...all: readonly LocalPod[]): Promise<ReadonlyMap<PodKey, readonly Issue[]>> => {
    found = undefined;
    pods = new Map(all.map((each) => [each.key, each]));
    look();
    await eventually(async () => (found ? undefined : JSON.stringify(reasons())), atOnce);
    return found!;
  };
  const becomes = (name: string, reason: RegExp): Promise<void> =>
    eventually(async () => (reason.test(reasons()[name] ?? 'fine') ? undefined : JSON.stringify(reasons())));

  it('starts nothing once the agent has been told to stop, which would keep the process alive', () => {
    const before = process.getActiveResourcesInfo().length;
    abort.abort();
    start();
    look();
    assert.equal(process.getActiveResourcesInfo().length, before);
  });

  it('answers for the pods and policies as they are now, also if another check is under way', async () => {
    pods = new Map();
    let go = (): void => {};
    held = new Promise((resolve) => (go = resolve));
    start();
    const odd = localPod('x/odd/1', ['192.0.2.8'], ['x/p']);
    pods = new Map([[odd.key, odd]]);
    const pendingNow = async (): Promise<PodKey[]> => [...(await watch.ask()).keys()];
    let isAnswered = false;
    const waiting = pendingNow().finally(() => (isAnswered = true));
    await new Promise(setImmediate);
    assert.equal(isAnswered, false);
    go();
    // Its route may still come. A question before that gets the pod, and looks again.
    assert.deepEqual([await waiting, [...found!.keys()]], [['x/odd/1'], []]);
    answers['route get 192.0.2.8'] = '[{"type":"unicast","dst":"192.0.2.8","dev":"pods0"}]';
    assert.deepEqual(await pendingNow(), []);
    const [free, selected] = [[], ['x/p']].map((policies) => localPod('x/odd/2', ['192.0.2.9'], policies));
    pods = new Map([[odd.key, selected!]]);
    assert.deepEqual(await pendingNow(), ['x/odd/2']);
    now += 60_000;
    assert.deepEqual([await pendingNow(), [...found!.keys()]], [[], ['x/odd/2']]);
    // A tenant can let policies come and go all the time: they cost no check.
    const before = asked.length;
    for (const [pod, named] of [
      [free!, []],
      [selected!, ['x/odd/2']],
    ] as const) {
      pods = new Map([[odd.key, pod]]);
      look();
      assert.deepEqual([await pendingNow(), [...found!.keys()]], [[], named]);
    }
    assert.equal(asked.length, before);
  });

  it('does not know of bridges before it knows the pods', async () => {
    start();
    await becomes('flow-tables', /^fine$/);
    assert.deepEqual(reasons(), {
      nft: undefined,
      nf_tables: undefined,
      ipvs: undefined,
      'bridge-netfilter': 'not checked yet',
      'flow-tables': undefined,
    });
    await lookAt();
    assert.equal(ready.ok, true);
  });

  it('says what is wrong with nft, and no more when it is mended', async () => {
    programs = { nft: { exitCode: undefined, stderr: 'EACCES' } };
    start();
    await lookAt(localPod('x/a/1', ['10.9.0.5']));
    assert.match(reasons()['nft']!, /^nft cannot be run: install nftables .*EACCES/);
    assert.equal(reasons()['nf_tables'], 'not checked yet');
    programs = {};
    await lookAt();
    assert.equal(ready.ok, true);
  });

  for (const [what, result] of [
    ['there is none', { exitCode: undefined, stderr: 'spawn ip ENOENT' }],
    ['it is not of iproute2', { exitCode: 1, stderr: 'ip: unrecognized option: force\nusage' }],
  ] as const) {
    it(`asks for another ip(8) when ${what}, and does not take that for a node where all is well`, async () => {
      programs = { ip: result };
      pods = new Map();
      start();
      await becomes(
        'ipvs',
        /^the check failed: ip cannot be used: install iproute2 \((spawn ip ENOENT|[^)\n]*force)\)$/,
      );
      await becomes('bridge-netfilter', /^the check failed: ip cannot be used/);
      programs = {};
      await lookAt(localPod('x/a/1', ['10.9.0.5']));
      assert.equal(ready.ok, true);
    });
  }

  it('says what is wrong with the node', async () => {
    answers['link show dev kube-ipvs0'] = '[{"ifname":"kube-ipvs0","linkinfo":{"info_kind":"dummy"}}]';
    answers['address show dev kube-ipvs0'] = '[{"addr_info":[{"local":"10.96.0.1","scope":"global"}]}]';
    start();
    await lookAt(localPod('x/a/1', ['10.9.0.5']));
    assert.match(reasons()['ipvs']!, /^kube-proxy's IPVS mode/);
    delete answers['link show dev kube-ipvs0'];
    await lookAt();
    assert.equal(ready.ok, true);
  });

  it('is not ready while another program has a flow table (S5.14)', async () => {
    nftAnswers['-j'] = '{"nftables": [{"flowtable": {"family": "ip", "table": "t", "name": "f", "dev": "eth0"}}]}';
    start();
    await lookAt();
    assert.match(reasons()['flow-tables']!, /^flow tables take .*: f of table ip t \(eth0\)/);
    nftAnswers['-j'] = '{"nftables": []}';
    await lookAt(localPod('x/a/1', ['10.9.0.5']));
    assert.equal(ready.ok, true);
  });

  it('looks again at once for a pod that got another address, also in the middle of a look', async () => {
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => (go = resolve));
    start();
    await lookAt(localPod('x/a/1', ['10.9.0.5'], ['x/deny']));
    await lookAt(localPod('x/a/1', ['192.0.2.8'], ['x/deny']));
    held = gate;
    asked = [];
    pods = new Map();
    look();
    pods = new Map([['x/a/1', localPod('x/a/1', ['10.9.0.5', '192.0.2.8'], ['x/deny'])]]);
    look();
    assert.equal(asked.length, 1);
    go();
    const wanted = 'route get 10.9.0.5\nroute get 192.0.2.8\n';
    await eventually(async () => (asked.includes(wanted) ? undefined : asked.join()), atOnce);
  });

  it('names the pods that policies select in vain, until they go, while the node stays ready', async () => {
    const inVain = localPod('x/a/1', ['192.0.2.8'], ['x/deny']);
    const notSelected = localPod('x/b/2', ['192.0.2.9']);
    const inside = localPod('x/c/3', ['10.9.0.5'], ['x/deny']);
    links = { look: async () => new Map() };
    start();
    assert.deepEqual(await lookAt(inVain, notSelected, inside), new Map());
    now += 60_000;
    const [one, ...others] = await lookAt(inVain, notSelected);
    assert.deepEqual(others, []);
    const [key, [issue]] = one as [PodKey, Issue[]];
    assert.equal(key, 'x/a/1');
    assert.deepEqual(
      { ...issue, message: undefined },
      { code: 'not-enforceable', path: 'status.podIPs', message: undefined, effect: 'not-enforced' },
    );
    assert.match(issue!.message, /^this node reaches 192\.0\.2\.8 by eth0, /);
    assert.equal(ready.ok, true);
    assert.deepEqual(await lookAt(notSelected), new Map());
  });

  it('names the isolated pods of a bridge while the guard is off: link-local packets between them pass (S1.16)', async () => {
    const [isolated, open] = [localPod('x/a/1', ['10.9.0.5'], ['x/deny']), localPod('x/b/2', ['10.9.0.5'])];
    start();
    const issues = await lookAt(isolated, open, localPod('x/c/3', ['192.0.2.9'], ['x/deny']));
    assert.deepEqual(issues.get('x/a/1')?.[0]?.effect, 'not-enforced');
    assert.match(issues.get('x/a/1')![0]!.message, /fe80::\/10.*turn the guard on/);
    assert.equal(issues.has('x/b/2'), false);
    abort.abort();
    [abort, links] = [new AbortController(), { look: async () => new Map() }];
    start();
    assert.deepEqual([...(await lookAt(isolated)).keys()], []);
  });

  it('names the pods that nothing keeps from sending as another, but for those of which it sees no packet', async () => {
    const message = 'where is it?';
    const issue: Issue = { code: 'not-guarded', path: 'status.podIPs', message, effect: 'not-enforced' };
    const looked: string[] = [];
    links = {
      look: async (all) => {
        looked.push(all.map(({ key }) => key).join());
        return new Map(all.map(({ key }) => [key, [issue]]));
      },
    };
    const [inVain, inside] = [localPod('x/a/1', ['192.0.2.8'], ['x/deny']), localPod('x/c/3', ['10.9.0.5'])];
    start();
    await lookAt(inVain, inside);
    now += 60_000;
    const issues = await lookAt(inside, inVain, localPod('x/d/4', []));
    assert.deepEqual(
      Array.from(issues, ([key, all]) => [key, ...all.map(({ code }) => code)]),
      [
        ['x/c/3', 'not-guarded'],
        ['x/a/1', 'not-enforceable'],
        ['x/d/4', 'not-guarded'],
      ],
    );
    assert.deepEqual(looked, ['x/a/1,x/c/3', 'x/c/3,x/a/1,x/d/4']);
    assert.equal(ready.ok, true);
  });
});
