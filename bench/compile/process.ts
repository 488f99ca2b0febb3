import { readFileSync } from 'node:fs';
import type { ResourceEvent, ResourceName } from '../../src/model/cluster.ts';
import { renderScript } from '../../src/nftables/render.ts';
import { Pipeline } from '../../src/pipeline.ts';
import { watchedResources } from '../../src/watch/resources.ts';
import { ResourceWatch, type WatchObserver } from '../../src/watch/watch.ts';
import { imagePipeline } from '../image-flags.ts';
import type { Measured } from './measured.ts';
import { readPages } from './page-reader.ts';

/** The measured process: the agent's watches on lists from files, from the first event to the script for an empty kernel. */
const [directory = '', nodeName = ''] = process.argv.slice(2);
const started = performance.now();
const pipeline = new Pipeline(nodeName, imagePipeline);
const missing = new Set<ResourceName>(watchedResources.map(({ resource }) => resource));
const stop = new AbortController();
const observer: WatchObserver = { contact() {}, listed() {}, emptied: fail, interrupted: fail, skipped: fail };
let objects = 0;
let receive = 0;
/** Start of the events of a list. They are synchronous, so no other work runs until the list is complete. */
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
  throw new Error(`${resource}: the pages are invalid`, { cause });
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

/** VmHWM. The maximum of getrusage(2) would include the memory of the parent before exec. */
function peakMB(): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024;
}
