import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { seenWords, verdictMarks, changeMarks, Chip, Line, Moved } from '../marks.tsx';
import { formatCount, formatSpan } from '../format.ts';
import type { EdgePort, MapEdge, MapVerdict } from '../../map/policy-map.ts';
import { verdicts as seenVerdicts } from '../../flows/kept-flow.ts';
import { atlas, changed, edgesById, look, nodesById, policyMap } from '../state.ts';
import { Explanation } from './decision.tsx';
import { NodeName } from './node-name.tsx';

/** With so many underlying edges, the rest is not listed. */
const mostInside = 60;

/** All about the connections from one node to another. */
export function EdgePanel({ edge }: { edge: MapEdge }): JSX.Element {
  const { from, to, ports, connections, verdict, change } = edge;
  const isJoined = !policyMap.value?.edges.some(({ id }) => id === edge.id);
  return (
    <article class="details" aria-labelledby="details-title">
      <h2 id="details-title" tabIndex={-1}>
        <NodeName id={from} /> → <NodeName id={to} />
      </h2>
      <p class="facts">
        <Chip mark={verdictMarks[verdict]} />
        {change && (
          <span class="change">
            by your change: <Chip mark={changeMarks[change]} />
          </span>
        )}
        <span class="quiet">
          {connections > 0 ? `${formatCount(connections)} connections seen` : 'no connection seen'}
        </span>
      </p>
      {isJoined ? (
        <Inside edge={edge} />
      ) : (
        ports.map((port, index) => (
          <Port edge={edge} port={port} isOpen={index === 0 || ports.length <= 2} key={port.name} />
        ))
      )}
      <p class="actions">
        <button type="button" class="small" onClick={() => look({ selected: from })}>
          Show <NodeName id={from} />
        </button>
        <button type="button" class="small" onClick={() => look({ selected: to })}>
          Show <NodeName id={to} />
        </button>
      </p>
    </article>
  );
}

function Port({ edge, port, isOpen }: { edge: MapEdge; port: EdgePort; isOpen: boolean }): JSX.Element {
  const { name, seen, first, last, verdict } = port;
  const counts = seenVerdicts.flatMap((each) => (seen[each] === undefined ? [] : [{ each, count: seen[each] }]));
  return (
    <details class="port" open={isOpen}>
      <summary>
        <span class="port-name mono">{name}</span>
        <Moved port={port} />
      </summary>
      <dl class="counts">
        {counts.map(({ each, count }) => (
          <div class={each}>
            <dt>{seenWords[each]}</dt>
            <dd>{count === 0 ? 'open since before' : formatCount(count)}</dd>
          </div>
        ))}
        {last > 0 && (
          <div>
            <dt>seen</dt>
            <dd>{formatSpan(first, last)}</dd>
          </div>
        )}
      </dl>
      <PortNote seen={seen} verdict={verdict} />
      <PortReasons id={edge.id} port={name} />
    </details>
  );
}

/** What was seen need not be what policies say now: they may have changed since. */
function PortNote({ seen, verdict }: { seen: EdgePort['seen']; verdict: MapVerdict }): JSX.Element | null {
  if (verdict === 'allowed' && seen.denied)
    return (
      <p class="hint">
        Some were denied, but the current policies allow it. A policy has changed since, or a node lags.
      </p>
    );
  if (verdict === 'denied' && seen.allowed)
    return (
      <p class="hint">
        Some were answered, but the current policies deny it. A policy has changed since, or a node does not enforce it.
      </p>
    );
  return null;
}

function PortReasons({ id, port }: { id: string; port: string }): JSX.Element {
  const source = changed.value ?? atlas.value;
  const pairs = useMemo(() => source?.explain(id, port) ?? [], [source, id, port]);
  return <Explanation pairs={pairs} />;
}

/** The edges that a collapsed namespace joins. */
function Inside({ edge }: { edge: MapEdge }): JSX.Element {
  const isAt = (id: string, place: string): boolean => {
    const namespace = nodesById.value.get(id)?.namespace;
    return id === place || (namespace !== undefined && `namespace ${namespace}` === place);
  };
  const inside = [...edgesById.value.values()].filter(
    ({ id, from, to }) =>
      id !== edge.id && isAt(from, edge.from) && isAt(to, edge.to) && !from.startsWith('namespace '),
  );
  return (
    <>
      <p class="quiet">A collapsed namespace joins these edges. Choose one to see why it is allowed or denied.</p>
      <ul class="links">
        {inside.slice(0, mostInside).map(({ id, from, to, ports, verdict, change }) => (
          <li>
            <button type="button" class="link" onClick={() => look({ selected: id })}>
              <Line mark={change ? changeMarks[change] : verdictMarks[verdict]} />
              <NodeName id={from} /> → <NodeName id={to} />{' '}
              <span class="quiet mono">{ports.map(({ name }) => name).join(', ')}</span>
            </button>
          </li>
        ))}
      </ul>
      {inside.length > mostInside && <p class="quiet">And {inside.length - mostInside} more: open the namespaces.</p>}
    </>
  );
}
