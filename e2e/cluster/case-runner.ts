import type { ApiObject } from '../../src/lab/api/object.ts';
import { observe } from '../../src/lab/reachability.ts';
import type { Probe } from '../../src/lab/reachability.ts';
import type { Protocol } from '../../src/model/policy.ts';
import { familyOf, parseAddress, parseCidr } from '../../src/model/address.ts';
import type { Case, CaseFile, CasePod } from '../../test/evaluator/cases.ts';
import { nodeIndexOf, serviceOf } from './cast.ts';
import type { Cluster } from './cluster.ts';

type Step = Case['steps'][number];
type Expectation = Step['expected'];

/** Prefix lengths of the block around pod z/c in tokens, and of a narrower one (README of the cases). */
const narrow = 28;
const wide = 24;

const quick = { tries: 3, deadlineMs: 1000 };
const patient = { tries: 6, deadlineMs: 5000 };

/** Runs cases over IPv4: every pair and port, through the Service of the target. */
export class CaseRunner {
  readonly #file: CaseFile;
  readonly #cluster: Cluster;
  /** Pods of the case by key, in their current state. */
  #pods = new Map<string, CasePod>();

  constructor(file: CaseFile, cluster: Cluster) {
    this.#file = file;
    this.#cluster = cluster;
  }

  /** Returns the number of probes and the unexpected results. The caller resets the cluster. */
  async run({ steps }: Case): Promise<{ probes: number; wrong: string[] }> {
    this.#pods = new Map(this.#file.pods.map((pod) => [keyOf(pod), pod]));
    let probes = 0;
    const wrong: string[] = [];
    for (const step of steps) {
      for (const action of step.actions) await this.#act(action);
      await this.#cluster.target.settle();
      const asked = await this.#plan(step);
      const answers = await observe(
        asked.map(({ probe }) => probe),
        quick,
      );
      const doubtful = asked.flatMap(({ expected }, index) => (expected && answers[index] === 'denied' ? [index] : []));
      const again = await observe(
        doubtful.map((index) => asked[index]!.probe),
        patient,
      );
      for (const [position, index] of doubtful.entries()) answers[index] = again[position]!;
      probes += asked.length;
      for (const [index, { expected, probe, port }] of asked.entries()) {
        if ((answers[index] === 'allowed') === expected) continue;
        wrong.push(`${probe.from.key} > ${probe.to.key} ${port}: ${answers[index]}`);
      }
    }
    return { probes, wrong };
  }

  async #plan(step: Step): Promise<{ probe: Probe; port: string; expected: boolean }[]> {
    const keys = [...this.#pods.keys()];
    const found = await Promise.all(keys.map((key) => this.#cluster.serviceAddresses(key)));
    const services = new Map(
      keys.map((key, index) => [key, found[index]!.find((address) => familyOf(address) === 'ipv4')!]),
    );
    return keys.flatMap((from) =>
      keys.flatMap((to) =>
        this.#ports(step, this.#pods.get(to)!).flatMap(({ protocol, port }) => {
          const text = `${protocol}/${port}`;
          const expected = this.#expectation(step, from, to, text);
          if (expected === undefined) return [];
          const target = { protocol, port, address: services.get(to)! };
          const probe = {
            from: this.#cluster.station(from),
            to: this.#cluster.station(to),
            family: 'ipv4' as const,
            target,
          };
          return [{ probe, port: text, expected }];
        }),
      ),
    );
  }

  /** All declared ports, or the port of the step, by number or name. */
  #ports({ probe }: Step, { containers }: CasePod): { protocol: Protocol; port: number }[] {
    const ports = containers as (CasePod['containers'][number] & { protocol: Protocol })[];
    if (probe === 'all available') return ports;
    const isMeant = ({ name, port, protocol }: CasePod['containers'][number]): boolean =>
      protocol === probe.protocol && (name === probe.port || port === probe.port);
    return ports.filter(isMeant);
  }

  async #act(action: Record<string, never>): Promise<void> {
    const [[verb, argument]] = Object.entries(action) as unknown as [[string, unknown]];
    const given = argument as CasePod;
    const { objects } = this.#cluster;
    const key = { namespace: given.namespace, name: given.name };
    switch (verb) {
      case 'createPolicy':
      case 'updatePolicy':
        return objects.apply(this.#fillIn(argument as ApiObject));
      case 'deletePolicy':
        return objects.remove('NetworkPolicy', key);
      case 'createNamespace':
      case 'setNamespaceLabels':
        return this.#cluster.createNamespace(given.name, given.labels);
      case 'deleteNamespace':
        for (const pod of this.#pods.values()) if (pod.namespace === given.name) this.#pods.delete(keyOf(pod));
        return this.#cluster.removeNamespace(given.name);
      case 'createPod':
        this.#pods.set(keyOf(given), given);
        for (const object of this.#podAndService(given)) await this.#cluster.put(object);
        return;
      case 'deletePod':
        this.#pods.delete(keyOf(given));
        return objects.remove('Pod', key);
      case 'setPodLabels':
        return objects.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { ...key, labels: given.labels } });
      case 'readPodIPs':
        return;
      default:
        throw new Error(`unknown action ${verb}`);
    }
  }

  #podAndService({ namespace, name, labels, containers }: CasePod): [ApiObject, ApiObject] {
    const node = this.#cluster.target.nodes[nodeIndexOf(namespace, name)];
    const ports = containers.map((each) => `${each.protocol}/${each.port}/${each.name}`);
    const pod = this.#cluster.pod(`${namespace}/${name}`, { node, labels, ports });
    return [pod, serviceOf(pod)];
  }

  /** Tokens such as `{{ip:z/c}}/24` stand for the real address of that pod. */
  #fillIn(policy: ApiObject): ApiObject {
    const text = JSON.stringify(policy).replace(/\{\{ip:([^}]+)\}\}/g, (_, pod: string) => this.#address(pod));
    return JSON.parse(text) as ApiObject;
  }

  #address(key: string): string {
    return this.#cluster.address(key, 'ipv4');
  }

  /** The expected result. `peerIP` has results that depend on the real addresses of pods. */
  #expectation({ expected, peerIP }: Step, from: string, to: string, port: string): boolean | undefined {
    const value = (table: Expectation | undefined): boolean | undefined => table?.[from]?.[to]?.[port];
    if (!peerIP) return value(expected);
    const peer = parseAddress(this.#address(peerIP.side === 'from' ? from : to))!;
    const near = (prefix: number): boolean => {
      const { first, last } = parseCidr(`${this.#address('z/c')}/${prefix}`)!;
      return first <= peer.value && peer.value <= last;
    };
    const place = near(narrow) ? 'insideNarrow' : near(wide) ? 'wideOnly' : 'outsideWide';
    return value(peerIP.otherwise[place]) ?? value(expected);
  }
}

function keyOf({ namespace, name }: CasePod): string {
  return `${namespace}/${name}`;
}
