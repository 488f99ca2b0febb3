import { setTimeout as delay } from 'node:timers/promises';
import { after, afterEach, before, describe } from 'mocha';
import type { ApiObject } from '../../src/lab/api/object.ts';
import { listAt } from '../../src/lab/api/object.ts';
import { LabError } from '../../src/lab/error.ts';
import { Flow } from '../../src/lab/flow.ts';
import type { OpenFlow } from '../../src/lab/flow.ts';
import { isRefusal } from '../../src/lab/real/client.ts';
import { stationAddress } from '../../src/lab/station.ts';
import type { Station } from '../../src/lab/station.ts';
import { families, familyOf } from '../../src/model/address.ts';
import type { Family } from '../../src/model/address.ts';
import { skipTest } from '../../test/support/skip.ts';
import { image, openTarget } from '../targets/open-target.ts';
import type { Target } from '../targets/target.ts';
import { castNamespaces, castObjects, namespaceObjects, ownerAnnotation, probePod, suiteNamespace } from './cast.ts';
import type { PodFields } from './cast.ts';
import { keyOf, Objects } from './objects.ts';
import { expectAnswers, type Question } from '../../test/support/questions.ts';

/** The pods of the suite need more rights than Pod Security may allow by default. */
const suiteLabels = { 'pod-security.kubernetes.io/enforce': 'privileged' };
const serviceAccountSeconds = 20;

/** The target with the initial pods. */
export class Cluster {
  readonly target: Target;
  readonly objects: Objects;
  /** Namespaces of the suite, and those that a test added. */
  readonly #namespaces: Set<string>;
  #cast: readonly ApiObject[] = [];

  private constructor(target: Target, namespaces: Set<string>) {
    this.target = target;
    this.objects = new Objects(target.api);
    this.#namespaces = namespaces;
  }

  static async up(): Promise<Cluster> {
    const namespaces = new Set<string>([...castNamespaces, suiteNamespace]);
    const target = await openTarget(() => [...namespaces]);
    const cluster = new Cluster(target, namespaces);
    try {
      await cluster.#start();
    } catch (error) {
      await cluster.down();
      throw error;
    }
    return cluster;
  }

  async #start(): Promise<void> {
    await this.#clear();
    for (const each of castNamespaces) await this.createNamespace(each, { ns: each });
    await this.createNamespace(suiteNamespace, suiteLabels);
    await this.target.prepare();
    this.#cast = castObjects(this.target.nodes, image);
    for (const object of this.#cast) await this.put(object);
    await this.target.settle();
  }

  /** Deletes all objects of the suite. */
  async down(): Promise<void> {
    try {
      await this.#clear();
    } finally {
      await this.target.end();
    }
  }

  /** Address families of pods. */
  get families(): readonly Family[] {
    const { addresses } = this.station('x/a');
    return families.filter((family) => addresses.some((address) => familyOf(address) === family));
  }

  station(key: string): Station {
    return this.target.station(key);
  }

  address(key: string, family: Family): string {
    return stationAddress(this.station(key), family)!;
  }

  /** Cluster IPs of a Service, one per family. */
  async serviceAddresses(key: string): Promise<string[]> {
    const [namespace, name] = key.split('/') as [string, string];
    const service = await this.objects.find('Service', { namespace, name });
    return listAt(service, 'spec', 'clusterIPs').filter((each): each is string => typeof each === 'string');
  }

  /** Addresses of one of the two nodes, one per family. */
  async nodeAddresses(index: number): Promise<string[]> {
    const node = await this.objects.find('Node', { name: this.target.nodes[index]! });
    const internal = listAt(node, 'status', 'addresses') as { type: string; address: string }[];
    const own = internal.filter(({ type }) => type === 'InternalIP').map(({ address }) => address);
    return this.families.flatMap((family) => own.find((address) => familyOf(address) === family) ?? []);
  }

  async createNamespace(name: string, labels: Readonly<Record<string, string>>): Promise<void> {
    for (const object of namespaceObjects(name, labels)) await this.objects.apply(object);
    this.#namespaces.add(name);
  }

  pod(key: string, fields: PodFields): ApiObject {
    return probePod(key, fields, image);
  }

  /** Resolves when every node enforces the objects. */
  async apply(...objects: readonly ApiObject[]): Promise<void> {
    for (const object of objects) await this.put(object);
    await this.target.settle();
  }

