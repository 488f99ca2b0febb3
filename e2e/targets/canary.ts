import type { ApiObject } from '../../src/lab/api/object.ts';
import type { Station } from '../../src/lab/station.ts';
import { probePod, suiteNamespace } from '../cluster/cast.ts';
import type { Objects } from '../cluster/objects.ts';

/** A canary server answers on two ports. The policy allows one of them, in the next round the other. */
const ports = [8000, 8001] as const;
const client = `${suiteNamespace}/canary-client`;
const clientKey = { namespace: suiteNamespace, name: 'canary-client' };

const boundSeconds = 20;

/**
 * Shows with packets only that a node enforces all earlier writes. Each round changes a policy, a pod's label and a namespace's label.
 * The connection to a node's canary opens only after the node has seen all three changes, and thus all earlier events of these three
 * watches.
 */
export class Canary {
  readonly #objects: Objects;
  readonly #nodes: readonly string[];
  #round = 0;

  constructor(objects: Objects, nodes: readonly string[]) {
    this.#objects = objects;
    this.#nodes = nodes;
  }

  pods(image: string): ApiObject[] {
    const servers = this.#nodes.map((node, index) =>
      probePod(
        serverKey(index),
        { node, labels: { canary: 'server' }, ports: ports.map((port) => `TCP/${port}`) },
        image,
      ),
    );
    return [...servers, probePod(client, { node: this.#nodes[0]!, labels: { canary: 'client' }, ports: [] }, image)];
  }

  /** Rejects if a node does not enforce the changes in time. */
  async wait(station: (key: string) => Station): Promise<void> {
    if (this.#round === 0) {
      // Without a policy the port is open, and the first round needs it denied.
      await this.#ask(station, ports[1], (server) => server, 'lets no pod of another node in, with no policy there');
      await this.#objects.apply(canaryPolicy(0));
      await this.#ask(station, ports[1], () => 'timeout', 'enforces no policy');
    }
    // A node may allow before it denies (make, switch, break): when the second round opens, the first is complete.
    for (const last = this.#round + 2; this.#round < last;) {
      this.#round++;
      const labels = { round: String(this.#round) };
      await this.#objects.patch('Namespace', { name: suiteNamespace }, { metadata: { labels } });
      await this.#objects.patch('Pod', clientKey, { metadata: { labels } });
      await this.#objects.apply(canaryPolicy(this.#round));
      await this.#ask(station, portOf(this.#round), (server) => server, 'does not enforce the newest policies');
    }
  }

  /** Repeats the probe until every node's canary gives the expected answer. */
  async #ask(
    station: (key: string) => Station,
    port: number,
    expected: (server: string) => string,
    otherwise: string,
  ): Promise<void> {
    const deadline = Date.now() + boundSeconds * 1000;
    await Promise.all(
      this.#nodes.map(async (node, index) => {
        const server = serverKey(index);
        const target = { protocol: 'TCP' as const, address: station(server).addresses[0]!, port };
        for (;;) {
          const [answer] = await station(client).process.probe([target], { tries: 4, deadlineMs: 400 });
          if ((answer!.identity ?? answer!.error) === expected(server)) return;
          if (Date.now() > deadline) throw new Error(`node ${node} ${otherwise}, after ${boundSeconds} s`);
        }
      }),
    );
  }
}

function portOf(round: number): number {
  return ports[round % 2]!;
}

function serverKey(index: number): string {
  return `${suiteNamespace}/canary-${index + 1}`;
}

/** Allows the client by the pod and namespace labels of this round. */
function canaryPolicy(round: number): ApiObject {
  const selector = { matchLabels: { round: String(round) } };
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: suiteNamespace, name: 'canary' },
    spec: {
      podSelector: { matchLabels: { canary: 'server' } },
      policyTypes: ['Ingress'],
      ingress: [
        {
          from: [{ podSelector: selector, namespaceSelector: selector }],
          ports: [{ protocol: 'TCP', port: portOf(round) }],
        },
      ],
    },
  };
}
