import { notAcceptable } from './status.ts';

/** Form of objects in an answer. */
export type Form = 'object' | 'table';

interface MediaType {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** The first supported entry of `accept`. Ignores weights, because kubectl and client-go sort by preference. */
export function chooseForm(accept: string | undefined): Form {
  for (const { type, parameters } of parseAccept(accept)) {
    if (!['application/json', 'application/*', '*/*'].includes(type)) continue;
    const as = parameters.get('as');
    if (as === undefined) return 'object';
    if (as === 'Table' && parameters.get('g') === 'meta.k8s.io' && parameters.get('v') === 'v1') return 'table';
  }
  throw notAcceptable(['application/json']);
}

export function parseMediaType(text: string): MediaType {
  const [type = '', ...rest] = text.split(';').map((part) => part.trim());
  const pairs = rest.map((part) => part.split('=', 2).map((each) => each.trim()) as [string, string]);
  return { type: type.toLowerCase(), parameters: new Map(pairs) };
}

function parseAccept(accept: string | undefined): MediaType[] {
  return (accept ?? '*/*').split(',').map(parseMediaType);
}