  async remove(...objects: readonly ApiObject[]): Promise<void> {
    for (const object of objects) await this.objects.remove(object.kind, keyOf(object));
    await this.target.settle();
  }

  /** Replaces the labels of a pod (`namespace/name`) or a namespace, except required labels. */
  async label(key: string, labels: Readonly<Record<string, string>>): Promise<void> {
    const [first, name] = key.split('/') as [string, string?];
    const metadata =
      name === undefined
        ? { name: first, labels: { ns: first, ...labels } }
        : { namespace: first, name, labels: { pod: name, ...labels } };
    const kind = name === undefined ? 'Namespace' : 'Pod';
    await this.objects.apply({ apiVersion: 'v1', kind, metadata });
    await this.target.settle();
  }

  /** Restores the initial objects. Pods keep running. */
  async reset(): Promise<void> {
    const cast = new Set(this.#cast.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`));
    for (const name of this.#namespaces) {
      if (name === suiteNamespace) continue;
      if (!(castNamespaces as readonly string[]).includes(name)) {
        await this.#removeNamespaces([name]);
        continue;
      }
      await this.objects.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { ns: name } } });
      for (const kind of ['NetworkPolicy', 'Service', 'Pod']) {
        for (const { metadata } of await this.objects.list(kind, name)) {
          if (cast.has(`${kind} ${name}/${metadata.name}`)) continue;
          await this.objects.remove(kind, { namespace: name, name: metadata.name! });
        }
      }
    }
    for (const pod of this.#cast) if (pod.kind === 'Pod') await this.objects.apply(pod);
    await this.target.settle();
  }

  openFlow(from: string, to: string, options: OpenFlow): Promise<Flow> {
    return Flow.open(this.station(from), this.station(to), options);
  }

  /** Probes all in parallel. Repeats a probe if an expected answer is missing, because the machine may be busy. */
  async expect(questions: readonly Question[]): Promise<void> {
    await expectAnswers(this, questions);
  }

  async removeNamespace(name: string): Promise<void> {
    await this.#removeNamespaces([name]);
  }

  /** As `apply`, without waiting. */
  async put(object: ApiObject): Promise<void> {
    // Pods need the namespace's ServiceAccount, which a controller creates shortly after the namespace.
    const deadline = Date.now() + serviceAccountSeconds * 1000;
    for (;;) {
      try {
        return await this.objects.apply(object);
      } catch (error) {
        if (object.kind !== 'Pod' || !isRefusal(error, 403) || Date.now() > deadline) throw error;
        await delay(100);
      }
    }
  }

  /** Deletes the suite's namespaces. Rejects if a namespace of that name is not the suite's. */
  async #clear(): Promise<void> {
    const left = (await this.objects.list('Namespace')).filter(({ metadata }) => this.#namespaces.has(metadata.name!));
    for (const { metadata } of left) {
      if (metadata.annotations?.[ownerAnnotation] !== undefined) continue;
      throw new Error(
        `namespace ${metadata.name} exists and does not belong to this suite: it needs x, y, z and ${suiteNamespace}`,
      );
    }
    await this.#removeNamespaces(left.map(({ metadata }) => metadata.name!));
  }

  async #removeNamespaces(names: readonly string[]): Promise<void> {
    for (const name of names) {
      for (const { metadata } of await this.objects.list('Pod', name)) {
        await this.objects.remove('Pod', { namespace: name, name: metadata.name! });
      }
      await this.objects.remove('Namespace', { name });
    }
    for (const name of names) {
      while (await this.objects.find('Namespace', { name })) await delay(100);
      if (!(castNamespaces as readonly string[]).includes(name) && name !== suiteNamespace)
        this.#namespaces.delete(name);
    }
  }
}

let running: Promise<Cluster> | undefined;

/** Declares a suite on the cluster of the run, which is reset after each test. */
export function onCluster(title: string, declare: (cluster: () => Cluster) => void): void {
  describe(title, function () {
    this.timeout(300_000);
    let cluster: Cluster;
    before(async function () {
      try {
        cluster = await (running ??= Cluster.up());
      } catch (error) {
        if (error instanceof LabError && error.code === 'machine') skipTest(this, error.message);
        throw error;
      }
    });
    afterEach(() => cluster?.reset());
    declare(() => cluster);
  });
}

after(async function () {
  this.timeout(300_000);
  await (await running?.catch(() => undefined))?.down();
});
