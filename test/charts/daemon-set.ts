import assert from 'node:assert/strict';
import type { Manifest } from './chart.ts';

interface Probe {
  readonly httpGet: { readonly host: string; readonly path: string; readonly port: string };
}

export interface AgentContainer {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly startupProbe: Probe;
  readonly readinessProbe: Probe;
  readonly livenessProbe: Probe;
}

export function findDaemonSet(manifests: readonly Manifest[]): Manifest {
  return manifests.find(({ kind }) => kind === 'DaemonSet')!;
}

export function agentContainer(manifests: readonly Manifest[]): AgentContainer {
  const { template } = findDaemonSet(manifests)['spec'] as { template: { spec: { containers: AgentContainer[] } } };
  const [container, ...others] = template.spec.containers;
  assert.deepEqual(others, []);
  return container!;
}
