import type { Pod } from '../model/cluster.ts';
import type { Selection } from '../model/policy.ts';

/**
 * A token is an index key of a pod: a label with its value, a declared port name, or the empty token of every pod.
 * A pod matches a selection only if it has one of the selection's tokens. So an index finds matches by lookup in both directions.
 */
export type Token = string;

/** The token of every pod. */
export const everyPod: Token = '';

/** One event reads the tokens of the same pod several times. */
let latest: { readonly pod: Pod; readonly tokens: readonly Token[] } | undefined;

export function podTokens(pod: Pod): readonly Token[] {
  if (latest?.pod === pod) return latest.tokens;
  const tokens = [everyPod];
  for (const key in pod.labels) if (Object.hasOwn(pod.labels, key)) tokens.push(labelToken(key, pod.labels[key]!));
  for (const port of pod.ports) tokens.push(portToken(port.name, port.protocol));
  latest = { pod, tokens };
  return tokens;
}

export function selectionTokens(selection: Selection): Token[] {
  if (selection.declares) return [portToken(selection.declares.name, selection.declares.protocol)];
  const term = selection.pods.find((each) => each.operator === 'In');
  return term ? [...new Set(term.values)].map((value) => labelToken(term.key, value)) : [everyPod];
}

const labelTokens = new Map<string, Map<string, Token>>();
/** So many tokens take about 7 MB (measured with Node 24). */
const labelTokenLimit = 50_000;
let labelTokenCount = 0;

/** Interns tokens, so that V8 hashes each once. Clears the table when it is full, so that churn cannot grow it. */
function labelToken(key: string, value: string): Token {
  const ofKey = labelTokens.get(key);
  const known = ofKey?.get(value);
  if (known !== undefined) return known;
  if (labelTokenCount >= labelTokenLimit) {
    labelTokens.clear();
    labelTokenCount = 0;
  }
  const token = `${key}=${value}`;
  labelTokenCount++;
  const tokens = labelTokens.get(key);
  if (tokens) tokens.set(value, token);
  else labelTokens.set(key, new Map([[value, token]]));
  return token;
}

function portToken(name: string, protocol: string): Token {
  return `:${name}/${protocol}`;
}
