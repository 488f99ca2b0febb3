import { isJsonObject, numberAt, objectAt, textAt, type JsonObject } from '../lib/json.ts';
import { formatCidr, parseCidr } from '../model/address.ts';
import { keptProtocols, places, verdicts, type FlowEnd, type FlowHistory, type KeptFlow } from './kept-flow.ts';
import { ownerLabels } from './owner-labels.ts';

/** Reads the answer of an agent. Throws an Error that names the field that is not as expected. */
export function readHistory(raw: unknown): FlowHistory {
  const [node, now, since] = [textAt(raw, 'node'), numberAt(raw, 'now'), numberAt(raw, 'since')];
  if (!isJsonObject(raw) || node === undefined) throw unexpected('node');
  if (!isCount(now) || !isCount(since)) throw unexpected('now and since');
  const { failing, look, flows } = raw;
  if (!Array.isArray(flows)) throw unexpected('flows');
  const [seconds, connections] = [numberAt(look, 'seconds'), numberAt(look, 'connections')];
  return {
    ...{ node, now, since },
    ...(typeof failing === 'string' && { failing }),
    ...(seconds !== undefined && connections !== undefined && { look: { seconds, connections } }),
    flows: flows.map((each: unknown, index) => readFlow(each, `flows[${index}]`)),
  };
}

function readFlow(raw: unknown, path: string): KeptFlow {
  if (!isJsonObject(raw)) throw unexpected(path);
  const { port, first, last, minutes } = raw;
  const local = places.find((each) => each === raw['local']);
  const protocol = keptProtocols.find((each) => each === raw['protocol']);
  const verdict = verdicts.find((each) => each === raw['verdict']);
  if (!local || !protocol || !verdict) throw unexpected(`${path}: local, protocol or verdict`);
  if (!isPort(port)) throw unexpected(`${path}.port`);
  if (!isCount(first) || !isCount(last)) throw unexpected(`${path}: first or last`);
  if (!Array.isArray(minutes) || !minutes.every(isMinute)) throw unexpected(`${path}.minutes`);
  const ends = { from: readEnd(raw['from'], `${path}.from`), to: readEnd(raw['to'], `${path}.to`) };
  return { ...ends, local, protocol, ...(port !== undefined && { port }), verdict, first, last, minutes };
}

function readEnd(raw: unknown, path: string): FlowEnd {
  const [namespace, name, cidr] = [textAt(raw, 'namespace'), textAt(raw, 'name'), textAt(raw, 'cidr')];
  const kind = textAt(raw, 'kind');
  const range = parseCidr(cidr ?? '');
  if (kind === 'own-node' || kind === 'others') return { kind };
  if ((kind === 'node' || kind === 'namespace') && name !== undefined) return { kind, name };
  if (kind === 'block' && range) return { kind, cidr: formatCidr(range) };
  const labels = objectAt(raw, 'labels');
  if (kind === 'workload' && namespace !== undefined && isTexts(labels))
    return { kind, namespace, labels: ownerLabels(labels) };
  throw unexpected(path);
}

function isTexts(object: JsonObject): object is Readonly<Record<string, string>> {
  return Object.values(object).every((value) => typeof value === 'string');
}

function isPort(value: unknown): value is KeptFlow['port'] {
  return value === undefined || value === 'other' || (isCount(value) && value <= 65_535);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isMinute(value: unknown): value is [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every(isCount);
}

function unexpected(field: string): Error {
  return new Error(`${field}: not as expected; check the version of the agent`);
}
