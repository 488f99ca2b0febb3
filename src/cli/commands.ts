import type { Command } from 'commander';

export interface CommandEntry {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The command sets `process.exitCode` if it is not fine, and rejects for what it cannot do. */
  readonly load: () => Promise<Command>;
}

/** In the order of the help. */
export const commands: readonly CommandEntry[] = [
  {
    name: 'agent',
    summary: 'enforce the policies of the cluster on this node',
    load: async () => (await import('./commands/agent.ts')).agentCommand(),
  },
  {
    name: 'lab',
    summary: 'a cluster without a cluster: try and test policies with real packets',
    load: async () => (await import('./commands/lab.ts')).labCommand(),
  },
  {
    name: 'explain',
    summary: 'say whether a connection is allowed, and why',
    load: async () => (await import('./commands/explain.ts')).explainCommand(),
  },
  {
    name: 'denials',
    summary: 'say which connections were just denied, by which policies',
    load: async () => (await import('./commands/denials.ts')).denialsCommand(),
  },
  {
    name: 'plan',
    summary: 'say what a change to policies would cut, and what it would open',
    load: async () => (await import('./commands/plan.ts')).planCommand(),
  },
  {
    name: 'probe',
    summary: "try a connection from a pod's own network, beside what the policies say of it",
    load: async () => (await import('./commands/probe.ts')).probeCommand(),
  },
  {
    name: 'doctor',
    summary: 'say what keeps policies from holding in this cluster',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand(),
  },
  {
    name: 'connect',
    summary: 'try a connection until it is allowed, or denied, or once',
    load: async () => (await import('./commands/connect.ts')).connectCommand(),
  },
  {
    name: 'node',
    summary: 'what this node alone knows',
    load: async () => (await import('./commands/node.ts')).nodeCommand(),
  },
  {
    name: 'uninstall',
    summary: 'remove the rules from this node',
    load: async () => (await import('./commands/uninstall.ts')).uninstallCommand(),
  },
  {
    name: 'boot-unit',
    summary: 'print a systemd unit that keeps pods from the network until the agent is there',
    load: async () => (await import('./commands/boot-unit.ts')).bootUnitCommand(),
  },
];
