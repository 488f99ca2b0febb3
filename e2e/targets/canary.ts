import type { ApiObject } from '../../src/lab/api/object.ts';
import type { Station } from '../../src/lab/station.ts';
import { probePod, suiteNamespace } from '../cluster/cast.ts';
import type { Objects } from '../cluster/objects.ts';

/** A server answers on two ports, of which the policy opens one, and in the next round the other. */
const ports = [8000, 8001] as const;
const client = `${suiteNamespace}/canary-client`;
const clientKey = { namespace: suiteNamespace, name: 'canary-client' };

const boundSeconds = 20;

/**
 * Finds out from packets alone that a node enforces all that was written before. Each round changes a policy, a pod's label and a
 * namespace's label, so that the connection to a node's canary opens only once that node has seen all three; what came before them
 * on the same three watches it has then seen too.
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

  /** Throws where a node is not there in time. */
  async wait(station: (key: string) => Station): Promise<void> {
    if (this.#round === 0) {
      // Without a policy all is open, and the first round must find its port closed.
      await this.#ask(station, ports[1], (server) => server, 'lets no pod of another node in, with no policy there');
      await this.#objects.apply(canaryPolicy(0));
      await this.#ask(station, ports[1], () => 'timeout', 'enforces no policy');
    }
    // A node may let in before it keeps out (make, switch, break): when the second opens, all of the first has been done.
    for (const last = this.#round + 2; this.#round < last;) {
      this.#round++;
      const labels = { round: String(this.#round) };
      await this.#objects.patch('Namespace', { name: suiteNamespace }, { metadata: { labels } });
      await this.#objects.patch('Pod', clientKey, { metadata: { labels } });
      await this.#objects.apply(canaryPolicy(this.#round));
      await this.#ask(station, portOf(this.#round), (server) => server, 'does not enforce the newest policies');
    }
  }

  /** Until every node's canary gives the answer. */
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

/** Allows the client and its namespace as they are labelled in this round. */
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
