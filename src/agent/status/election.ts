/** The Lease of the elected agent. */
export interface Leadership {
  /** The node of the elected agent; empty if it has resigned. */
  readonly holder: string;
  readonly resourceVersion: string;
}

/** A version of the Lease, and when the agent saw it first. */
export interface Sighting {
  readonly resourceVersion: string;
  readonly at: number;
}

/** The elected agent renews its Lease so often. */
export const renewMs = 20_000;
/** Another agent may take a Lease that has not changed for this long. The agent ignores the duration and times in the Lease: its writer or a clock may be wrong. */
export const expiryMs = 60_000;
/** An agent that could not renew writes no status from here on, before another one may have taken the Lease. */
export const leadMs = 40_000;

/** `take`: also if this agent held it before it restarted. */
export function judgeLeadership(
  lease: Leadership | undefined,
  { me, seen, now }: { readonly me: string; readonly seen: Sighting | undefined; readonly now: number },
): 'create' | 'take' | 'wait' {
  if (!lease) return 'create';
  if (lease.holder === me || lease.holder === '') return 'take';
  const isUnchanged = seen?.resourceVersion === lease.resourceVersion && now - seen.at >= expiryMs;
  return isUnchanged ? 'take' : 'wait';
}

/**
 * Milliseconds until an agent that is not elected looks at the Lease again. All agents together look at it twice a second at most. An agent that suspects
 * that the Lease has expired looks again when it may take it.
 * @param random in [0, 1)
 */
export function nextLook(nodes: number, isSuspect: boolean, random: number): number {
  const usual = Math.max(15_000, nodes * 500) * (0.5 + random);
  return isSuspect ? Math.min(usual, expiryMs) : usual;
}
