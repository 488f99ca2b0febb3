import type { JSX } from 'preact';
import type { MapNode, NodeKind } from '../../map/policy-map.ts';
import { formatCount } from '../format.ts';
import { badgeWords, Line, verdictMarks } from '../marks.tsx';
import { look, seen, view } from '../state.ts';
import { visible } from '../text.tsx';
import { NodeName } from './node-name.tsx';

const kindWords: Readonly<Record<NodeKind, string>> = {
  workload: 'Workload',
  gone: 'Pods that have gone',
  node: 'Node',
  block: 'Block of a policy',
  internet: 'Public addresses that no block of a policy holds',
  private: 'Private addresses that no block of a policy holds',
  namespace: 'Namespace, collapsed',
  others: 'Ends that the agents do not keep apart',
};

export function NodePanel({ node }: { node: MapNode }): JSX.Element {
  const { id, kind, namespace, label, pods, badges } = node;
  const edges = seen.value?.edges ?? [];
  const isPods = kind === 'workload' || kind === 'namespace';
  return (
    <article class="details" aria-labelledby="details-title">
      <h2 id="details-title" tabIndex={-1}>
        <NodeName id={id} />
      </h2>
      <p class="facts">
        <span>{kindWords[kind]}</span>
        {isPods && <span class="quiet">{pods === 1 ? '1 pod' : `${formatCount(pods)} pods`}</span>}
      </p>
      {kind === 'workload' && <p class="quiet mono">{visible(label)}</p>}
      {badges.length > 0 && (
        <ul class="badges">
          {badges.map(({ kind: each, text }) => (
            <li class={each}>
              <span class={`chip ${each === 'not-enforced' ? 'denied' : 'warn'}`}>{badgeWords[each]}</span>{' '}
              {visible(text)}
            </li>
          ))}
        </ul>
      )}
      <p class="actions">
        {isPods && (
          <button type="button" class="small primary" onClick={() => look({ tab: 'suggest', selected: id })}>
            Suggest policies
          </button>
        )}
        {namespace !== undefined && kind !== 'namespace' && (
          <button
            type="button"
            class="small"
            onClick={() => look({ collapsed: [...view.value.collapsed, namespace], selected: undefined })}
          >
            Collapse {visible(namespace)}
          </button>
        )}
        {kind === 'namespace' && namespace !== undefined && (
          <button type="button" class="small" onClick={() => openNamespace(namespace)}>
            Open
          </button>
        )}
        <button
          type="button"
          class="small"
          onClick={() => look({ hidden: [...view.value.hidden, id], selected: undefined })}
        >
          Hide from map
        </button>
      </p>
      <EdgeLinks title="Sends to" edges={edges.filter(({ from }) => from === id)} end="to" />
      <EdgeLinks title="Receives from" edges={edges.filter(({ to }) => to === id)} end="from" />
    </article>
  );
}

/** Opens a namespace. If the map is too large to open one more, only this one is chosen. */
export function openNamespace(namespace: string): void {
  const { collapsed, namespaces } = view.value;
  const isTooLarge = seen.value?.tooLarge.includes(namespace);
  look({
    collapsed: collapsed.filter((each) => each !== namespace),
    ...(isTooLarge && { namespaces: [namespace] }),
    ...(!isTooLarge && namespaces.length > 0 && { namespaces: [...new Set([...namespaces, namespace])] }),
    selected: undefined,
  });
}

function EdgeLinks({
  title,
  edges,
  end,
}: {
  title: string;
  edges: NonNullable<typeof seen.value>['edges'];
  end: 'from' | 'to';
}): JSX.Element | null {
  if (edges.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <ul class="links">
        {edges.map((edge) => (
          <li>
            <button type="button" class="link" onClick={() => look({ selected: edge.id })}>
              <Line mark={verdictMarks[edge.verdict]} />
              <NodeName id={edge[end]} />
              <span class="quiet mono">{edge.ports.map(({ name }) => name).join(', ')}</span>
              <span class="hidden-text">{verdictMarks[edge.verdict].word}</span>
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
