import assert from 'node:assert/strict';
import { after, it } from 'mocha';
import { labCnis } from '../../src/lab/cni-config.ts';
import { families } from '../../src/model/address.ts';
import type { ApiObject } from '../../src/lab/api/object.ts';
import { pods, policy } from '../kernel/policies.ts';
import { service } from '../lab/objects.ts';
import type { AttackLab } from './attack-lab.ts';
import { carryOut, onLab } from './on-each-lab.ts';
import type { Attack } from './on-each-lab.ts';
import { fairly, newPort, say } from './steps.ts';

/** Who may write objects in `evil`, and status of its pods, against pods of `bank`. */
interface RuleAction {
  readonly name: string;
  readonly do: (attacks: AttackLab) => readonly ApiObject[];
}

const everything = [pods({}, {})];

const deeds: readonly RuleAction[] = [
  {
    name: "policies of its own that allow everything, and select all that bear the victim's labels",
    do: () => [
      policy('evil', 'all', { ingress: [{ from: everything }], egress: [{}] }),
      policy('evil', 'shut', { pods: { pod: 'shut' }, ingress: [{}], egress: [{}] }),
    ],
  },
  {
    name: 'a pod of the name and with the labels of the victim, that claims its address',
    do: (attacks) => [
      claim(
        'shut',
        families.map((family) => attacks.address('bank/shut', family)),
      ),
      policy('evil', 'all', { ingress: [{}], egress: [{}] }),
    ],
  },
  {
    name: "a pod that claims the node's addresses and those of the gateway",
    do: (attacks) => [
      claim('posing', [
        ...families.map((family) => attacks.address('node', family)),
        ...families.map((family) => attacks.gateway('bank/shut').address[family]),
      ]),
    ],
  },
  {
    name: "a pod that claims addresses of the victim's node that nobody has, and of another node",
    do: () => [
      claim('posing', ['10.244.1.201', 'fd00:10:244:1::c9']),
      claim('posing2', ['10.244.2.201', 'fd00:10:244:2::c9']),
    ],
  },
];

/** A pod of another node, as whoever writes its status has it. */
function claim(name: string, addresses: readonly string[]): ApiObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'evil', name, labels: { pod: 'shut' } },
    spec: { nodeName: 'elsewhere', containers: [{ name: 'main', image: 'main' }] },
    status: { phase: 'Running', podIP: addresses[0], podIPs: addresses.slice(0, 2).map((ip) => ({ ip })) },
  };
}

async function make({ lab }: AttackLab, objects: readonly ApiObject[]): Promise<void> {
  lab.apply(objects);
  for (const { kind, metadata, status } of objects) {
    if (kind !== 'Pod') continue;
    const created = lab.store.get('pods', { namespace: metadata.namespace, name: metadata.name! });
    lab.store.updateStatus('pods', { ...created, status });
  }
  await lab.settle();
}

function remove({ lab }: AttackLab, objects: readonly ApiObject[]): void {
  for (const { kind, metadata } of objects) {
    const resource = kind === 'Pod' ? 'pods' : kind === 'Service' ? 'services' : 'networkpolicies';
    const key = { namespace: metadata.namespace, name: metadata.name! };
    // Nobody ends a pod of a node that is not there.
    lab.store.delete(resource, key, { gracePeriodSeconds: 0 });
  }
}

const attack: Attack = {
  name: '',
  ear: 'bank/shut',
  attempt: async ({ attacks, family, text }) => {
    for (const from of ['evil/free', 'evil/far'] as const) {
      await attacks.act(from, 'plain', [say(newPort(), attacks.address('bank/shut', family), 5353, text)]);
    }
  },
  honest: fairly('evil/free', 'bank/shut'),
};

for (const cni of labCnis) {
  onLab("objects of another namespace's user", { cni, isEnforced: true }, (attacks) => {
    let made: readonly ApiObject[] = [];
    after(async () => {
      if (made.length === 0) return;
      remove(attacks(), made);
      await attacks().lab.settle();
    });

    for (const deed of deeds) {
      it(`${deed.name}: the victim gets no more than before`, async () => {
        made = deed.do(attacks());
        await make(attacks(), made);
        for (const family of families) await carryOut(attack, { attacks: attacks(), family, cni }, false);
        remove(attacks(), made);
        made = [];
        await attacks().lab.settle();
      });
    }

    it('a Service that leads to the victim, by its addresses and by ports of the nodes: no way round', async () => {
      const senders = ['evil/free', 'evil/far', 'host/outside'];
      // The same way leads to one that nobody isolates.
      for (const target of ['shut', 'open']) {
        const spec = { type: 'NodePort', ipFamilyPolicy: 'PreferDualStack', selector: { pod: target } };
        const ports = [{ port: 80, targetPort: 80, nodePort: 30_080, protocol: 'TCP' }];
        made = [service('bank', 'way', { ...spec, ports })];
        await make(attacks(), made);
        const answers = await Promise.all(senders.map((from) => ask(attacks(), from, target === 'open')));
        remove(attacks(), made);
        made = [];
        await attacks().lab.settle();
        assert.deepEqual(new Set(answers.flat()), new Set([target === 'open' ? 'bank/open' : undefined]));
      }
    });
  });
}

/** Who answers at each address of the Service. Who must answer is given time to. */
async function ask({ lab }: AttackLab, from: string, isExpected: boolean): Promise<(string | undefined)[]> {
  const { clusterIPs } = lab.store.get('services', { namespace: 'bank', name: 'way' })['spec'] as {
    clusterIPs: string[];
  };
  const nodes = lab.plan.nodes.flatMap(({ addresses }) => addresses);
  // Addresses of Services are none outside.
  const targets = [
    ...(from.startsWith('host/') ? [] : clusterIPs).map((address) => ({ protocol: 'TCP' as const, address, port: 80 })),
    ...nodes.map((address) => ({ protocol: 'TCP' as const, address, port: 30_080 })),
  ];
  const patience = isExpected ? { tries: 6, deadlineMs: 6000 } : { tries: 3, deadlineMs: 900 };
  const answers = await lab.station(from).process.probe(targets, patience);
  return answers.map(({ identity }) => identity);
}
