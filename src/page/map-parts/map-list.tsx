import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { MapEdge } from '../../map/policy-map.ts';
import { formatCount, formatShort } from '../format.ts';
import { changeMarks, Line, verdictMarks } from '../marks.tsx';
import { NodeName } from '../panel/node-name.tsx';
import { look, seen, view } from '../state.ts';

/** `TCP/80 +2` */
function portsOf({ ports }: MapEdge): string {
  return `${ports[0]?.name ?? ''}${ports.length > 1 ? ` +${ports.length - 1}` : ''}`;
}

/** Rows at first, and with each "more". */
const page = 100;

/** The map as a list: what a mouse chooses on the canvas, a keyboard and a screen reader choose here. */
export function MapList(): JSX.Element {
  const [what, setWhat] = useState<'edges' | 'nodes'>('edges');
  const [most, setMost] = useState(page);
  const { edges = [], nodes = [] } = seen.value ?? {};
  const rows: readonly { readonly id: string; readonly row: JSX.Element }[] =
    what === 'edges'
      ? edges.slice(0, most).map((edge) => {
          const mark = edge.change === undefined ? verdictMarks[edge.verdict] : changeMarks[edge.change];
          return {
            id: edge.id,
            row: (
              <>
                <Line mark={mark} />
                <span class="two-lines">
                  <NodeName id={edge.from} />
                  <span>
                    → <NodeName id={edge.to} />
                  </span>
                </span>
                <span class="hidden-text">, {mark.word},</span>
                <span class="two-lines right">
                  <span class="number">{edge.connections > 0 ? formatShort(edge.connections) : ' '}</span>
                  <span class="quiet mono">{portsOf(edge)}</span>
                </span>
              </>
            ),
          };
        })
      : nodes.slice(0, most).map(({ id, badges, pods }) => ({
          id,
          row: (
            <>
              <span class="grow">
                <NodeName id={id} />
              </span>
              {badges.some(({ kind }) => kind === 'not-enforced') && <span class="chip denied">not enforced</span>}
              <span class="number">{pods > 0 ? formatShort(pods) : ''}</span>
            </>
          ),
        }));
  const total = what === 'edges' ? edges.length : nodes.length;
  return (
    <section class="list">
      <div class="switch" role="group" aria-label="List of">
        {(['edges', 'nodes'] as const).map((each) => (
          <button type="button" aria-pressed={what === each} onClick={() => setWhat(each)}>
            {each === 'edges' ? 'Edges' : 'Ends'}{' '}
            <span class="quiet">{formatCount(each === 'edges' ? edges.length : nodes.length)}</span>
          </button>
        ))}
      </div>
      {total === 0 ? (
        <p class="quiet">{view.value.search === '' ? 'Nothing in this view.' : 'Nothing matches.'}</p>
      ) : (
        <Listbox label={what === 'edges' ? 'Edges' : 'Ends'} rows={rows} />
      )}
      {total > most && (
        <button type="button" class="small" onClick={() => setMost(most + page)}>
          Show {Math.min(page, total - most)} more of {formatCount(total)}
        </button>
      )}
    </section>
  );
}

const steps: Readonly<Record<string, (at: number, count: number) => number>> = {
  ArrowDown: (at, count) => Math.min(at + 1, count - 1),
  ArrowUp: (at) => Math.max(at - 1, 0),
  PageDown: (at, count) => Math.min(at + 10, count - 1),
  PageUp: (at) => Math.max(at - 10, 0),
  Home: () => 0,
  End: (_, count) => count - 1,
};

/** One stop for the key Tab; arrows select, as in a list of files. */
function Listbox({
  label,
  rows,
}: {
  label: string;
  rows: readonly { readonly id: string; readonly row: JSX.Element }[];
}): JSX.Element {
  const list = useRef<HTMLUListElement>(null);
  const at = rows.findIndex(({ id }) => id === view.value.selected);
  useEffect(() => {
    list.current?.children[at]?.scrollIntoView({ block: 'nearest' });
  }, [at]);
  const move = (event: KeyboardEvent): void => {
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    // Back should not lead through each row.
    look({ selected: rows[step(at, rows.length)]!.id }, 'replace');
  };
  return (
    <ul
      ref={list}
      role="listbox"
      aria-label={label}
      tabIndex={0}
      aria-activedescendant={at >= 0 ? `row-${at}` : undefined}
      onKeyDown={move}
    >
      {rows.map(({ id, row }, index) => (
        <li
          key={id}
          id={`row-${index}`}
          role="option"
          aria-selected={index === at}
          onClick={() => look({ selected: id })}
        >
          {row}
        </li>
      ))}
    </ul>
  );
}
