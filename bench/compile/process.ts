import { readFileSync } from 'node:fs';
import type { ResourceEvent, ResourceName } from '../../src/model/cluster.ts';
import { renderScript } from '../../src/nftables/render.ts';
import { Pipeline } from '../../src/pipeline.ts';
import { watchedResources } from '../../src/watch/resources.ts';
import { ResourceWatch, type WatchObserver } from '../../src/watch/watch.ts';
import type { Measured } from './measured.ts';
import { readPages } from './page-reader.ts';

/** The measured process: the agent's own watches on an API server made of files, and from their first event to the script for an empty kernel. */
const [directory = '', nodeName = ''] = process.argv.slice(2);
const started = performance.now();
const pipeline = new Pipeline(nodeName);
const missing = new Set<ResourceName>(watchedResources.map(({ resource }) => resource));
const stop = new AbortController();
const observer: WatchObserver = { contact() {}, listed() {}, emptied: fail, interrupted: fail, skipped: fail };
let objects = 0;
let receive = 0;
/** A list is told in one piece, so nothing else happens from its first event to the one that says it is complete. */
let toldFrom: number | undefined;

function take(event: ResourceEvent): void {
  toldFrom ??= performance.now();
  pipeline.receive(event);
  if (event.op === 'upsert') objects++;
  if (event.op !== 'synced') return;
  receive += performance.now() - toldFrom;
  toldFrom = undefined;
  missing.delete(event.resource);
  if (missing.size === 0) stop.abort();
}

function fail(resource: ResourceName, cause: unknown): void {
  throw new Error(`${resource}: what is in the pages cannot be used`, { cause });
}

const client = readPages(directory);
await Promise.all(watchedResources.map((each) => new ResourceWatch(each, client, take, observer).run(stop.signal)));
const listed = performance.now();
const { stages } = pipeline.plan(undefined);
const compiled = performance.now();
let bytes = 0;
for (const { operations } of stages) bytes += renderScript(operations).length;
const rendered = performance.now();

const { policies, localPods } = pipeline.snapshot;
const measured: Measured = {
  receive: receive / 1000,
  compile: (compiled - listed) / 1000,
  render: (rendered - compiled) / 1000,
  decode: (listed - started - receive) / 1000,
  peakMB: peakMB(),
  objects,
  policies: policies.size,
  localPods: localPods.size,
  scriptMB: bytes / 1e6,
};
process.stdout.write(`${JSON.stringify(measured)}\n`);

/** Not getrusage's: that begins with the memory of the process from which this one was forked. */
function peakMB(): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024;
}
