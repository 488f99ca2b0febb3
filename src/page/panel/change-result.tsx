import type { JSX } from 'preact';
import type { MapChange, MapEdge } from '../../map/policy-map.ts';
import { plural } from '../../lib/plural.ts';
import { tryDraft } from '../edit-change.ts';
import { formatCount } from '../format.ts';
import { changeMarks, Line, Moved } from '../marks.tsx';
import { changed, isStale, look, policyMap } from '../state.ts';
import { Name, visible } from '../text.tsx';
import { NodeName } from './node-name.tsx';

const mostListed = 100;
const titles: Readonly<Record<MapChange, string>> = {
  cut: 'Cut',
  both: 'Cut for some, opened for others',
  opened: 'Opened',
};
const changeChips = {
  created: 'opened',
  changed: 'warn',
  unchanged: '',
  deleted: 'denied',
  refused: 'denied',
} as const;

/** What a change would do, with the connections that were seen. */
export function ChangeResult(): JSX.Element {
  const after = changed.value;
  if (!after) return <Nothing />;
  const drawn = policyMap.value?.edges ?? [];
  const edges = drawn.filter(({ change }) => change !== undefined);
  const unjudged = drawn.filter(({ ports }) => ports.some((port) => port.after === 'unknown'));
  const of = (change: MapChange): MapEdge[] => edges.filter((edge) => edge.change === change);
  const [cut, opened] = [of('cut').length + of('both').length, of('opened').length + of('both').length];
  return (
    <article class="details scroll" aria-live="polite">
      <h2>What changes</h2>
      {isStale.value && (
        <p class="hint bad">
          The YAML has changed since: this is the result of an earlier text.{' '}
          <button type="button" class="link inline" onClick={() => tryDraft()}>
            Try it now
          </button>
        </p>
      )}
      <dl class="figures">
        <div class="cut">
          <dt>edges cut</dt>
          <dd>{formatCount(cut)}</dd>
        </div>
        <div class="opened">
          <dt>opened</dt>
          <dd>{formatCount(opened)}</dd>
        </div>
      </dl>
      {unjudged.length > 0 && (
        <p class="hint bad">
          The page cannot judge {plural(unjudged.length, 'edge')} with{' '}
          {plural(
            unjudged.reduce((sum, { connections }) => sum + connections, 0),
            'connection',
          )}{' '}
          seen: an end has gone, or is not shown. The change may cut them, too.
        </p>
      )}
      {edges.length === 0 && (
        <p class="hint">
          It changes nothing of what was seen in this time{unjudged.length > 0 && ' and can be judged'}. Connections
          that nobody has made yet are not on the map: <code>postern plan</code> checks all pairs of pods.
        </p>
      )}
      <ul class="objects" aria-label="Objects">
        {after.changes.map(({ object, change, message }) => (
          <li>
            <span class={`chip ${changeChips[change]}`}>{change}</span> <Name text={object} />
            {message !== undefined && <p class="hint bad">{visible(message)}</p>}
          </li>
        ))}
      </ul>
      {after.issues.map((issue) => (
        <p class="hint bad">{visible(issue)}</p>
      ))}
      {(['cut', 'both', 'opened'] as const).map((change) => (
        <Edges key={change} change={change} edges={of(change)} />
      ))}
    </article>
  );
}

function Edges({ change, edges }: { change: MapChange; edges: readonly MapEdge[] }): JSX.Element | null {
  if (edges.length === 0) return null;
  const total = edges.reduce((sum, { connections }) => sum + connections, 0);
  return (
    <section>
      <h3>
        {titles[change]} <span class="count">{edges.length}</span>{' '}
        <span class="quiet help">{total > 0 ? `${formatCount(total)} connections seen` : 'none seen'}</span>
      </h3>
      <ul class="links">
        {edges.slice(0, mostListed).map(({ id, from, to, ports, connections }) => {
          const moved = ports.filter((port) => port.change !== undefined);
          return (
            <li>
              <button type="button" class="link" onClick={() => look({ selected: id })}>
                <Line mark={changeMarks[change]} />
                <span class="grow">
                  <NodeName id={from} /> → <NodeName id={to} />
                  <span class="moved">
                    {moved.map((port) => (
                      <span>
                        <span class="mono">{port.name}</span> <Moved port={port} />
                      </span>
                    ))}
                  </span>
                </span>
                <span class="number">{connections > 0 ? formatCount(connections) : ''}</span>
              </button>
            </li>
          );
        })}
      </ul>
      {edges.length > mostListed && <p class="quiet">And {formatCount(edges.length - mostListed)} more, on the map.</p>}
    </section>
  );
}

function Nothing(): JSX.Element {
  return (
    <article class="details">
      <h2>What changes</h2>
      <p class="quiet">
        Edges that your change cuts turn red and dashed here, and those that it opens turn green, with the connections
        that were really seen.
      </p>
    </article>
  );
}
