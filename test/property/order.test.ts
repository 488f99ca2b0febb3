import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { ResourceEvent } from '../../src/model/cluster.ts';
import { renderRuleset } from '../../src/nftables/render.ts';
import { Pipeline } from '../../src/pipeline.ts';
import { keyOf, removeOf, resourceOf, syncedEvents, upsertOf, type ApiObject } from '../support/pipeline.ts';
import { clusters, nodeNames } from '../support/random-cluster.ts';

/**
 * Ways to the same cluster: its objects in any order, after a detour over the objects of another cluster (of which some have the
 * same names and are replaced, and the rest are removed), with events repeated.
 */
const journeys = fc.tuple(clusters, clusters, fc.array(fc.nat(), { minLength: 60, maxLength: 60 }), fc.boolean());

describe('order of events', function () {
  this.timeout(0);

  it('does not matter: any order and any detour end in the same rule set, and nothing is left to do', () => {
    fc.assert(
      fc.property(journeys, ([objects, detour, choices, syncFirst]) => {
        const direct = new Map(nodeNames.map((node) => [node, travel(node, objects.map(upsertOf))]));
        const events = [...detourEvents(objects, detour, choices), ...shuffle(objects, choices).map(upsertOf)];
        for (const node of nodeNames) {
          const pipeline = new Pipeline(node);
          // Compiled in between too: what is remembered from one run must not show in the next.
          let applied = syncFirst ? pipeline.plan(undefined).result : undefined;
          for (const [index, event] of events.entries()) {
            pipeline.receive(event);
            if (index % 4 === 0) applied = pipeline.plan(applied).result;
          }
          const last = pipeline.plan(applied);
          const expected = direct.get(node)!.plan(undefined).compiled.ruleset;
          assert.equal(renderRuleset(last.compiled.ruleset), renderRuleset(expected));
          assert.deepEqual(pipeline.plan(last.result).stages, []);
          assert.deepEqual(new Map(pipeline.issues), new Map(direct.get(node)!.issues));
        }
      }),
      { numRuns: 300 },
    );
  });
});

function travel(node: string, events: readonly ResourceEvent[]): Pipeline {
  const pipeline = new Pipeline(node);
  for (const event of [...events, ...syncedEvents()]) pipeline.receive(event);
  return pipeline;
}

/** The other cluster comes and goes; an object that both have is left for the real one to replace. */
function detourEvents(
  objects: readonly ApiObject[],
  detour: readonly ApiObject[],
  choices: readonly number[],
): ResourceEvent[] {
  const names = new Set(objects.map((object) => `${resourceOf(object)} ${keyOf(object)}`));
  const early = objects.filter((_, index) => choices[index % choices.length]! % 3 === 0);
  const leaving = detour.filter((object) => !names.has(`${resourceOf(object)} ${keyOf(object)}`));
  return [
    ...shuffle([...detour, ...early], choices).map(upsertOf),
    ...shuffle(early, choices.toReversed()).map(upsertOf),
    ...shuffle(leaving, choices).map(removeOf),
  ];
}

function shuffle<T>(items: readonly T[], choices: readonly number[]): T[] {
  const rest = [...items];
  const shuffled: T[] = [];
  for (let i = 0; rest.length > 0; i++) shuffled.push(...rest.splice(choices[i % choices.length]! % rest.length, 1));
  return shuffled;
}
