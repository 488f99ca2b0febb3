import type { JSX } from 'preact';
import type { MapEdge } from '../../map/policy-map.ts';
import { formatCount, formatMinute } from '../format.ts';
import { Line, verdictMarks } from '../marks.tsx';
import { atlas, data, look, policyMap } from '../state.ts';
import { NodeName } from './node-name.tsx';

const mostListed = 8;

/** What stands out, while nothing is selected. */
export function Overview(): JSX.Element {
  const map = policyMap.value!;
  const { nodes, edges, firstMinute, lastMinute } = map;
  const workloads = nodes.filter(({ kind }) => kind === 'workload');
  const open = workloads.filter(({ badges }) => badges.some(({ kind }) => kind.endsWith('isolation'))).length;
  const unenforced = workloads.filter(({ badges }) => badges.some(({ kind }) => kind === 'not-enforced')).length;
  const denied = edges.filter(({ ports }) => ports.some(({ seen, verdict }) => seen.denied ?? verdict === 'both'));
  const policies = (data.value?.objects ?? []).filter(
    ({ kind }) => kind === 'NetworkPolicy' || kind === 'ClusterNetworkPolicy',
  );
  return (
    <article class="details scroll">
      <h2>Overview</h2>
      <dl class="figures">
        <Figure name="workloads" value={workloads.length} />
        <Figure name="edges" value={edges.length} />
        <Figure name="policies" value={policies.length} />
      </dl>
      <p class="quiet">
        {lastMinute > firstMinute
          ? `Seen from ${formatMinute(firstMinute)} to ${formatMinute(lastMinute)}, and judged by the current policies.`
          : 'No flows: the map shows what the policies say about declared ports.'}
      </p>
      {unenforced > 0 && (
        <p class="hint bad">
          Policies are not enforced for {formatCount(unenforced)} {unenforced === 1 ? 'workload' : 'workloads'}.{' '}
          <button type="button" class="link inline" onClick={() => look({ tab: 'coverage' })}>
            See why
          </button>
        </p>
      )}
      {open > 0 && (
        <p class="hint">
          {formatCount(open)} of {formatCount(workloads.length)} workloads are open for ingress or egress: no policy
          isolates them.{' '}
          <button type="button" class="link inline" onClick={() => look({ tab: 'coverage' })}>
            List them
          </button>
        </p>
      )}
      <Edges title="Denied" edges={denied} none="Nothing was denied in this time." />
      <Edges title="Most connections" edges={edges.filter((edge) => !denied.includes(edge))} none={emptyReason()} />
    </article>
  );
}

function Figure({ name, value }: { name: string; value: number }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{formatCount(value)}</dd>
    </div>
  );
}

function emptyReason(): string {
  if (data.value?.source.kind === 'manifests') return 'No policy of the manifests allows a declared port.';
  return (atlas.value?.data.histories.length ?? 0) > 0
    ? 'No flows yet: the agents have seen no connection in this time. Make some, and wait a few seconds.'
    : 'No flows: no agent has answered.';
}

function Edges({ title, edges, none }: { title: string; edges: readonly MapEdge[]; none: string }): JSX.Element {
  return (
    <>
      <h3>{title}</h3>
      {edges.length === 0 && <p class="quiet">{none}</p>}
      <ul class="links">
        {edges.slice(0, mostListed).map(({ id, from, to, ports, verdict, connections }) => (
          <li>
            <button type="button" class="link" onClick={() => look({ selected: id })}>
              <Line mark={verdictMarks[verdict]} />
              <span class="grow">
                <NodeName id={from} /> → <NodeName id={to} />
              </span>
              <span class="quiet mono">{ports[0]?.name}</span>
              <span class="number wide">{connections > 0 ? formatCount(connections) : ''}</span>
            </button>
          </li>
        ))}
      </ul>
      {edges.length > mostListed && (
        <p class="quiet">And {formatCount(edges.length - mostListed)} more, in the list on the left.</p>
      )}
    </>
  );
}
