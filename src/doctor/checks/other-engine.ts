import type { NodeFacts } from '../facts.ts';
import type { Check } from '../finding.ts';

/** Recognised by the chains that they write. */
const engines: readonly { readonly name: string; readonly chain: RegExp; readonly remedy: string }[] = [
  { name: 'Calico', chain: /^cali-(FORWARD|fw-|tw-)/, remedy: 'run Calico without Felix, or without Postern' },
  { name: 'Calico', chain: /^filter-cali-/, remedy: 'run Calico without Felix, or without Postern' },
  {
    name: 'kube-router',
    chain: /^KUBE-(ROUTER-|POD-FW-|NWPLCY-)/,
    remedy: 'run kube-router with --run-firewall=false',
  },
  { name: 'Weave NPC', chain: /^WEAVE-NPC/, remedy: 'remove the container weave-npc' },
  { name: 'Cilium', chain: /^(OLD_)?CILIUM_FORWARD$/, remedy: 'set policyEnforcementMode: never in Cilium' },
  { name: 'Azure NPM', chain: /^AZURE-NPM/, remedy: 'remove Azure NPM' },
];
/** Recognised by the name of their table. */
const tables: Readonly<Record<string, (typeof engines)[number]>> = {
  'kube-network-policies': {
    name: 'kube-network-policies',
    chain: /(?!)/,
    remedy: 'remove the DaemonSet of kube-network-policies, or of kindnet with its policies',
  },
  'kindnet-network-policies': {
    name: "kindnet's network policies",
    chain: /(?!)/,
    remedy: 'turn off network policies in kindnet',
  },
};

export const otherEngine: Check<NodeFacts> = {
  id: 'other-engine',
  severity: 'warning',
  finds: 'another program also enforces NetworkPolicy on the node',
  effect:
    'traffic passes only if both allow it; `postern explain` and the counters of Postern do not see the other program',
  remedy: 'run only one program that enforces policies',
  find: ({ foreign }) => {
    const found = new Map<string, { subject: string; problem: string; remedy: string }>();
    for (const { family, table, name } of foreign.rules.chains.values()) {
      const engine = tables[table] ?? engines.find(({ chain }) => chain.test(name));
      if (!engine || found.has(engine.name)) continue;
      const problem = `${engine.name} has rules here, for example in chain ${name}`;
      found.set(engine.name, { subject: `table ${family} ${table}`, problem, remedy: engine.remedy });
    }
    return [...found.values()];
  },
};
