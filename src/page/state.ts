import { computed, signal } from '@preact/signals';
import type { Atlas, ChangedAtlas, WhatIf } from '../map/atlas.ts';
import { openAtlas } from '../map/open-atlas.ts';
import type { PageData } from '../map/page-data.ts';
import type { CoverageItem, DenialGroup, MapEdge, MapNode, PolicyMap } from '../map/policy-map.ts';
import { seeMap, type SeenMap } from '../map/see-map.ts';
import { hashToView, viewToHash, type View } from '../map/view.ts';

/** Missing until the first answer. */
export const data = signal<PageData | undefined>(undefined);
export const view = signal<View>(hashToView(location.hash));
/** The change to show on the map. */
export const whatIf = signal<WhatIf | undefined>(undefined);
/** What stands in the editor of the tab Change. */
export const draft = signal<{ readonly text: string; readonly removed: readonly string[] }>({ text: '', removed: [] });
/** Text of the editor that was tried last. */
export const tried = signal('');
/** Whether the editor has another text than the one whose result is shown. */
export const isStale = computed(() => whatIf.value !== undefined && draft.value.text !== tried.value);
/** Keys of denials that are not listed. */
export const silenced = signal<ReadonlySet<string>>(new Set());

export const atlas = computed<Atlas | undefined>(() => data.value && openAtlas(data.value));
export const changed = computed<ChangedAtlas | undefined>(() => {
  return whatIf.value && atlas.value?.withChange(whatIf.value);
});

// Each part of the view is a signal of its own, so that a selection does not compute the map again.
const minutesText = computed(() => view.value.minutes?.join('-'));
const drawnText = computed(() => JSON.stringify({ ...view.value, tab: 'map', split: undefined, selected: undefined }));

export const policyMap = computed<PolicyMap | undefined>(() => {
  const isPart = minutesText.value !== undefined;
  const { minutes } = view.peek();
  return (changed.value ?? atlas.value)?.map(isPart && minutes ? { minutes } : {});
});
export const seen = computed<SeenMap | undefined>(() => {
  return policyMap.value && seeMap(policyMap.value, JSON.parse(drawnText.value) as View);
});

/** By id: what is drawn, and what is not. */
export const nodesById = computed<ReadonlyMap<string, MapNode>>(() => {
  const all = [...(policyMap.value?.nodes ?? []), ...(seen.value?.nodes ?? [])];
  return new Map(all.map((node) => [node.id, node]));
});
export const edgesById = computed<ReadonlyMap<string, MapEdge>>(() => {
  const all = [...(policyMap.value?.edges ?? []), ...(seen.value?.edges ?? [])];
  return new Map(all.map((edge) => [edge.id, edge]));
});

export const denials = computed<readonly DenialGroup[]>(() => {
  const isPart = minutesText.value !== undefined;
  const { minutes } = view.peek();
  return atlas.value?.denials(isPart && minutes ? { minutes } : {}) ?? [];
});

/** Computed when somebody looks at it, or else when the page has time. */
export const coverage = computed<readonly CoverageItem[]>(() => atlas.value?.coverage() ?? []);

export function keyOfDenial({ fromId, toId, port }: Pick<DenialGroup, 'fromId' | 'toId' | 'port'>): string {
  return JSON.stringify([fromId, toId, port]);
}

/**
 * Changes what is looked at, and the URL with it.
 * @param how `replace` for steps that the button Back should not repeat
 */
export function look(
  change: { readonly [Key in keyof View]?: View[Key] | undefined },
  how: 'push' | 'replace' = 'push',
): void {
  const entries = Object.entries({ ...view.value, ...change }).filter(([, value]) => value !== undefined);
  view.value = Object.fromEntries(entries) as unknown as View;
  const hash = viewToHash(view.value);
  if (hash === location.hash) return;
  const url = hash === '' ? location.pathname + location.search : hash;
  if (how === 'push') history.pushState(undefined, '', url);
  else history.replaceState(undefined, '', url);
}

/** Follows the URL: Back, Forward, and a link that somebody pastes. */
export function followHash(): void {
  const read = (): void => {
    view.value = hashToView(location.hash);
  };
  addEventListener('popstate', read);
  addEventListener('hashchange', read);
}

/** Shows a change on the map. */
export function tryChange(change: WhatIf | undefined): void {
  whatIf.value = change && change.given.length + change.removed.length > 0 ? change : undefined;
}
