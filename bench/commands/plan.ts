import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { objectAt, textAt, type JsonObject } from '../../src/lib/json.ts';
import { clusterObjects } from '../cluster/objects.ts';
import { shapes } from '../cluster/shapes.ts';
import type { Bench, Figure } from '../figure.ts';

const program = fileURLToPath(new URL('../../bin/postern.js', import.meta.url));
const shape = shapes.small;
const runs = 5;

interface Question {
  readonly what: string;
  readonly command: readonly string[];
  readonly atMost: number;
}

export const planAndExplain: Bench = {
  name: 'plan',
  summary: 'how long plan and explain take on manifests of a large cluster (C1)',
  async run(progress) {
    const directory = await mkdtemp(join(tmpdir(), 'postern-bench-'));
    try {
      progress('writing the manifests');
      const questions = await writeQuestions(directory);
      const figures: Figure[] = [];
      for (const { what, command, atMost } of questions) {
        const values: { value: number }[] = [];
        for (let run = 0; run < runs; run++) {
          progress(`${what}: run ${run + 1} of ${runs}`);
          values.push({ value: await secondsOf(command) });
        }
        const on = `${what}, ${shape.pods} pods and ${shape.policies} policies`;
        figures.push({ id: 'C1', what: on, unit: 's', bar: { atMost }, runs: values });
      }
      return figures;
    } finally {
      await rm(directory, { recursive: true });
    }
  },
};

async function writeQuestions(directory: string): Promise<Question[]> {
  const objects = [...clusterObjects(shape)] as JsonObject[];
  const write = async (name: string, object: JsonObject): Promise<string> => {
    const path = join(directory, name);
    // As kubectl writes it.
    await writeFile(path, `${JSON.stringify(object, undefined, 4)}\n`);
    return path;
  };
  const cluster = await write('cluster.json', { apiVersion: 'v1', kind: 'List', items: objects });
  const [namespace, other] = objects.filter(({ kind }) => kind === 'Namespace') as [JsonObject, JsonObject];
  const team = textAt(other, 'metadata', 'labels', 'team');
  const labels = { ...objectAt(namespace, 'metadata', 'labels'), team };
  const relabelled = { ...namespace, metadata: { ...objectAt(namespace, 'metadata'), labels } };
  const policy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'bench', namespace: textAt(namespace, 'metadata', 'name') },
    spec: {
      podSelector: { matchLabels: { app: 'web' } },
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ namespaceSelector: { matchLabels: { team } } }], ports: [{ port: 8080 }] }],
    },
  };
  const pods = objects.filter(({ kind }) => kind === 'Pod');
  const [from, to] = [pods[0], pods.at(-1)].map(
    (pod) => `${textAt(pod, 'metadata', 'namespace')}/${textAt(pod, 'metadata', 'name')}`,
  ) as [string, string];
  const plan = ['plan', '--base', cluster, '-f'];
  return [
    { what: 'plan: a new policy', command: [...plan, await write('policy.json', policy)], atMost: 3 },
    { what: 'plan: a label of a namespace', command: [...plan, await write('namespace.json', relabelled)], atMost: 5 },
    { what: 'explain FROM TO PORT', command: ['explain', '-f', cluster, from, to, '8080'], atMost: 3 },
    { what: 'explain pod', command: ['explain', 'pod', '-f', cluster, to], atMost: 3 },
  ];
}

/** The exit code 1 says that a flow is cut or denied. */
async function secondsOf(command: readonly string[]): Promise<number> {
  const started = performance.now();
  const { exitCode, stderr } = await execa(program, command, { reject: false });
  if (exitCode !== 0 && exitCode !== 1) throw new Error(`postern ${command.join(' ')}: ${stderr}`);
  return (performance.now() - started) / 1000;
}
