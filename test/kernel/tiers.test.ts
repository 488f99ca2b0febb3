import { after, before, describe, it } from 'mocha';
import { labCnis } from '../../src/lab/cni-config.ts';
import { listAt, type ApiObject } from '../../src/lab/api/object.ts';
import type { ResourceName } from '../../src/lab/api/resources.ts';
import { Lab } from '../../src/lab/lab.ts';
import { stationAddress } from '../../src/lab/station.ts';
import type { Family } from '../../src/model/address.ts';
import { nameLab } from '../support/lab-name.ts';
import { expectAnswers, type Question } from '../support/questions.ts';
import { takeSample } from '../support/sample.ts';
import { settleMs } from '../support/time-factor.ts';
import { tierCases } from '../tiers/all.ts';
import { cast, fillIn, readFlow, type Step, type TierCase } from '../tiers/language.ts';
import { families, needMachine } from './cluster.ts';

const resourceOf: Readonly<Record<string, ResourceName>> = {
  ClusterNetworkPolicy: 'clusternetworkpolicies',
  NetworkPolicy: 'networkpolicies',
  Service: 'services',
};
const count = 25;

for (const cni of labCnis) {
  describe(`ClusterNetworkPolicies, case by case, with real packets (${cni})`, function () {
    this.timeout(180_000);
    let lab: Lab;
    before(async function () {
      await needMachine(this, cni);
      lab = await Lab.up({ name: nameLab(`tiers${cni}`), cni, objects: cast, settleMs });
      await lab.settle();
    });
    after(() => lab?.down());

    const cases = takeSample(tierCases, {
      what: `cases of ClusterNetworkPolicies on ${cni}`,
      count,
      nameOf: ({ title }) => `${cni} ${title}`,
      suite: 'tiers',
    });
    for (const each of cases) it(each.title, () => run(lab, each));
  });
}

/** Each case begins with the cast alone. */
async function run(lab: Lab, { steps }: TierCase): Promise<void> {
  const services = new Map<string, ApiObject>();
  try {
    for (const step of steps) {
      lab.apply((step.given ?? []).map((object) => fillIn(object, (key, family) => addressAt(lab, key, family))));
      for (const object of step.gone ?? []) remove(lab, object);
      for (const { kind, metadata } of step.given ?? []) {
        if (kind === 'Service') services.set(metadata.name!, lab.store.get('services', keyOf(metadata)));
      }
      await lab.settle();
      await expectAnswers(
        { families, station: (key) => lab.station(key), address: (key, family) => addressAt(lab, key, family) },
        questionsOf(step, services),
      );
    }
  } finally {
    reset(lab, steps);
  }
}

function questionsOf({ yes = [], no = [], closed = [] }: Step, services: ReadonlyMap<string, ApiObject>): Question[] {
  const ask = (text: string, answer?: string): Question[] => {
    const { to, families: asked, ...rest } = readFlow(text);
    const target = services.get(to);
    return asked.map((family) => {
      if (!target) return { ...rest, to, family, answer: answer ?? to };
      const endpoint = `${target.metadata.namespace}/a`;
      return { ...rest, to: addressOf(target, family), family, answer: answer ?? endpoint };
    });
  };
  return [
    ...yes.flatMap((text) => ask(text)),
    ...no.flatMap((text) => ask(text, 'timeout')),
    ...closed.flatMap((text) => ask(text, 'ECONNREFUSED')),
  ];
}

function addressOf(service: ApiObject, family: Family): string {
  const addresses = listAt(service, 'spec', 'clusterIPs').map(String);
  return addresses.find((each) => each.includes(':') === (family === 'ipv6'))!;
}

function addressAt(lab: Lab, key: string, family: Family): string {
  return stationAddress(lab.station(key), family)!;
}

function keyOf({ namespace, name }: ApiObject['metadata']): { namespace?: string; name: string } {
  return { ...(namespace !== undefined && { namespace }), name: name! };
}

function remove({ store }: Lab, { kind, metadata }: ApiObject): void {
  store.delete(resourceOf[kind]!, keyOf(metadata));
}

/** The next case waits until the agents have followed. */
function reset(lab: Lab, steps: readonly Step[]): void {
  for (const resource of Object.values(resourceOf)) {
    for (const { metadata } of lab.store.list(resource).items) lab.store.delete(resource, keyOf(metadata));
  }
  const touched = new Set(
    steps.flatMap(({ given = [] }) => given).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
  );
  lab.apply(
    cast.filter(({ kind, metadata }) => kind !== 'Host' && touched.has(`${metadata.namespace}/${metadata.name}`)),
  );
}
