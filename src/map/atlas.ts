import type { JsonObject } from '../lib/json.ts';
import type { ObjectChange } from '../impact/changes.ts';
import type { Suggestions } from '../suggest/suggest.ts';
import type { PageData } from './page-data.ts';
import type { CoverageItem, DenialGroup, ExplainedPair, PolicyMap, TimelineMinute } from './policy-map.ts';

/** A change of policies to try. */
export interface WhatIf {
  /** Objects to apply, as read from YAML. */
  readonly given: readonly JsonObject[];
  /** Policies to take away: `NetworkPolicy shop/web`, `ClusterNetworkPolicy guard`. */
  readonly removed: readonly string[];
}

export interface MapOptions {
  /** First and last minute since 1970; missing: all. */
  readonly minutes?: readonly [first: number, last: number];
}

/** For the workloads of nodes, or for all of a namespace. */
export type WantedSuggestion = ({ readonly nodeIds: readonly string[] } | { readonly namespace: string }) & {
  /** Denied connections to allow beside what was allowed. */
  readonly denied?: Pick<DenialGroup, 'fromId' | 'toId' | 'port'>;
};

/** Everything that the page asks. It reads the data once, and is then asked many times. */
export interface Atlas {
  readonly data: PageData;
  /** Sentences about what the map leaves out, beside those of the data. */
  readonly notes: readonly string[];
  /** Of all flows, without gaps. */
  readonly timeline: readonly TimelineMinute[];
  /** The atlas with a change; its map has `after` and `change`. */
  withChange(change: WhatIf): ChangedAtlas;
  map(options?: MapOptions): PolicyMap;
  /** @param port `EdgePort.name` */
  explain(edgeId: string, port: string): readonly ExplainedPair[];
  denials(options?: MapOptions): readonly DenialGroup[];
  coverage(): readonly CoverageItem[];
  suggest(wanted: WantedSuggestion): Suggestions;
}

export interface ChangedAtlas extends Atlas {
  /** What happens to each given or removed object. */
  readonly changes: readonly ObjectChange[];
  /** Invalid parts of the given policies: sentences. */
  readonly issues: readonly string[];
}
