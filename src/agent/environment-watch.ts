import { readFile } from 'node:fs/promises';
import { createBridgeNetfilterCheck } from '../apply/bridge-netfilter.ts';
import { checkNfTables, checkNftVersion } from '../apply/environment.ts';
import { exec } from '../apply/exec.ts';
import type { Checks } from '../telemetry/checks.ts';
import type { Logger } from '../telemetry/logger.ts';

export const environmentChecks = ['nft', 'nf_tables', 'bridge-netfilter'] as const;

/** How often what could keep the node from enforcing is looked at again, in milliseconds. */
const interval = 10_000;

/**
 * Reports what would keep the node from enforcing. It is looked at every so often, and at once by the function that this returns,
 * for the addresses of local pods when they are others than before; one look at a time.
 */
export function watchEnvironment(
  localAddresses: () => readonly string[],
  ready: Checks,
  logger: Logger,
  signal: AbortSignal,
): () => void {
  const checkBridges = createBridgeNetfilterCheck({ exec, readFile: (path) => readFile(path, 'utf8') });
  const report = (name: (typeof environmentChecks)[number], problem: string | undefined): boolean => {
    if (ready.report(name, problem) && problem) logger.error({ check: name }, problem);
    return problem === undefined;
  };
  let nftIsFine = false;
  const look = async (addresses: readonly string[]): Promise<void> => {
    // The program and the kernel do not change under us; bridges and their settings may.
    nftIsFine ||=
      report('nft', await checkNftVersion(exec, signal)) && report('nf_tables', await checkNfTables(exec, signal));
    report('bridge-netfilter', await checkBridges(addresses, signal));
  };
  let seen: string | undefined;
  let running = false;
  const start = (force: boolean): void => {
    const addresses = localAddresses();
    if (signal.aborted || running || (!force && addresses.join() === seen)) return;
    seen = addresses.join();
    running = true;
    look(addresses)
      .catch((error: unknown) => {
        if (!signal.aborted) logger.error({ err: error }, 'could not look at what this node can enforce');
      })
      .finally(() => {
        running = false;
        start(false);
      });
  };
  if (signal.aborted) return () => {};
  const timer = setInterval(() => start(true), interval);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  start(true);
  return () => start(false);
}
