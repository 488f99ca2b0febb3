import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { MapCanvas } from '../canvas/map-canvas.ts';
import { changeMarks, Line, sameMark, verdictMarks } from '../marks.tsx';
import { changed, look, seen, view } from '../state.ts';
import { isDark } from '../theme.ts';

/** The canvas, its buttons and its legend. */
export function MapView(): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<MapCanvas>(undefined);
  const [map, isChange, dark, { selected }] = [seen.value, changed.value !== undefined, isDark.value, view.value];
  useEffect(() => {
    const made = new MapCanvas(box.current!, (id) => look({ selected: id }));
    canvas.current = made;
    const observer = new ResizeObserver(() => made.resize());
    observer.observe(box.current!);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, []);
  useEffect(() => {
    if (map) canvas.current?.draw(map, isChange);
  }, [map, isChange]);
  useEffect(() => {
    canvas.current?.select(selected);
    if (selected !== undefined) canvas.current?.show(selected);
  }, [selected]);
  useEffect(() => canvas.current?.paint(), [dark]);
  const count = map ? `${map.nodes.length} ends and ${map.edges.length} edges` : 'nothing yet';
  return (
    <div class="map">
      <div ref={box} class="canvas" role="img" aria-label={`Map of ${count}. The list beside it has the same.`} />
      {map?.nodes.length === 0 && <p class="nothing">Nothing in this view. Change the filters on the left.</p>}
      <div class="tools" role="group" aria-label="Map">
        <button type="button" onClick={() => canvas.current?.zoom(1.25)} aria-label="Larger">
          +
        </button>
        <button type="button" onClick={() => canvas.current?.zoom(0.8)} aria-label="Smaller">
          −
        </button>
        <button type="button" onClick={() => canvas.current?.fit()}>
          Fit
        </button>
        <button type="button" onClick={() => canvas.current?.arrange()}>
          Arrange
        </button>
      </div>
      <Legend isChange={isChange} />
    </div>
  );
}

function Legend({ isChange }: { isChange: boolean }): JSX.Element {
  const marks = isChange ? [...Object.values(changeMarks), sameMark] : Object.values(verdictMarks);
  return (
    <ul class="legend" aria-label="Legend">
      {marks.map((mark) => (
        <li>
          <Line mark={mark} /> {mark.word}
        </li>
      ))}
      <li>
        <span class="sample open" /> not isolated
      </li>
      <li>
        <span class="sample alarm" /> not enforced
      </li>
      <li title="Of a workload: rules of its policies matched nothing that was seen. Of a namespace: policies select no pod.">
        <span class="mono">∅</span> unused policies
      </li>
    </ul>
  );
}
