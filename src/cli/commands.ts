import type { CommandEntry } from './command-entry.ts';

/** In the order of the help. */
export const commands: readonly CommandEntry[] = [
  {
    name: 'agent',
    summary: 'enforce the policies of the cluster on this node',
    load: async () => (await import('./commands/agent.ts')).agentCommand(),
  },
  {
    name: 'lab',
    summary: 'try and test policies with real packets on this machine, without a cluster',
    load: async () => (await import('./commands/lab.ts')).labCommand(),
  },
  {
    name: 'explain',
    summary: 'show whether a connection is allowed, and why',
    load: async () => (await import('./commands/explain.ts')).explainCommand(),
  },
  {
    name: 'denials',
    summary: 'list connections that were denied in the last minute, with the policies',
    load: async () => (await import('./commands/denials.ts')).denialsCommand(),
  },
  {
    name: 'flows',
    summary: 'show who talked to whom in the last hour',
    load: async () => (await import('./commands/flows.ts')).flowsCommand(),
  },
  {
    name: 'suggest',
    summary: 'suggest policies that allow what was seen in the last hour',
    load: async () => (await import('./commands/suggest.ts')).suggestCommand(),
  },
  {
    name: 'ui',
    summary: 'show a live map of who talks to whom, and which policy decides, in a browser',
    load: async () => (await import('./commands/ui.ts')).uiCommand(),
  },
  {
    name: 'status',
    summary: 'show on which nodes the kernel holds each policy, and why others lag',
    load: async () => (await import('./commands/status.ts')).statusCommand(),
  },
  {
    name: 'wait',
    summary: 'wait until every node that policies concern holds them',
    load: async () => (await import('./commands/wait.ts')).waitCommand(),
  },
  {
    name: 'audit',
    summary: 'list connections that policies in audit would deny, before they are enforced',
    load: async () => (await import('./commands/audit.ts')).auditCommand(),
  },
  {
    name: 'plan',
    summary: 'show which flows a change of policies would cut, and which it would open',
    load: async () => (await import('./commands/plan.ts')).planCommand(),
  },
  {
    name: 'probe',
    summary: "try a connection from a pod's network and compare it with the policies",
    load: async () => (await import('./commands/probe.ts')).probeCommand(),
  },
  {
    name: 'test',
    summary: 'check expectations: which connections are allowed, and which denied',
    load: async () => (await import('./commands/test.ts')).testCommand(),
  },
  {
    name: 'doctor',
    summary: 'find problems that stop policies from working in this cluster',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand(),
  },
  {
    name: 'connect',
    summary: 'try a connection once, or until it is allowed or denied',
    load: async () => (await import('./commands/connect.ts')).connectCommand(),
  },
  {
    name: 'node',
    summary: 'show the state of this node',
    load: async (words) => (await import('./commands/node.ts')).nodeCommand(words),
  },
  {
    name: 'uninstall',
    summary: 'remove the rules from this node, or from every node of a DaemonSet',
    load: async () => (await import('./commands/uninstall.ts')).uninstallCommand(),
  },
  {
    name: 'boot-unit',
    summary: 'print a systemd unit that blocks pod traffic at boot until the agent runs',
    load: async () => (await import('./commands/boot-unit.ts')).bootUnitCommand(),
  },
];
