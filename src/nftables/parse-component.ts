import { readComponent, writeComponent } from './component.ts';
import type { Json } from './json.ts';
import { isList, isObject } from './json.ts';
import type { KeyType } from './ruleset.ts';

/** The canonical text of a component, from nft's JSON; `undefined` if it does not fit the type. */
export function parseComponent(type: KeyType, json: Json | undefined): string | undefined {
  const text = valueText(json);
  if (text === undefined) return undefined;
  // Postern never writes other names, so they are foreign.
  if (type === 'ifname') return typeof json === 'string' && readComponent(type, text) ? text : undefined;
  // A single address is canonical already: nft prints it with inet_ntop, which defines the canonical text here.
  if (typeof json === 'string' && (type === 'ipv4_addr' || type === 'ipv6_addr')) return text;
  const interval = readComponent(type, text);
  return interval && writeComponent(type, interval);
}

/** The text of nft's JSON for a value, prefix or range. */
export function valueText(json: Json | undefined): string | undefined {
  if (typeof json === 'string' || typeof json === 'number') return String(json);
  if (!isObject(json)) return undefined;
  if (isObject(json.prefix)) return `${String(json.prefix.addr)}/${String(json.prefix.len)}`;
  if (isList(json.range)) return json.range.join('-');
  return undefined;
}
