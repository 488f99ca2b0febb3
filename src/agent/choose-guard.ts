import { checkBridgeTables, checkNeighbourTargets } from '../apply/environment.ts';
import type { Exec } from '../apply/exec.ts';
import type { Guard } from '../compile/assemble.ts';

export interface GuardChoice {
  readonly guard: Guard;
  /** Why the guard is incomplete. */
  readonly unguarded: string | undefined;
}

/** Chooses the rules of the guard that the kernel and nft of this node support. An unsupported rule would make the whole transaction fail. */
export async function chooseGuard(isWanted: boolean, exec: Exec, signal: AbortSignal): Promise<GuardChoice> {
  if (!isWanted) return { guard: false, unguarded: '--no-guard' };
  const checks = [checkBridgeTables(exec, signal), checkNeighbourTargets(exec, signal)] as const;
  const [noBridges, noTargets] = await Promise.all(checks);
  if (noBridges !== undefined) return { guard: 'routed', unguarded: noBridges };
  return { guard: noTargets === undefined ? true : 'without-targets', unguarded: noTargets };
}
