import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { tabs, type Tab } from '../map/view.ts';
import { formatAge, formatTime } from './format.ts';
import { failure, isExport, isPaused, now, setPaused } from './load.ts';
import { atlas, coverage, data, denials, keyOfDenial, look, silenced, view, whatIf } from './state.ts';
import { Name } from './text.tsx';
import { theme, themes } from './theme.ts';

const words: Readonly<Record<Tab, string>> = {
  map: 'Map',
  denials: 'Denials',
  coverage: 'Coverage',
  change: 'Change',
  suggest: 'Suggest',
};
const sources = { cluster: 'cluster', lab: 'lab', manifests: 'manifests' } as const;

export function Header(): JSX.Element {
  const source = data.value?.source;
  return (
    <header class="top">
      <h1>
        <svg width="18" height="18" viewBox="0 0 18 18" aria-hidden="true">
          <path d="M2 17V8a7 7 0 0 1 14 0v9h-4V8.5a3 3 0 0 0-6 0V17z" fill="currentColor" />
        </svg>
        Postern
      </h1>
      {source && (
        <p class="source">
          <span class="quiet">{sources[source.kind]}</span> <Name text={source.name} />
        </p>
      )}
      <Tabs />
      <Freshness />
      <label class="theme">
        <span class="hidden-text">Light or dark</span>
        <select
          value={theme.value}
          onChange={({ currentTarget }) => (theme.value = themes.find((each) => each === currentTarget.value)!)}
        >
          <option value="system">System theme</option>
          <option value="light">Light</option>
          <option value="dark">Dark</option>
        </select>
      </label>
    </header>
  );
}

function Tabs(): JSX.Element {
  // The map comes first.
  const [isCounted, setCounted] = useState(false);
  useEffect(() => {
    if (!atlas.value) return undefined;
    const timer = setTimeout(() => setCounted(true), 1000);
    return () => clearTimeout(timer);
  }, [atlas.value === undefined]);
  const counts: Readonly<Partial<Record<Tab, number>>> = {
    denials: denials.value.filter((each) => !silenced.value.has(keyOfDenial(each))).length,
    ...(isCounted && { coverage: coverage.value.length }),
  };
  /** Left and right, as in any list of tabs. */
  const move = (event: KeyboardEvent, tab: Tab): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length]!;
    look({ tab: next });
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label="Parts of the page">
      {tabs.map((tab) => (
        <button
          type="button"
          role="tab"
          id={`tab-${tab}`}
          aria-selected={tab === view.value.tab}
          aria-controls="panel"
          tabIndex={tab === view.value.tab ? 0 : -1}
          onClick={() => look({ tab })}
          onKeyDown={(event) => move(event, tab)}
        >
          {words[tab]}
          {(counts[tab] ?? 0) > 0 && <span class="count">{counts[tab]}</span>}
          {tab === 'change' && whatIf.value && <span class="count on">on</span>}
        </button>
      ))}
    </div>
  );
}

function Freshness(): JSX.Element | null {
  if (!data.value) return null;
  const read = Date.parse(data.value.readAt);
  const at = <time dateTime={data.value.readAt}>{formatTime(read)}</time>;
  if (isExport.value) return <p class="fresh">Exported, read {at}</p>;
  return (
    <p class={`fresh ${failure.value === undefined ? '' : 'stale'}`}>
      <span title={formatTime(read)}>
        {isPaused.value ? 'Stopped, read ' : 'Read '}
        {formatAge(now.value - read)} ago
      </span>
      <button type="button" class="small" aria-pressed={isPaused.value} onClick={() => setPaused(!isPaused.value)}>
        {isPaused.value ? 'Go on' : 'Stop'}
      </button>
    </p>
  );
}
