import type { FlowHistory, KeptFlow } from '../../src/flows/kept-flow.ts';
import type { Traffic } from '../../src/flows/traffic.ts';
import type { JsonObject } from '../../src/lib/json.ts';
import type { PageData } from '../../src/map/page-data.ts';

export function pageData(objects: readonly JsonObject[], histories: readonly FlowHistory[] = []): PageData {
  const source = { kind: 'cluster', name: 'test' } as const;
  return { source, readAt: '2026-01-01T00:00:00.000Z', objects, histories, findings: [], notes: [] };
}

/** What one agent has kept in minutes 1 to 60. */
export function history(traffic: readonly Traffic[]): FlowHistory {
  const flows = traffic.map((each): KeptFlow => ({ ...each, local: 'both' }));
  return { node: 'n1', now: 60, since: 1, flows };
}
