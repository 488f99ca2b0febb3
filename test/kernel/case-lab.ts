import type { ApiObject } from '../../src/lab/api/object.ts';
import { Lab } from '../../src/lab/lab.ts';
import type { LabFamily } from '../../src/lab/addressing.ts';
import type { LabNetwork } from '../../src/lab/cni-config.ts';
import type { NodeNetwork } from '../../src/lab/node-network.ts';
import type { ProbeResult } from '../../src/lab/reachability.ts';
import { parseAddress, parseCidr, type Family } from '../../src/model/address.ts';
import type { Case, CaseFile, CasePod } from '../evaluator/cases.ts';
import { settleMs } from '../support/time-factor.ts';

type Step = Case['steps'][number];
type Expectation = Step['expected'];

/** Prefix lengths of the block around pod z/c that tokens mean, and of a narrower one (README of the cases). */
const prefixes = { ipv4: { narrow: 28, wide: 24 }, ipv6: { narrow: 124, wide: 120 } } as const;

export interface CaseNetwork {
  readonly cni: LabNetwork;
  readonly network?: NodeNetwork | undefined;
  readonly family?: LabFamily | undefined;
  /** The network itself separates the pods of one node (macvlan in mode private). */
  readonly separates?: boolean | undefined;
}

/** The nine pods of the cases in a dual-stack lab of two nodes. Each case starts from the same state. */
export class CaseLab {
  readonly #file: CaseFile;
  readonly #lab: Lab;
  readonly #separates: boolean;

  private constructor(file: CaseFile, lab: Lab, separates: boolean) {
    this.#file = file;
    this.#lab = lab;
    this.#separates = separates;
  }

  static async up(
    file: CaseFile,
    name: string,
    { cni, network = 'routed', family = 'dual', separates = false }: CaseNetwork,
  ): Promise<CaseLab> {
    const namespaces = Object.entries(file.namespaces).map(([each, labels]) => namespaceObject(each, labels));
    const lab = await Lab.up({
      name,
      cni,
      network,
      family,
      objects: [...namespaces, ...file.pods.map(podObject)],
      settleMs,
    });
    try {
      await lab.settle();
    } catch (error) {
      await lab.down();
      throw error;
    }
    return new CaseLab(file, lab, separates);
  }

  down(): Promise<void> {
    return this.#lab.down();
  }

  /** Every probe of the case that did not end as expected, and how many there were. */
  async run({ steps, ipFamily }: Case): Promise<{ probes: number; wrong: string[] }> {
    const families: Family[] = ipFamily === undefined ? ['ipv4', 'ipv6'] : [ipFamily === 4 ? 'ipv4' : 'ipv6'];
    let probes = 0;
    const wrong: string[] = [];
    try {
      for (const step of steps) {
        for (const action of step.actions) await this.#act(action);
        const { results } = await this.#lab.probe({ families, ports: this.#ports(step) });
        for (const result of results) {
          const expected = this.#expectation(step, result);
          if (expected === undefined) continue;
          probes++;
          const { from, to, port, family, observed } = result;
          if (this.#isSeparated(from, to)) {
            if (observed === 'allowed') wrong.push(`${from} > ${to} ${port} ${family}: the network let it pass`);
            continue;
          }
          if ((observed === 'allowed') !== expected) wrong.push(`${from} > ${to} ${port} ${family}: ${observed}`);
          if (result.expected !== (expected ? 'allowed' : 'denied'))
            wrong.push(`the evaluator on ${from} > ${to} ${port} ${family}`);
        }
      }
    } finally {
      await this.#reset();
    }
    return { probes, wrong };
  }

