import { after, afterEach, before, describe } from 'mocha';
import type { ApiObject } from '../../src/lab/api/object.ts';
import { labCnis } from '../../src/lab/cni-config.ts';
import type { LabCni, LabNetwork } from '../../src/lab/cni-config.ts';
import { LabError } from '../../src/lab/error.ts';
import { Lab } from '../../src/lab/lab.ts';
import type { LabOptions } from '../../src/lab/lab.ts';
import type { NodeNetwork } from '../../src/lab/node-network.ts';
import { checkMachine } from '../../src/lab/preflight.ts';
import { stationAddress } from '../../src/lab/station.ts';
import { families } from '../../src/model/address.ts';
import type { Family } from '../../src/model/address.ts';
import { host, pod } from '../lab/objects.ts';
import { skipTest } from '../support/skip.ts';
import { answerTo, expectAnswers, type AskedCluster, type Question } from '../support/questions.ts';
import { nameLab } from '../support/lab-name.ts';
import { settleMs } from '../support/time-factor.ts';

export { families, type Family };

const ports = ['TCP/80', 'TCP/8080', 'TCP/5000', 'UDP/53', 'UDP/5000', 'UDP/6000', 'SCTP/80', 'SCTP/8080'];

/** `x/p` is the pod that policies isolate; it and `near` are on n1, `far` and `outside` are not. */
const cast: readonly ApiObject[] = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' } },
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'peers', labels: { team: 'peers' } } },
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'spare' } },
  pod('x', 'p', ports, { nodeName: 'n1' }),
  pod('x', 'on-node', ['TCP/9100', 'UDP/9053'], { nodeName: 'n1', hostNetwork: true }),
  pod('peers', 'near', ports, { nodeName: 'n1' }),
  pod('peers', 'far', ports, { nodeName: 'n2' }),
  pod('peers', 'third', ports, { nodeName: 'n2' }),
  labelled(pod('spare', 'idle', ports, { nodeName: 'n2' }), { friend: 'yes' }),
  pod('others', 'stranger', ports, { nodeName: 'n1' }),
  host('outside', ['10.9.0.1', 'fd00:9::1'], [{ port: 80 }, { port: 53, protocol: 'UDP' }]),
];

function labelled(object: ApiObject, labels: Readonly<Record<string, string>>): ApiObject {
  object.metadata.labels = { ...object.metadata.labels, ...labels };
  return object;
}

/** Of what tests give and take, beside NetworkPolicies. */
const resourceOfKind: Readonly<Record<string, 'services' | 'clusternetworkpolicies'>> = {
  Service: 'services',
  ClusterNetworkPolicy: 'clusternetworkpolicies',
};

/** A lab of two nodes with the cast above. */
export class Cluster {
  readonly lab: Lab;

  private constructor(lab: Lab) {
    this.lab = lab;
  }

  static async up(options: LabOptions): Promise<Cluster> {
    const lab = await Lab.up({ objects: cast, settleMs, ...options });
    await lab.settle();
    return new Cluster(lab);
  }

  /** Returns when every node enforces it. */
  async apply(...objects: readonly ApiObject[]): Promise<void> {
    this.lab.apply(objects);
    await this.lab.settle();
  }

  async remove(...objects: readonly ApiObject[]): Promise<void> {
    for (const { kind, metadata } of objects) {
      const resource = resourceOfKind[kind] ?? 'networkpolicies';
      this.lab.store.delete(resource, { namespace: metadata.namespace, name: metadata.name! });
    }
    await this.lab.settle();
  }

  /** Gives a pod (`namespace/name`) or a namespace just these labels, beside those it must have. */
  async label(key: string, labels: Readonly<Record<string, string>>): Promise<void> {
    const [first, name] = key.split('/') as [string, string?];
    const resource = name === undefined ? 'namespaces' : 'pods';
    const at = name === undefined ? { name: first } : { namespace: first, name };
    const object = structuredClone(this.lab.store.get(resource, at));
    object.metadata.labels = name === undefined ? { ...labels } : { pod: name, ...labels };
    this.lab.store.update(resource, object);
    await this.lab.settle();
  }

  /** As when it came up, but for what runs in it. */
  async reset(): Promise<void> {
    const { store } = this.lab;
    for (const resource of ['networkpolicies', ...Object.values(resourceOfKind)] as const) {
      for (const { metadata } of store.list(resource).items) {
        store.delete(resource, { namespace: metadata.namespace, name: metadata.name! });
      }
    }
    this.lab.apply(cast.filter(({ kind }) => kind === 'Namespace' || kind === 'Pod'));
    await this.lab.settle();
    for (const agent of this.lab.agents.values()) {
      const warning = (await agent.log()).split('\n').find((line) => line.includes('Node.js reported a warning'));
      if (warning !== undefined) throw new Error(warning);
    }
  }

  /** The address of a station. */
  address(key: string, family: Family): string {
    return stationAddress(this.lab.station(key), family)!;
  }

  nodeNamespace(node: string): string {
    return this.lab.names.node(node);
  }

  /** Asks all at once. Who must answer is given time to, however busy the machine. */
  async expect(questions: readonly Question[]): Promise<void> {
    await expectAnswers(this.#asked, questions);
  }

  /** The answer to one question without an expected one: the identity of a station, `timeout`, or another error. */
  ask(question: Omit<Question, 'answer'> & { readonly family: Family }): Promise<string> {
    return answerTo(this.#asked, question);
  }

  get #asked(): AskedCluster {
    return { families, station: (key) => this.lab.station(key), address: this.address.bind(this) };
  }
}

const running = new Map<LabCni, Promise<Cluster>>();

/** Declares a suite for each plugin that wires pods, on a cluster that all such suites share; policies and labels end with a test. */
export function onEachCni(title: string, declare: (cluster: () => Cluster, cni: LabCni) => void): void {
  for (const cni of labCnis) {
    describe(`${title} (kernel, ${cni})`, function () {
      this.timeout(180_000);
      let cluster: Cluster;
      before(async function () {
        await needMachine(this, cni);
        if (!running.has(cni)) running.set(cni, Cluster.up({ name: nameLab(`k${cni}`), cni }));
        cluster = await running.get(cni)!;
      });
      afterEach(async () => {
        await cluster?.reset();
      });
      declare(() => cluster, cni);
    });
  }
}

/** Skips what is declared around it where the machine cannot run a lab. */
export async function needMachine(context: Mocha.Context, cni: LabNetwork, network?: NodeNetwork): Promise<void> {
  try {
    await checkMachine(cni, network);
  } catch (error) {
    if (!(error instanceof LabError) || error.code !== 'machine') throw error;
    skipTest(context, error.message);
  }
}

after(async () => {
  await Promise.all([...running.values()].map(async (cluster) => (await cluster).lab.down()));
});
