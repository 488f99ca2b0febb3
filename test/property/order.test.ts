import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { NodeFact, ResourceEvent } from '../../src/model/cluster.ts';
import { renderRuleset } from '../../src/nftables/render.ts';
import { Pipeline } from '../../src/pipeline.ts';
import { danglingIn } from '../support/dangling.ts';
import { keyOf, removeOf, resourceOf, syncedEvents, upsertOf, type ApiObject } from '../support/pipeline.ts';
import { clusters, nodeNames, tieredClusters } from '../support/random-cluster.ts';
import { endOfFact, factChoices, factsOf } from '../support/random-facts.ts';
import { meetsRareCases, runs } from '../support/runs.ts';

type Told = ResourceEvent | NodeFact;

interface World {
  readonly objects: readonly ApiObject[];
  readonly facts: readonly NodeFact[];
}

const worlds = fc.record({ objects: fc.oneof(clusters, tieredClusters), facts: factChoices });

/**
 * Ways to the same cluster and node: objects and facts in any order, after a detour over those of another (of which some have the
 * same names and are replaced, and the rest are taken back), with events repeated.
 */
const journeys = fc.tuple(worlds, worlds, fc.array(fc.nat(), { minLength: 60, maxLength: 60 }), fc.boolean());

describe('order of events', function () {
  this.timeout(0);

  it('does not matter: any order and any detour end in the same rule set, and nothing is left to do', () => {
    let bridged = 0;
    fc.assert(
      fc.property(journeys, ([{ objects, facts: choicesHere }, detour, choices, syncFirst]) => {
        for (const node of nodeNames) {
          const facts = factsOf(objects, node, choicesHere);
          const direct = travel(node, [...objects.map(upsertOf), ...facts]);
          // Having been told once that a record of sandboxes is kept is for good.
          const choicesThere = { ...detour.facts, kept: choicesHere.kept && detour.facts.kept };
          const factsThere = factsOf(detour.objects, node, choicesThere);
          const events: Told[] = [
            ...detourEvents({ objects, facts }, { objects: detour.objects, facts: factsThere }, choices),
            ...shuffle([...objects.map(upsertOf), ...facts], choices),
          ];
          const pipeline = new Pipeline(node);
          // Compiled in between too: what is remembered from one run must not show in the next.
          let applied = syncFirst ? pipeline.plan(undefined).result : undefined;
          for (const [index, event] of events.entries()) {
            pipeline.receive(event);
            if (index % 4 === 0) applied = pipeline.plan(applied).result;
          }
          const last = pipeline.plan(applied);
          const expected = direct.plan(undefined).compiled.ruleset;
          assert.equal(renderRuleset(last.compiled.ruleset), renderRuleset(expected));
          assert.deepEqual(pipeline.plan(last.result).stages, []);
          assert.deepEqual(new Map(pipeline.issues), new Map(direct.issues));
          assert.deepEqual(danglingIn(expected), []);
          if (expected.bridge) bridged++;
        }
      }),
      { numRuns: runs(300) },
    );
    assert.ok(bridged > 30 || !meetsRareCases, `${bridged} with a table of bridges`);
  });
});

function travel(node: string, events: readonly Told[]): Pipeline {
  const pipeline = new Pipeline(node);
  for (const event of [...events, ...syncedEvents()]) pipeline.receive(event);
  return pipeline;
}

/** The other world comes and goes; what both have is left for the real one to replace. */
function detourEvents(here: World, there: World, choices: readonly number[]): Told[] {
  const names = new Set([...here.objects.map(nameOf), ...here.facts.map(nameOfFact)]);
  const early = here.objects.filter((_, index) => choices[index % choices.length]! % 3 === 0);
  const leaving = there.objects.filter((object) => !names.has(nameOf(object)));
  const ending = there.facts.filter((fact) => !names.has(nameOfFact(fact)));
  return [
    ...shuffle([...[...there.objects, ...early].map(upsertOf), ...there.facts], choices),
    ...shuffle(early, choices.toReversed()).map(upsertOf),
    ...shuffle([...leaving.map(removeOf), ...ending.flatMap(endOfFact)], choices),
  ];
}

function nameOf(object: ApiObject): string {
  return `${resourceOf(object)} ${keyOf(object)}`;
}

function nameOfFact(fact: NodeFact): string {
  return [fact.op, 'id' in fact ? fact.id : 'key' in fact ? fact.key : ''].join(' ');
}

function shuffle<T>(items: readonly T[], choices: readonly number[]): T[] {
  const rest = [...items];
  const shuffled: T[] = [];
  for (let i = 0; rest.length > 0; i++) shuffled.push(...rest.splice(choices[i % choices.length]! % rest.length, 1));
  return shuffled;
}
