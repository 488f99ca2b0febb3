import { familyOf } from '../model/address.ts';
import type { Family } from '../model/address.ts';
import { everything, nodePrefixLength } from './addressing.ts';
import type { AddressPlan, NodePlan } from './addressing.ts';
import { runCommand } from './command.ts';
import { createNamespace, routerSysctls } from './network-namespace.ts';
import type { LabNames } from './names.ts';

/** What a host's default route names: the fabric's end of its link, in each family the same for all. */
const linkGateway: Readonly<Record<Family, string>> = { ipv4: '169.254.1.1', ipv6: 'fe80::1' };

/**
 * The network between nodes: one namespace with a bridge, to which every node has a link, and which routes to pods and to the hosts
 * outside. Nobody's address is rewritten, so pods and hosts see each other as they are.
 */
export class Fabric {
  readonly #names: LabNames;
  readonly #plan: AddressPlan;
  #hosts = 0;

  constructor(names: LabNames, plan: AddressPlan) {
    this.#names = names;
    this.#plan = plan;
  }

  async create(): Promise<void> {
    await createNamespace(this.#names.fabric, routerSysctls);
    await ip(this.#names.fabric, [
      'link add br0 type bridge',
      'link set br0 up',
      ...this.#plan.families.map(
        (family) => `address add ${this.#plan.gateways[family]}/${nodePrefixLength[family]} dev br0`,
      ),
    ]);
  }

  async addNode(node: NodePlan): Promise<void> {
    const { fabric } = this.#names;
    const namespace = this.#names.node(node.name);
    await createNamespace(namespace, {
      ...routerSysctls,
      'bridge/bridge-nf-call-iptables': 1,
      'bridge/bridge-nf-call-ip6tables': 1,
    });
    await runCommand('ip', linkArguments(namespace, fabric, node.name));
    await ip(fabric, [`link set ${node.name} master br0 up`, ...routesToPods(node)]);
    await ip(namespace, [
      'link set eth0 up',
      ...node.addresses.map((address) => `address add ${address}/${nodePrefixLength[familyOf(address)]} dev eth0`),
      ...this.#plan.families.map((family) => `route add ${everything[family]} via ${this.#plan.gateways[family]}`),
      ...this.#plan.nodes.filter((other) => other !== node).flatMap(routesToPods),
    ]);
  }

  /** A host outside the cluster, behind a routed link; its addresses may be any that the lab does not use itself. */
  async addHost(name: string, addresses: readonly string[]): Promise<void> {
    const { fabric } = this.#names;
    const namespace = this.#names.host(name);
    const link = `h${++this.#hosts}`;
    await createNamespace(namespace);
    await runCommand('ip', linkArguments(namespace, fabric, link));
    const used = new Set(addresses.map(familyOf));
    const gateways = [...used].map((family) => ({ family, gateway: linkGateway[family] }));
    await ip(fabric, [
      `link set ${link} up`,
      ...gateways.map(({ gateway }) => `address add ${gateway}/${gateway.includes(':') ? 64 : 32} dev ${link}`),
      ...addresses.map((address) => `route add ${address} dev ${link}`),
    ]);
    await ip(namespace, [
      'link set eth0 up',
      ...addresses.map((address) => `address add ${address} dev eth0`),
      ...gateways.map(({ family, gateway }) => `route add ${everything[family]} via ${gateway} dev eth0 onlink`),
    ]);
  }
}

function routesToPods(node: NodePlan): string[] {
  return node.podCidrs.map((cidr, index) => `route add ${cidr} via ${node.addresses[index]!}`);
}

/** A veth pair that never is in the machine's own namespace. */
function linkArguments(namespace: string, fabric: string, name: string): string[] {
  return ['link', 'add', 'eth0', 'netns', namespace, 'type', 'veth', 'peer', 'name', name, 'netns', fabric];
}

async function ip(namespace: string, lines: readonly string[]): Promise<void> {
  await runCommand('ip', ['-n', namespace, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}
