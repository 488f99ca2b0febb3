import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { CoverageItem } from '../../map/policy-map.ts';
import { shortLabel } from '../format.ts';
import { coverage, look } from '../state.ts';
import { Name, visible } from '../text.tsx';

type Kind = CoverageItem['kind'];

/** The most urgent first. */
const kinds: Readonly<
  Record<Kind, { readonly title: string; readonly word: string; readonly color: string; readonly help: string }>
> = {
  doctor: {
    title: 'Not enforced as written',
    word: 'doctor',
    color: 'denied',
    help: 'What `postern doctor` found.',
  },
  invalid: {
    title: 'Invalid',
    word: 'invalid',
    color: 'denied',
    help: 'Parts of objects that Postern cannot use as written.',
  },
  'selects-no-pod': {
    title: 'Policies that select no pod',
    word: 'selects no pod',
    color: 'warn',
    help: 'A label may be misspelt, or the workload is gone.',
  },
  audit: { title: 'Policies in audit', word: 'audit', color: 'unknown', help: 'They are not enforced.' },
  'no-match': {
    title: 'Rules that matched nothing',
    word: 'no match',
    color: 'warn',
    help: 'In the time seen. A rule for something rare is fine.',
  },
  'not-isolated': {
    title: 'Workloads that no policy isolates',
    word: 'not isolated',
    color: 'warn',
    help: 'All connections are allowed in that direction.',
  },
};
const mostRows = 200;

export function CoverageTab(): JSX.Element {
  const items = coverage.value;
  const groups = Map.groupBy(items, ({ kind }) => kind);
  return (
    <div class="page-wide">
      <h2>Coverage</h2>
      {items.length === 0 && <p class="quiet">There is nothing to report.</p>}
      {Object.entries(kinds).map(([kind, look_]) => {
        const rows = groups.get(kind as Kind) ?? [];
        return rows.length === 0 ? null : <Group key={kind} rows={rows} {...look_} />;
      })}
    </div>
  );
}

function Group({
  rows,
  title,
  word,
  color,
  help,
}: { readonly rows: readonly CoverageItem[] } & (typeof kinds)[Kind]): JSX.Element {
  const [most, setMost] = useState(mostRows);
  const bySubject = [...Map.groupBy(rows, ({ subject }) => subject)];
  return (
    <section class="coverage-group">
      <h3>
        <span class={`chip ${color}`}>{word}</span> {title} <span class="count">{bySubject.length}</span>{' '}
        <span class="quiet help">{help}</span>
      </h3>
      <ul class="coverage-rows">
        {bySubject.slice(0, most).map(([subject, items]) => {
          const [id] = items.flatMap(({ nodeIds }) => nodeIds);
          return (
            <li key={subject}>
              <span class="subject">
                <Name text={shortLabel(subject)} />
              </span>
              <span class="texts">
                {items.map(({ text }) => (
                  <span>{visible(text)}</span>
                ))}
              </span>
              {id !== undefined && (
                <button
                  type="button"
                  class="small"
                  aria-label={`Show ${visible(subject)} on the map`}
                  onClick={() => look({ tab: 'map', selected: id })}
                >
                  Map
                </button>
              )}
            </li>
          );
        })}
      </ul>
      {bySubject.length > most && (
        <button type="button" class="small" onClick={() => setMost(most + mostRows)}>
          Show {Math.min(mostRows, bySubject.length - most)} more
        </button>
      )}
    </section>
  );
}
