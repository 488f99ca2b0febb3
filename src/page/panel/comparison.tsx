import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { compareMaps, differenceKinds, type DifferenceKind } from '../compare.ts';
import { formatCount, formatMinute } from '../format.ts';
import { atlas, look } from '../state.ts';
import { NodeName } from './node-name.tsx';

const titles: Readonly<Record<DifferenceKind, string>> = {
  denied: 'Answered before, denied after',
  allowed: 'Denied before, not after',
  gone: 'Only before',
  new: 'Only after',
};
const mostListed = 40;

/** What was different before a minute and from it on, as seen. */
export function Comparison({ minute }: { minute: number }): JSX.Element {
  const { timeline } = atlas.value!;
  const [earliest, latest] = [timeline[0]!.minute, timeline.at(-1)!.minute];
  const differences = useMemo(() => {
    const before = atlas.value!.map({ minutes: [earliest, minute - 1] });
    return compareMaps(before, atlas.value!.map({ minutes: [minute, latest] }));
  }, [atlas.value, minute, earliest, latest]);
  return (
    <article class="details scroll">
      <h2>Before and after {formatMinute(minute)}</h2>
      <p class="quiet">
        {formatMinute(earliest)} to {formatMinute(minute - 1)}, against {formatMinute(minute)} to {formatMinute(latest)}
        : what was seen.
      </p>
      <p class="actions">
        <button type="button" class="small" onClick={() => look({ split: undefined })}>
          Stop comparing
        </button>
      </p>
      {differences.length === 0 && <p class="quiet">The same ends talked on the same ports, with the same verdicts.</p>}
      {differenceKinds.map((kind) => {
        const rows = differences.filter((each) => each.kind === kind);
        if (rows.length === 0) return null;
        return (
          <section key={kind} class={`difference ${kind}`}>
            <h3>
              {titles[kind]} <span class="count">{rows.length}</span>
            </h3>
            <ul class="links">
              {rows.slice(0, mostListed).map(({ edgeId, from, to, port, before, after }) => (
                <li>
                  <button type="button" class="link" onClick={() => look({ selected: edgeId })}>
                    <span class="grow">
                      <NodeName id={from} /> → <NodeName id={to} />
                    </span>
                    <span class="quiet mono">{port}</span>
                    <span class="number">
                      {formatCount(before)} → {formatCount(after)}
                    </span>
                  </button>
                </li>
              ))}
            </ul>
            {rows.length > mostListed && <p class="quiet">And {rows.length - mostListed} more.</p>}
          </section>
        );
      })}
    </article>
  );
}
