import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, it } from 'mocha';
import { renderRuleset } from '../../src/nftables/render.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { planSweep } from '../../src/plan/plan.ts';
import { FakeNft } from '../support/fake-nft.ts';
import { NodeAgent } from '../support/node-agent.ts';
import { endOf, namespace, pod, policy, sandbox } from '../support/objects.ts';
import { removeOf, startPipeline, upsertOf, type ApiObject } from '../support/pipeline.ts';

const pods = Number(process.env['POSTERN_REPLAYS_CHURN'] ?? 1000);
/** What a node has room for, and how many policies select what runs there. */
const [slots, policies] = [110, 60];
const apps = 20;
/** Memory is looked at after so many pods. */
const sampled = Math.max(200, pods / 10);

describe(`${pods} pods that come and go through ${slots} places of a node (replay of kube-router #2059, f9614d92)`, function () {
  this.timeout(0);

  it('leave rules and sets equal to what is wanted, as many as before, and memory as it was', async () => {
    const standing = standingObjects();
    const nft = new FakeNft();
    const agent = await new NodeAgent(nft).start(standing);
    const running = new Map<number, ApiObject>();
    const counts = new Set<string>();
    const heaps: number[] = [];
    for (let number = 0; number < pods; number++) {
      const slot = number % slots;
      const before = running.get(slot);
      if (before) agent.receive(removeOf(before), endOf(sandboxOf(number - slots)));
      // Now and then a policy lets other pods in, by a selector that is new.
      if (number % 25 === 0) {
        const index = (number / 25) % policies;
        standing[standing.length - policies + index] = policyOf(index, number);
        agent.upsert(standing.at(index - policies)!);
      }
      const next = podOf(number);
      running.set(slot, next);
      agent.receive(sandboxOf(number), upsertOf(next));
      await agent.idle();
      if (number < slots || number % 100 !== 0) continue;
      const held = nft.ruleset!;
      const wanted = startPipeline('n1', [...standing, ...running.values()]);
      for (const own of running.keys()) wanted.receive(sandboxOf(number - ((slot - own + slots) % slots)));
      assert.equal(renderRuleset(held), renderRuleset(wanted.plan(undefined).compiled.ruleset), `after ${number} pods`);
      assert.deepEqual(planSweep(held).stages, []);
      assert.equal(agent.pipeline.snapshot.groups.size, wanted.snapshot.groups.size);
      counts.add(describeSize(held));
      if (number % sampled !== 0) continue;
      // What the doubles note for other tests is not the agent's.
      for (const notes of [nft.runs, agent.applied, agent.compiled, agent.arrivals, agent.stages]) notes.length = 0;
      heaps.push(usedHeap());
    }
    assert.deepEqual(agent.failures, []);
    // Every slot of every app is in the same classes at each of these moments, so nothing may be more.
    assert.ok(counts.size <= apps, [...counts].join('\n'));
    // By the second look, what is kept up to a limit has come near to it.
    const [first, last] = [heaps[1]!, heaps.at(-1)!];
    assert.ok(last < first * 1.1, `${heaps.map((bytes) => Math.round(bytes / 1e5) / 10).join(', ')} MB`);
    for (const each of running.values()) agent.receive(removeOf(each));
    for (let number = pods - slots; number < pods; number++) agent.receive(endOf(sandboxOf(number)));
    await agent.idle();
    const wanted = startPipeline('n1', standing).plan(undefined).compiled.ruleset;
    const { bridge, ...routed } = nft.ruleset!;
    assert.equal(renderRuleset(routed), renderRuleset(wanted));
    // The base chains of a table that is not wanted any more stay, and hold nothing.
    assert.equal(wanted.bridge, undefined);
    assert.equal(bridge!.sets.size + bridge!.maps.size, 0);
    assert.deepEqual(
      [...bridge!.chains.values()].filter(({ base, rules }) => !base || rules.length > 0),
      [],
    );
  });
});

/** Pods of other nodes, and policies of which each selects an app or two and lets another in. */
function standingObjects(): ApiObject[] {
  return [
    namespace('x'),
    ...Array.from({ length: 40 }, (_, index) =>
      pod(`x/far-${index}`, {
        node: 'n2',
        ips: [`10.2.0.${index + 1}`, `fd02::${index + 1}`],
        labels: labelsOf(index),
      }),
    ),
    ...Array.from({ length: policies }, (_, index) => policyOf(index, 0)),
  ];
}

function policyOf(index: number, version: number): ApiObject {
  const podSelector = { matchLabels: labelsOf(index) };
  const values = [labelsOf(index + 1 + (index % 7))['app'], `version-${version}`];
  const from = [{ podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values }] } }];
  return policy(`x/p${index}`, {
    podSelector,
    ...(index % 3 === 0 && { policyTypes: ['Ingress', 'Egress'] }),
    ingress: [{ from, ports: [{ port: 8000 + index }] }],
    ...(index % 3 === 0 && { egress: [{ to: [{ ipBlock: { cidr: `10.${index}.0.0/16` } }] }] }),
  });
}

function labelsOf(number: number): Readonly<Record<string, string>> {
  return { app: `a${number % apps}` };
}

function addressesOf(number: number): string[] {
  const slot = number % slots;
  return [`10.1.0.${slot + 2}`, `fd01::${(slot + 2).toString(16)}`];
}

function podOf(number: number): ApiObject {
  return pod(`x/job-${number}`, { ips: addressesOf(number), labels: labelsOf(number) });
}

function sandboxOf(number: number) {
  return sandbox(`x/job-${number}`, {
    ips: addressesOf(number),
    link: { device: 'cni0', port: `veth${number % slots}` },
    order: number,
  });
}

/** How much there is of everything. */
function describeSize(ruleset: Ruleset): string {
  return Object.entries(ruleset)
    .map(([family, { sets, maps, chains }]) => {
      const rules = [...chains.values()].reduce((sum, chain) => sum + chain.rules.length, 0);
      return `${family}: ${sets.size} sets, ${maps.size} maps, ${chains.size} chains, ${rules} rules`;
    })
    .join('; ');
}

/** After all that can be collected has been. */
function usedHeap(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  return process.memoryUsage().heapUsed;
}
