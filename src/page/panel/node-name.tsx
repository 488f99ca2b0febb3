import type { JSX } from 'preact';
import { shortLabel } from '../format.ts';
import { nodesById } from '../state.ts';
import { Name } from '../text.tsx';

/** `shop/web` */
export function nameOfNode(id: string): string {
  const node = nodesById.value.get(id);
  if (!node) return id.replace(/^(namespace|workload) /, '');
  const { namespace, kind, label } = node;
  return namespace === undefined || kind === 'namespace' ? shortLabel(label) : `${namespace}/${shortLabel(label)}`;
}

export function NodeName({ id }: { id: string }): JSX.Element {
  return <Name text={nameOfNode(id)} />;
}
