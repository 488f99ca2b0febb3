import { checkBridgeTables, checkNeighbourTargets } from '../apply/environment.ts';
import type { Exec } from '../apply/exec.ts';
import type { Guard } from '../compile/assemble.ts';

export interface GuardChoice {
  readonly guard: Guard;
  /** Why it does not hold everything. */
  readonly unguarded: string | undefined;
}

/** As much of the guard as the kernel and nft of this node can do: what they refuse would take all that is written with it down. */
export async function chooseGuard(isWanted: boolean, exec: Exec, signal: AbortSignal): Promise<GuardChoice> {
  if (!isWanted) return { guard: false, unguarded: '--no-guard' };
  const noBridges = await checkBridgeTables(exec, signal);
  if (noBridges !== undefined) return { guard: 'routed', unguarded: noBridges };
  const noTargets = await checkNeighbourTargets(exec, signal);
  return { guard: noTargets === undefined ? true : 'without-targets', unguarded: noTargets };
}
