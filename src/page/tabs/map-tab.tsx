import type { JSX } from 'preact';
import { Editor } from './editor.tsx';
import { Filters } from '../map-parts/filters.tsx';
import { MapList } from '../map-parts/map-list.tsx';
import { MapView } from '../map-parts/map-view.tsx';
import { Timeline } from '../map-parts/timeline.tsx';
import { Selection } from '../panel/selection.tsx';
import { ChangeResult } from '../panel/change-result.tsx';
import { Comparison } from '../panel/comparison.tsx';
import { Overview } from '../panel/overview.tsx';
import { changed, look, tryChange, view } from '../state.ts';

/** The tabs Map and Change: they share the canvas, which keeps its zoom. */
export function MapTab(): JSX.Element {
  const isChange = view.value.tab === 'change';
  return (
    <>
      <aside class="side" aria-label={isChange ? 'Your change' : 'What the map shows'}>
        {isChange ? (
          <Editor />
        ) : (
          <>
            <Filters />
            <MapList />
          </>
        )}
      </aside>
      <section class="stage" aria-label="Map">
        {!isChange && changed.value && <ChangeBanner />}
        <MapView />
        {!isChange && <Timeline />}
      </section>
      <aside class="panel" aria-label="Details">
        <Details isChange={isChange} />
      </aside>
    </>
  );
}

function Details({ isChange }: { isChange: boolean }): JSX.Element {
  if (isChange) return <Selection otherwise={<ChangeResult />} back="What changes" />;
  const { split } = view.value;
  if (split === undefined) return <Selection otherwise={<Overview />} />;
  return <Selection otherwise={<Comparison minute={split} />} back="Before and after" />;
}

function ChangeBanner(): JSX.Element {
  return (
    <p class="banner on">
      The map shows your change, which is not applied to the cluster.{' '}
      <button type="button" class="small" onClick={() => look({ tab: 'change' })}>
        Edit it
      </button>{' '}
      <button type="button" class="small" onClick={() => tryChange(undefined)}>
        Stop showing it
      </button>
    </p>
  );
}