  #isSeparated(from: string, to: string): boolean {
    return this.#separates && from !== to && this.#nodeOf(from) === this.#nodeOf(to);
  }

  #nodeOf(key: string): unknown {
    const [namespace, name] = key.split('/') as [string, string];
    return (this.#lab.store.get('pods', { namespace, name })['spec'] as { nodeName?: string }).nodeName;
  }

  async #act(action: Record<string, never>): Promise<void> {
    const [[verb, argument]] = Object.entries(action) as unknown as [[string, unknown]];
    const given = argument as CasePod;
    const key = { namespace: given.namespace, name: given.name };
    const { store } = this.#lab;
    switch (verb) {
      case 'createPolicy':
      case 'updatePolicy':
        return this.#lab.apply([this.#fillIn(argument as ApiObject)]);
      case 'deletePolicy':
        return void store.delete('networkpolicies', key);
      case 'createNamespace':
      case 'setNamespaceLabels':
        return this.#lab.apply([namespaceObject(given.name, given.labels)]);
      case 'deleteNamespace':
        return void store.delete('namespaces', { name: given.name });
      case 'createPod':
        return this.#lab.apply([podObject(given)]);
      case 'deletePod':
        return void store.delete('pods', key);
      case 'setPodLabels':
        return this.#relabel(key, given.labels);
      case 'readPodIPs':
        return;
      default:
        throw new Error(`unknown action ${verb}`);
    }
  }

  #relabel(key: { namespace: string; name: string }, labels: Record<string, string>): void {
    const pod = structuredClone<ApiObject>(this.#lab.store.get('pods', key));
    pod.metadata.labels = labels;
    this.#lab.store.update('pods', pod);
  }

  /** Tokens such as `{{ip:z/c}}/24` stand for the real address of that pod; the agent masks off its host bits. */
  #fillIn(policy: ApiObject): ApiObject {
    const text = JSON.stringify(policy).replace(/\{\{(ip6?):([^}]+)\}\}/g, (_, family: string, pod: string) =>
      this.#address(pod, family === 'ip' ? 'ipv4' : 'ipv6'),
    );
    return JSON.parse(text) as ApiObject;
  }

  #address(pod: string, family: Family): string {
    return this.#lab.station(pod).addresses.find((each) => each.includes(':') === (family === 'ipv6'))!;
  }

  /** All declared ports, or the one of the step, by number or by name. */
  #ports({ probe }: Step): string[] | undefined {
    if (probe === 'all available') return undefined;
    const named = this.#file.pods[0]!.containers.find(({ name }) => name === probe.port);
    return [`${probe.protocol}/${named?.port ?? probe.port}`];
  }

  /** Where real addresses fall elsewhere than in the file, `peerIP` says what that changes. */
  #expectation({ expected, peerIP }: Step, { from, to, port, family }: ProbeResult): boolean | undefined {
    const value = (table: Expectation | undefined): boolean | undefined => table?.[from]?.[to]?.[port];
    if (!peerIP) return value(expected);
    const peer = parseAddress(this.#address(peerIP.side === 'from' ? from : to, family))!;
    const near = (prefix: number): boolean => {
      const { first, last } = parseCidr(`${this.#address('z/c', family)}/${prefix}`)!;
      return first <= peer.value && peer.value <= last;
    };
    const { narrow, wide } = prefixes[family];
    const place = near(narrow) ? 'insideNarrow' : near(wide) ? 'wideOnly' : 'outsideWide';
    return value(peerIP.otherwise[place]) ?? value(expected);
  }

  async #reset(): Promise<void> {
    const { store } = this.#lab;
    for (const policy of store.list('networkpolicies').items) store.delete('networkpolicies', keyOf(policy));
    for (const { name } of store.list('namespaces').items.map(keyOf)) {
      if (['default', 'kube-system'].includes(name)) continue;
      const labels = this.#file.namespaces[name];
      if (labels) this.#lab.apply([namespaceObject(name, labels)]);
      else store.delete('namespaces', { name });
    }
    for (const object of store.list('pods').items) {
      const { namespace, name } = keyOf(object);
      const pod = this.#file.pods.find((each) => each.namespace === namespace && each.name === name);
      if (pod) this.#relabel(pod, pod.labels);
      else if (object.metadata.deletionTimestamp === undefined) store.delete('pods', keyOf(object));
    }
    await this.#lab.settle();
  }
}

function keyOf({ metadata }: ApiObject): { namespace: string; name: string } {
  return { namespace: metadata.namespace!, name: metadata.name! };
}

function namespaceObject(name: string, labels: Record<string, string>): ApiObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

function podObject({ namespace, name, labels, containers }: CasePod): ApiObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels },
    spec: {
      containers: containers.map(({ name: portName, port, protocol }, index) => ({
        name: `c${index}`,
        image: 'registry.k8s.io/pause:3.10',
        ports: [{ name: portName, containerPort: port, protocol }],
      })),
    },
  };
}
