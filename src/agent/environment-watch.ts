import { readFile } from 'node:fs/promises';
import { checkBridgeNetfilter } from '../apply/bridge-netfilter.ts';
import { readDevices } from '../apply/devices.ts';
import { checkNfTables, checkNftVersion } from '../apply/environment.ts';
import { exec as runProgram, type Exec } from '../apply/exec.ts';
import { checkFlowTables } from '../apply/flow-tables.ts';
import { checkIpvs, ipvsDevices } from '../apply/ipvs.ts';
import { describeOutside } from '../apply/judge-route.ts';
import { PodRouteFinder } from '../apply/pod-routes.ts';
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
  /** Called after each check with all pods for which this node cannot enforce policies or the guard. */
  readonly unenforceable: (pods: ReadonlyMap<PodKey, readonly Issue[]>) => void;
  readonly exec?: Exec;
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
}

export interface EnvironmentWatch {
  /** Checks at once if there are other local pods, with other addresses, or with policies where there were none. */
  readonly check: () => void;
  /** Checks what may have changed since the last check. Resolves when all addresses of local pods have been checked. Never rejects. */
  readonly idle: () => Promise<void>;
  /** Pods for which this node could not enforce policies at the last check, and which may just be starting: they are not reported yet. */
  readonly pending: () => ReadonlyMap<PodKey, readonly Issue[]>;
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
  let pending: ReadonlyMap<PodKey, readonly Issue[]> = new Map();
  const look = async (pods: readonly LocalPod[] | undefined): Promise<void> => {
    // nft and the kernel do not change while the agent runs. Devices and their settings may change.
    nftIsFine ||=
      report('nft', await checkNftVersion(exec, signal)) && report('nf_tables', await checkNfTables(exec, signal));
    const devices = await readDevices(exec, ipvsDevices, signal);
    report('ipvs', await checkIpvs(devices, { exec, readFile: readText }, signal));
    if (nftIsFine) report('flow-tables', await checkFlowTables(exec, signal));
    if (!pods) return;
    const { bridged, outside, pending: starting } = await routes.find(pods, devices, signal);
    report('bridge-netfilter', await checkBridgeNetfilter(bridged, devices, readText));
    pending = issuesOf(pods, starting);
    const issues = issuesOf(pods, outside);
    // If the node does not see a pod's packets, that issue replaces the issue about the guard.
    const unguarded = (await links?.look(pods, signal)) ?? openLinkLocal(pods, bridged);
    unenforceable(new Map([...unguarded, ...issues]));
  };
  let seen: string | undefined;
  let running: Promise<void> | undefined;
  const start = (force: boolean): void => {
    // A copy, because the map may change during the check.
    const pods = localPods()?.values().toArray();
    const known = pods
      ?.map(({ key, addresses, policies }) => [key, policies.length > 0, ...addresses].join())
      .join(' ');
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
    async idle() {
      start(pending.size > 0);
      // The check under way may be of earlier pods. Pods that change all the time must not delay the answer for ever.
      await running;
      await running;
    },
    pending: () => pending,
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

function issuesOf(
  pods: readonly LocalPod[],
  outside: Awaited<ReturnType<PodRouteFinder['find']>>['outside'],
): Map<PodKey, Issue[]> {
  const issues = new Map<PodKey, Issue[]>();
  for (const { key, policies } of pods) {
    const found = outside.get(key);
    if (!found || policies.length === 0) continue;
    const message = describeOutside(found);
    issues.set(key, [{ code: 'not-enforceable', path: 'status.podIPs', message, effect: 'not-enforced' }]);
  }
  return issues;
}
