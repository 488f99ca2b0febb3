import assert from 'node:assert/strict';
import type { Manifest } from './chart.ts';

interface Probe {
  readonly httpGet: { readonly host: string; readonly path: string; readonly port: string };
}

export interface VolumeMount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean;
}

export interface Volume {
  readonly name: string;
  readonly hostPath: { readonly path: string; readonly type: string };
}

export interface AgentContainer {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly volumeMounts?: readonly VolumeMount[];
  readonly startupProbe: Probe;
  readonly readinessProbe: Probe;
  readonly livenessProbe: Probe;
}

export function findDaemonSet(manifests: readonly Manifest[]): Manifest {
  return manifests.find(({ kind }) => kind === 'DaemonSet')!;
}

export function volumesOf(manifests: readonly Manifest[]): readonly Volume[] {
  const { template } = findDaemonSet(manifests)['spec'] as { template: { spec: { volumes?: readonly Volume[] } } };
  return template.spec.volumes ?? [];
}

export function agentContainer(manifests: readonly Manifest[]): AgentContainer {
  const { template } = findDaemonSet(manifests)['spec'] as { template: { spec: { containers: AgentContainer[] } } };
  const [container, ...others] = template.spec.containers;
  assert.deepEqual(others, []);
  return container!;
}
