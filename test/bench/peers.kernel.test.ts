import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'mocha';
import { policyObjects, spaces, type RawObject } from '../../bench/packets/policies.ts';
import { compileNode, policiesAlone } from '../../bench/packets/rule-sets.ts';
import { openWay, remoteWay, way, type End } from '../../bench/packets/scene.ts';
import { calico } from '../../bench/peers/calico.ts';
import { kubeRouter } from '../../bench/peers/kube-router.ts';
import { peerNode, policiesOf, scriptOf } from '../../bench/peers/peer.ts';
import {
  configureLinks,
  createNamespace,
  deleteNamespace,
  routerSysctls,
  runInNamespace,
} from '../../src/lab/network-namespace.ts';
import { PodProcess } from '../../src/lab/pod-process.ts';
import { trace } from '../../src/nftables/trace.ts';

const node = `postern-peers${process.pid}-node`;
const gateway = '10.99.0.1';
const ends = [way.from, way.to, openWay.from, openWay.to, remoteWay.to];
const protocols = ['TCP', 'UDP'] as const;

/** The sender's end allows the first port, and the receiver's end the second. */
const oneSided = [
  oneSidedPolicy(spaces[0]!, { egress: [{ ports: [{ port: 2001 }] }] }),
  oneSidedPolicy(spaces[1]!, { ingress: [{ ports: [{ port: 2002 }] }] }),
];

describe('the chains of other engines (kernel)', function () {
  this.timeout(120_000);
  const namespaceOf = ({ device }: End): string => `${node}-${device}`;
  const policies = [...policyObjects(600), ...oneSided];
  const peers = peerNode(policies);
  const rules = compileNode(policies, policiesAlone, 'routed').ruleset.ip!;
  const processes = new Map<End, PodProcess>();
  const ports = measuredPorts();

  before(async () => {
    await createNamespace(node, routerSysctls);
    for (const end of ends) {
      const { address, device, mac } = end;
      const pod = namespaceOf(end);
      await createNamespace(pod);
      await configureLinks(node, [
        `link add ${device} type veth peer name eth0 address ${mac} netns ${pod}`,
        `address add ${gateway}/32 dev ${device}`,
        `link set ${device} up`,
        `route add ${address} dev ${device}`,
      ]);
      await configureLinks(pod, [
        `address add ${address}/32 dev eth0`,
        'link set eth0 up',
        `route add default via ${gateway} dev eth0 onlink`,
      ]);
      const process = new PodProcess(pod);
      processes.set(end, process);
      await process.serve(
        device,
        protocols.flatMap((protocol) => ports.map((port) => ({ protocol, port }))),
      );
    }
  });
  after(async () => {
    for (const process of processes.values()) await process.stop();
    for (const name of [...ends.map(namespaceOf), node]) await deleteNamespace(name);
  });
  afterEach(() => runInNamespace(node, 'nft', ['flush', 'ruleset']));

  it('are needed: without rules, each end answers on each port', async () => {
    const answers = await probeAll();
    assert.deepEqual(
      [...answers].filter(([, isAllowed]) => !isAllowed),
      [],
    );
  });

  for (const peer of [kubeRouter, calico]) {
    it(`of ${peer.name} allow and deny what our rules do`, async () => {
      const expected = verdicts();
      const allowed = [...expected.values()].filter(Boolean).length;
      assert.ok(allowed > 100 && expected.size - allowed > 100, `${allowed} of ${expected.size}`);
      await runInNamespace(node, 'nft', ['-f', '-'], { input: scriptOf(peer, peers) });
      const answers = await probeAll();
      const skipped = peer === kubeRouter ? sharedPairs() : [];
      const wrong = [...expected].filter(([probe, isAllowed]) => {
        return answers.get(probe) !== isAllowed && !skipped.some((pair) => probe.startsWith(pair));
      });
      assert.deepEqual(wrong, []);
    });
  }

  /** The first port of each rule of the policies that select an isolated end, and one that no rule names. */
  function measuredPorts(): number[] {
    const selecting = peers.pods.filter(({ device }) => device === way.from.device || device === way.to.device);
    const named = selecting
      .flatMap((pod) => policiesOf(peers, pod))
      .flatMap((policy) => [...policy.rules.ingress, ...policy.rules.egress])
      .flatMap((rule) => rule.ports.flatMap((port) => (port.kind === 'range' ? [port.first] : [])));
    return [...new Set([16, ...named])];
  }

  function pairs(): [End, End][] {
    return ends.flatMap((from) => ends.filter((to) => to !== from).map((to): [End, End] => [from, to]));
  }

  /**
   * Pairs that one policy of both directions selects. Its one chain has the rules of both, so there the egress of one end is allowed by an ingress rule of
   * the other.
   */
  function sharedPairs(): string[] {
    const both = [...peers.snapshot.policies.values()].filter(({ isolates }) => isolates.size === 2);
    const selected = both.map((policy) => new Set(peers.selectedBy(policy)));
    return pairs()
      .filter(([from, to]) => selected.some((all) => all.has(from.address) && all.has(to.address)))
      .map(([from, to]) => `${from.device} > ${to.device} `);
  }

  /** Our model of our rules on the first packet of each probe. */
  function verdicts(): Map<string, boolean> {
    return new Map(
      pairs().flatMap(([from, to]) =>
        protocols.flatMap((protocol) =>
          ports.map((port) => {
            const { verdict } = trace(rules, {
              hook: 'forward',
              family: 'ipv4',
              inInterface: from.device,
              outInterface: to.device,
              inKind: 'veth',
              outKind: 'veth',
              source: from.address,
              destination: to.address,
              protocol: protocol === 'TCP' ? 'tcp' : 'udp',
              sourcePort: 40_000,
              destinationPort: port,
              ctState: 'new',
              direction: 'original',
              hopLimit: 63,
              ...(protocol === 'TCP' && { tcpSyn: true }),
            });
            return [nameOf(from, to, protocol, port), verdict === 'accept'] as const;
          }),
        ),
      ),
    );
  }

  async function probeAll(): Promise<Map<string, boolean>> {
    const answers = new Map<string, boolean>();
    const probe = async ([from, to]: [End, End]): Promise<void> => {
      const targets = protocols.flatMap((protocol) => ports.map((port) => ({ protocol, port, address: to.address })));
      const got = await processes.get(from)!.probe(targets, { tries: 2, deadlineMs: 800 });
      for (const [i, { protocol, port }] of targets.entries()) {
        answers.set(nameOf(from, to, protocol, port), got[i]!.identity === to.device);
      }
    };
    await Promise.all(pairs().map(probe));
    return answers;
  }
});

function nameOf(from: End, to: End, protocol: string, port: number): string {
  return `${from.device} > ${to.device} ${protocol}/${port}`;
}

function oneSidedPolicy(namespace: string, rules: { ingress: object[] } | { egress: object[] }): RawObject {
  const policyTypes = ['ingress' in rules ? 'Ingress' : 'Egress'];
  const podSelector = { matchLabels: { role: 'end' } };
  return {
    kind: 'NetworkPolicy',
    metadata: { namespace, name: 'one-sided' },
    spec: { podSelector, policyTypes, ...rules },
  };
}
