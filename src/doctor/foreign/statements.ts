/**
 * What can be done to a packet that matters to policies. `rewrite-source`: it arrives as somebody else's; `divert`: it goes elsewhere than it
 * was sent; `untrack`: conntrack does not see it; `queue`: a program decides.
 */
export type RuleAction = 'drop' | 'rewrite-source' | 'divert' | 'untrack' | 'queue';

interface Known {
  readonly deed: RuleAction | 'mark';
  /** Nothing of the rule, or of its base chain, follows. */
  readonly ends: boolean;
  /** False where the listing does not say what exactly it does. */
  readonly isCertain?: false;
}

/** Statements of nft, by their names in its JSON. */
export const actionOf: Readonly<Record<string, Known>> = {
  reject: { deed: 'drop', ends: true },
  masquerade: { deed: 'rewrite-source', ends: true },
  snat: { deed: 'rewrite-source', ends: true },
  dnat: { deed: 'divert', ends: true },
  redirect: { deed: 'divert', ends: true },
  tproxy: { deed: 'divert', ends: false },
  synproxy: { deed: 'divert', ends: true },
  fwd: { deed: 'divert', ends: true },
  queue: { deed: 'queue', ends: true },
  notrack: { deed: 'untrack', ends: false },
};

/** Statements that let the packet go on as it is. Flow tables have a check of their own. */
export const harmless: ReadonlySet<string> = new Set([
  'counter',
  'log',
  'dup',
  'ct helper',
  'ct timeout',
  'flow',
  'set',
]);

/** Extensions of iptables-nft, of which a listing has the names alone. */
export const xtTargets: Readonly<Record<string, Known | 'nothing'>> = {
  // A match that always holds.
  comment: 'nothing',
  REJECT: { deed: 'drop', ends: true },
  MASQUERADE: { deed: 'rewrite-source', ends: true },
  SNAT: { deed: 'rewrite-source', ends: true },
  NETMAP: { deed: 'rewrite-source', ends: true, isCertain: false },
  DNAT: { deed: 'divert', ends: true },
  REDIRECT: { deed: 'divert', ends: true },
  TPROXY: { deed: 'divert', ends: true },
  SYNPROXY: { deed: 'divert', ends: true },
  NFQUEUE: { deed: 'queue', ends: true },
  NOTRACK: { deed: 'untrack', ends: false },
  CT: { deed: 'untrack', ends: false, isCertain: false },
  MARK: { deed: 'mark', ends: false },
  CONNMARK: { deed: 'mark', ends: false },
  LOG: 'nothing',
  NFLOG: 'nothing',
  TCPMSS: 'nothing',
  CHECKSUM: 'nothing',
  CLASSIFY: 'nothing',
  TEE: 'nothing',
  TRACE: 'nothing',
};
