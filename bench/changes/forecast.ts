import type { ResourceEvent } from '../../src/model/cluster.ts';
import { flowChoiceSetName } from '../../src/compile/names.ts';
import { renderScript } from '../../src/nftables/render.ts';
import type { Operation, Ruleset, StageName } from '../../src/nftables/ruleset.ts';
import { Pipeline } from '../../src/pipeline.ts';
import { planStages } from '../../src/plan/plan.ts';
import { clusterEvents, upsert } from '../cluster/events.ts';
import { clusterObjects } from '../cluster/objects.ts';
import type { Shape } from '../cluster/shapes.ts';
import type { EventType } from '../agent/server-objects.ts';
import { imagePipeline } from '../image-flags.ts';
import { sandboxOf } from './sandboxes.ts';

export interface ForecastStage {
  readonly name: StageName;
  readonly operations: readonly Operation[];
}

/**
 * What the measured agent should write, computed by the same pipeline in this process. So the bench knows how many transactions a change takes, and
 * looks for pods that matter without asking the agent.
 */
export class Forecast {
  readonly #nodeName: string;
  readonly #pipeline: Pipeline;
  #ruleset: Ruleset | undefined;

  constructor(shape: Shape) {
    this.#nodeName = shape.nodeName;
    this.#pipeline = new Pipeline(shape.nodeName, imagePipeline);
    for (const event of clusterEvents(shape)) this.#pipeline.receive(event);
    this.sandboxes(clusterObjects(shape));
    this.#pipeline.receive({ op: 'cache-readable', readable: true });
    this.#pipeline.receive({ op: 'cache-complete' });
  }

  sandboxes(objects: Iterable<object>): void {
    for (const object of objects) {
      const value = sandboxOf(object, this.#nodeName);
      if (value) this.#pipeline.receive({ op: 'sandbox', id: value.id, value });
    }
  }

  receive(type: EventType, object: object): void {
    this.#pipeline.receive(eventOf(type, object));
  }

  /** The transactions for what was received since the last call. */
  stages(): readonly ForecastStage[] {
    const { stages, result } = this.#pipeline.plan(this.#ruleset);
    this.#ruleset = result;
    return stages;
  }

  /** Whether one event and then another change elements of sets, and nothing else. */
  changesElementsOnly(...objects: readonly object[]): boolean {
    return objects
      .map((object) => {
        this.receive('MODIFIED', object);
        return this.stages();
      })
      .every(
        ([first, ...later]) =>
          first !== undefined && isOf(first, elementVerbs) && later.every((stage) => isOf(stage, emptyingVerbs)),
      );
  }

  /** The transactions that bring all of it into an empty kernel. */
  whole(): readonly ForecastStage[] {
    return planStages(this.#ruleset ?? {}).stages;
  }

  /** Pods of each group of the node's policies. */
  get groups(): readonly (readonly string[])[] {
    return [...this.#pipeline.snapshot.groups.values()].map(({ members }) => [...members.keys()]);
  }

  /** As in the metric `postern_ruleset_elements`, but without the choice of flow sets, which the agent also changes where it is in doubt. */
  get elements(): number {
    const tables = Object.values(this.#ruleset ?? {});
    const lists = tables.flatMap(({ sets, maps }) => [...sets.values(), ...maps.values()]);
    const counted = lists.filter(({ name }) => name !== flowChoiceSetName);
    return counted.reduce((sum, { elements }) => sum + elements.size, 0);
  }

  /** Whether the metric can have this value: with or without the choice of each table, which is two protocols. */
  mayHave(elements: number): boolean {
    const choices = 2 * Object.keys(this.#ruleset ?? {}).length;
    return elements >= this.elements && elements <= this.elements + choices;
  }
}

const elementVerbs: readonly Operation['verb'][] = ['add elements', 'delete elements'];
/** What empties the flow sets that do not count any more, after a change that may deny. */
const emptyingVerbs: readonly Operation['verb'][] = ['flush set', 'add chain', 'delete chain'];

function isOf({ operations }: ForecastStage, verbs: readonly Operation['verb'][]): boolean {
  return operations.every(({ verb }) => verbs.includes(verb));
}

export function scriptOf(stages: readonly ForecastStage[], ...names: readonly StageName[]): string {
  const wanted = names.length === 0 ? stages : stages.filter(({ name }) => names.includes(name));
  return wanted.map(({ operations }) => renderScript(operations)).join('');
}

function eventOf(type: EventType, object: object): ResourceEvent {
  const event = upsert(object);
  return type === 'DELETED' && event.op === 'upsert'
    ? { op: 'remove', resource: event.resource, key: event.key }
    : event;
}
