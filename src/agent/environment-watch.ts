import { readFile } from 'node:fs/promises';
import { checkBridgeNetfilter } from '../apply/bridge-netfilter.ts';
import { readDevices } from '../apply/devices.ts';
import { checkNfTables, checkNftVersion } from '../apply/environment.ts';
import { exec as runProgram, type Exec } from '../apply/exec.ts';
import { checkFlowTables } from '../apply/flow-tables.ts';
import { checkIpvs, ipvsDevices } from '../apply/ipvs.ts';
import { describeOutside } from '../apply/judge-route.ts';
import { PodRouteFinder, type PodRoutes } from '../apply/pod-routes.ts';
import { messageOf } from '../lib/message-of.ts';
import type { Issue } from '../model/issue.ts';
import type { LocalPod, PodKey } from '../model/snapshot.ts';
import type { Checks } from '../telemetry/checks.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { LinkWatch } from './link-watch.ts';

export const environmentChecks = ['nft', 'nf_tables', 'ipvs', 'bridge-netfilter', 'flow-tables'] as const;

/** Milliseconds between two checks. */
const interval = 10_000;

export interface EnvironmentWatchOptions {
  /** `undefined` until all first lists have arrived. */
  readonly localPods: () => ReadonlyMap<PodKey, LocalPod> | undefined;
  readonly ready: Checks;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Finds the devices of pods; missing if the guard is off. */
  readonly links?: Pick<LinkWatch, 'look'>;
  /** Called after each check, and for each question, with all pods for which this node cannot enforce policies or the guard. */
  readonly unenforceable: (pods: ReadonlyMap<PodKey, readonly Issue[]>) => void;
  readonly exec?: Exec;
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
}

export interface EnvironmentWatch {
  /** Checks at once if the addresses of local pods have changed. */
  readonly check: () => void;
  /**
   * Checks all addresses of local pods that have not been checked, and reports for the pods and policies of now. Resolves with the pods for which the node cannot enforce
   * policies, and which may just be starting: they are not reported yet. Never rejects.
   */
  readonly ask: () => Promise<ReadonlyMap<PodKey, readonly Issue[]>>;
}

/** Reports what prevents the node from enforcing policies, for all pods or for one. It checks regularly. Only one check runs at a time. */
export function watchEnvironment(options: EnvironmentWatchOptions): EnvironmentWatch {
  const { localPods, ready, logger, signal, links, unenforceable } = options;
  const { exec = runProgram, now = () => performance.now() } = options;
  const readText = (path: string): Promise<string> => readFile(path, 'utf8');
  const routes = new PodRouteFinder(exec, now);
  const report = (name: (typeof environmentChecks)[number], problem: string | undefined): boolean => {
    if (ready.report(name, problem) && problem) logger.error({ check: name }, problem);
    return problem === undefined;
  };
  let nftIsFine = false;
  let found: Pick<PodRoutes, 'outside' | 'pending'> = { outside: new Map(), pending: new Map() };
  let unguarded: ReadonlyMap<PodKey, readonly Issue[]> = new Map();
  // If the node does not see a pod's packets, that issue replaces the issue about the guard.
  const tell = (pods: readonly LocalPod[]): void =>
    unenforceable(new Map([...unguarded, ...issuesOf(pods, found.outside)]));
  const look = async (pods: readonly LocalPod[] | undefined): Promise<void> => {
    // nft and the kernel do not change while the agent runs. Devices and their settings may change.
    nftIsFine ||=
      report('nft', await checkNftVersion(exec, signal)) && report('nf_tables', await checkNfTables(exec, signal));
    const devices = await readDevices(exec, ipvsDevices, signal);
    report('ipvs', await checkIpvs(devices, { exec, readFile: readText }, signal));
    if (nftIsFine) report('flow-tables', await checkFlowTables(exec, signal));
    if (!pods) return;
    const { bridged, ...ways } = await routes.find(pods, devices, signal);
    report('bridge-netfilter', await checkBridgeNetfilter(bridged, devices, readText));
    unguarded = (await links?.look(pods, signal)) ?? openLinkLocal(pods, bridged);
    found = ways;
    tell(pods);
  };
  let seen: string | undefined;
  let running: Promise<void> | undefined;
  const start = (force: boolean): void => {
    // A copy, because the map may change during the check.
    const pods = localPods()?.values().toArray();
    const known = pods?.map(({ key, addresses }) => [key, ...addresses].join()).join(' ');
    if (signal.aborted || running || (!force && known === seen)) return;
    seen = known;
    running = look(pods)
      .catch((error: unknown) => {
        if (signal.aborted) return;
        // The earlier results may no longer be true.
        const reason = messageOf(error);
        for (const name of ['ipvs', 'bridge-netfilter', 'flow-tables'] as const)
          report(name, `the check failed: ${reason}`);
      })
      .finally(() => {
        running = undefined;
        start(false);
      });
  };
  if (!signal.aborted) {
    const timer = setInterval(() => start(true), interval);
    signal.addEventListener('abort', () => clearInterval(timer), { once: true });
    start(true);
  }
  return {
    check: () => start(false),
    async ask() {
      const podsNow = (): LocalPod[] => localPods()?.values().toArray() ?? [];
      start(issuesOf(podsNow(), found.pending).size > 0);
      // The check under way may be of earlier pods. Pods that change all the time must not delay the answer for ever.
      await running;
      await running;
      // A policy may have come since the check. It needs no other check.
      const pods = podsNow();
      tell(pods);
      return issuesOf(pods, found.pending);
    },
  };
}

/** Without the guard, the rules cannot tell which pod of a bridge has a link-local address, so policies do not apply to it (S1.16). */
function openLinkLocal(pods: readonly LocalPod[], bridged: ReadonlyMap<string, string>): Map<PodKey, Issue[]> {
  const open = pods.filter(({ addresses, policies }) => {
    return policies.length > 0 && addresses.some((address) => bridged.has(address));
  });
  const message =
    'the guard is off, so policies do not apply to IPv6 link-local addresses (fe80::/10) between pods of one bridge: ' +
    'turn the guard on (guard.enabled, --guard)';
  const issue: Issue = { code: 'not-guarded', path: 'status.podIPs', message, effect: 'not-enforced' };
  return new Map(open.map(({ key }) => [key, [issue]]));
}

function issuesOf(pods: readonly LocalPod[], outside: PodRoutes['outside']): Map<PodKey, Issue[]> {
  const issues = new Map<PodKey, Issue[]>();
  for (const { key, policies } of pods) {
    const found = outside.get(key);
    if (!found || policies.length === 0) continue;
    const message = describeOutside(found);
    issues.set(key, [{ code: 'not-enforceable', path: 'status.podIPs', message, effect: 'not-enforced' }]);
  }
  return issues;
}
