import { EventRecorder } from '../../src/agent/event-recorder.ts';
import { ObjectVersions } from '../../src/agent/object-versions.ts';
import { createListener } from '../../src/agent/denials/denial-listener.ts';
import type { DenialLook } from '../../src/agent/denials/denial-reader.ts';
import { DenialWatch } from '../../src/agent/denials/denial-watch.ts';
import type { ObjectEvent } from '../../src/agent/object-event.ts';
import { Reporter } from '../../src/agent/report.ts';
import type { RecordedDenial } from '../../src/compile/denials.ts';
import type { NodeFact } from '../../src/model/cluster.ts';
import { isPolicy } from '../support/objects.ts';
import { keyOf, startPipeline, upsertOf, type ApiObject } from '../support/pipeline.ts';
import { Checks } from '../../src/telemetry/checks.ts';
import { createMetrics } from '../../src/telemetry/metrics/all.ts';
import { knowledgeOf } from './denials/attribution.ts';

const { signal } = new AbortController();

/** All that the agent of node n1 tells, of objects and of what its kernel has denied: by namespace what is in Events there, and the log. */
export async function tellAll(
  objects: readonly ApiObject[],
  { facts = [], denials = [] }: { readonly facts?: readonly NodeFact[]; readonly denials?: readonly RecordedDenial[] },
): Promise<{ readonly events: ReadonlyMap<string, readonly string[]>; readonly log: string }> {
  const written: ObjectEvent[] = [];
  const lines: unknown[] = [];
  const log = (...line: unknown[]): void => void lines.push(line);
  const logger = { info: log, warn: log, error: log, debug: log, isLevelEnabled: () => true };
  const versions = new ObjectVersions();
  const recorder = new EventRecorder('n1', versions, { add: (event) => void written.push(event) }, () => 0);
  const reporter = new Reporter({
    node: 'n1',
    logger: logger as unknown as ConstructorParameters<typeof Reporter>[0]['logger'],
    metrics: createMetrics('1'),
    ready: new Checks(['rules']),
    announce: (resource, key, issue) => recorder.announce(resource, key, issue),
  });
  const pipeline = startPipeline('n1', objects);
  for (const event of objects.map(upsertOf)) {
    versions.receive(event);
    reporter.received(event);
  }
  for (const fact of facts) pipeline.receive(fact);
  const run = {
    version: { pods: '', namespaces: '', nodes: '', networkpolicies: '', clusternetworkpolicies: '' },
    receivedAt: [],
  };
  reporter.applied(
    { ...run, plan: pipeline.plan(undefined) },
    { snapshot: () => pipeline.snapshot, issues: pipeline.issues, refusedPolicies: 0 },
  );
  const texts = async (ids: readonly string[]) =>
    objects.filter((object) => isPolicy(object) && ids.includes(keyOf(object)));
  const listener = createListener({ log: true, events: true, logger, recorder, dateOf: (time) => time });
  for (const denial of denials) {
    let looks: readonly DenialLook[] = [];
    const watch = new DenialWatch({
      read: async () => looks,
      knowledge: () => knowledgeOf(pipeline),
      texts,
      metrics: { counted() {}, unlogged() {} },
      listener,
      attributed() {},
      audited() {},
      lookedAtAudits() {},
      found() {},
      now: () => 0,
    });
    await watch.look(signal);
    const { direction, family } = denial;
    looks = [{ verdict: 'denied', direction, family, denied: 1, noted: 1, denials: [denial], at: 0 }];
    await watch.look(signal);
  }
  const namespaceOf = ({ path }: ObjectEvent): string => path.split('/')[4]!;
  const events = new Map(
    Map.groupBy(written, namespaceOf)
      .entries()
      .map(([name, of]) => [name, of.map(({ body }) => JSON.stringify(body))]),
  );
  return { events, log: JSON.stringify(lines) };
}
