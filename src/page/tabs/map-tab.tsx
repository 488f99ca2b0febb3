import type { JSX } from 'preact';
import { Filters } from '../map-parts/filters.tsx';
import { MapList } from '../map-parts/map-list.tsx';
import { MapView } from '../map-parts/map-view.tsx';
import { Timeline } from '../map-parts/timeline.tsx';
import { Selection } from '../panel/selection.tsx';
import { Comparison } from '../panel/comparison.tsx';
import { Overview } from '../panel/overview.tsx';
import { changed, look, splitAt, tryChange } from '../state.ts';

export function MapTab(): JSX.Element {
  return (
    <>
      <aside class="side" aria-label="What the map shows">
        <Filters />
        <MapList />
      </aside>
      <section class="stage" aria-label="Map">
        {changed.value && <ChangeBanner />}
        <MapView />
        <Timeline />
      </section>
      <aside class="panel" aria-label="Details">
        {splitAt.value === undefined ? (
          <Selection otherwise={<Overview />} />
        ) : (
          <Selection otherwise={<Comparison minute={splitAt.value} />} back="Before and after" />
        )}
      </aside>
    </>
  );
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
