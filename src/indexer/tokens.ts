import type { Pod } from '../model/cluster.ts';
import type { Selection } from '../model/policy.ts';

/**
 * A token is one fact about a pod that an index can be keyed by: a label with its value, a declared port name, or nothing at all.
 * A pod matches a selection only if it has one of the selection's tokens, so both sides of the match find each other by look-up.
 */
export type Token = string;

const everyPod: Token = '';

export function podTokens(pod: Pod): Token[] {
  const tokens = [everyPod];
  for (const [key, value] of Object.entries(pod.labels)) tokens.push(labelToken(key, value));
  for (const port of pod.ports) tokens.push(portToken(port.name, port.protocol));
  return tokens;
}

export function selectionTokens(selection: Selection): Token[] {
  if (selection.declares) return [portToken(selection.declares.name, selection.declares.protocol)];
  const term = selection.pods.find((each) => each.operator === 'In');
  return term ? [...new Set(term.values)].map((value) => labelToken(term.key, value)) : [everyPod];
}

function labelToken(key: string, value: string): Token {
  return `${key}=${value}`;
}

function portToken(name: string, protocol: string): Token {
  return `:${name}/${protocol}`;
}
