/**
 * Actions that matter to policies. `rewrite-source`: SNAT; `divert`: another destination, device or socket; `untrack`: no connection
 * tracking; `queue`: a userspace program decides.
 */
export type RuleAction = 'drop' | 'rewrite-source' | 'divert' | 'untrack' | 'queue';

interface Known {
  readonly action: RuleAction | 'mark';
  /** Ends the rule and the base chain. */
  readonly ends: boolean;
  /** False if the listing does not show the exact action. */
  readonly isCertain?: false;
}

/** nft statements by their names in JSON (libnftables-json(5)). */
export const actionOf: Readonly<Record<string, Known>> = {
  reject: { action: 'drop', ends: true },
  masquerade: { action: 'rewrite-source', ends: true },
  snat: { action: 'rewrite-source', ends: true },
  dnat: { action: 'divert', ends: true },
  redirect: { action: 'divert', ends: true },
  tproxy: { action: 'divert', ends: false },
  synproxy: { action: 'divert', ends: true },
  fwd: { action: 'divert', ends: true },
  queue: { action: 'queue', ends: true },
  notrack: { action: 'untrack', ends: false },
};

/** Statements that do not change the packet. Flowtables have their own check. */
export const harmless: ReadonlySet<string> = new Set([
  'counter',
  'log',
  'dup',
  'ct helper',
  'ct timeout',
  'flow',
  'set',
]);

/** Extensions of iptables-nft: a listing shows only their names. */
export const xtTargets: Readonly<Record<string, Known | 'nothing'>> = {
  // This match is always true.
  comment: 'nothing',
  REJECT: { action: 'drop', ends: true },
  MASQUERADE: { action: 'rewrite-source', ends: true },
  SNAT: { action: 'rewrite-source', ends: true },
  NETMAP: { action: 'rewrite-source', ends: true, isCertain: false },
  DNAT: { action: 'divert', ends: true },
  REDIRECT: { action: 'divert', ends: true },
  TPROXY: { action: 'divert', ends: true },
  SYNPROXY: { action: 'divert', ends: true },
  NFQUEUE: { action: 'queue', ends: true },
  NOTRACK: { action: 'untrack', ends: false },
  CT: { action: 'untrack', ends: false, isCertain: false },
  MARK: { action: 'mark', ends: false },
  CONNMARK: { action: 'mark', ends: false },
  LOG: 'nothing',
  NFLOG: 'nothing',
  TCPMSS: 'nothing',
  CHECKSUM: 'nothing',
  CLASSIFY: 'nothing',
  TEE: 'nothing',
  TRACE: 'nothing',
};
