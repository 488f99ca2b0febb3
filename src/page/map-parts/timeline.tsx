import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { formatCount, formatMinute } from '../format.ts';
import { atlas, look, view } from '../state.ts';
import { isDark } from '../theme.ts';
import { TimelineChart } from './timeline-chart.ts';

/** When connections were made; a part of the time can be chosen, or a minute to compare before and after. */
export function Timeline(): JSX.Element | null {
  const minutes = atlas.value?.timeline ?? [];
  return minutes.length > 1 ? <Strip /> : null;
}

function Strip(): JSX.Element {
  const minutes = atlas.value!.timeline;
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<TimelineChart>(undefined);
  const [earliest, latest] = [minutes[0]!.minute, minutes.at(-1)!.minute];
  const chosen = view.value.minutes;
  const [first, last] = chosen ?? [earliest, latest];
  const { split } = view.value;
  useEffect(() => {
    const made = new TimelineChart(box.current!, (range) => look({ minutes: range }));
    chart.current = made;
    const observer = new ResizeObserver(([entry]) => made.resize(entry!.contentRect.width));
    observer.observe(box.current!);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [isDark.value]);
  useEffect(() => chart.current?.draw(minutes, chosen, split), [minutes, chosen, split, isDark.value]);
  const inside = minutes.filter(({ minute }) => minute >= first && minute <= last);
  const total = inside.reduce((sum, each) => sum + each.allowed + each.unanswered + each.denied, 0);
  const denied = inside.reduce((sum, each) => sum + each.denied, 0);
  const choose = (from: number, to: number): void => {
    const isAll = from <= earliest && to >= latest;
    look({ minutes: isAll ? undefined : [Math.min(from, to), Math.max(from, to)] }, 'replace');
  };
  const compare = (): void => {
    look({ split: Math.round((earliest + latest + 1) / 2), selected: undefined });
  };
  return (
    <section class="timeline" aria-label="Time">
      <div class="readout">
        <strong>{first === last ? formatMinute(last) : `${formatMinute(first)} to ${formatMinute(last)}`}</strong>
        <span class="quiet">
          {formatCount(total)} connections, {formatCount(denied)} denied
        </span>
        {chosen && (
          <button type="button" class="small" onClick={() => look({ minutes: undefined })}>
            All times
          </button>
        )}
      </div>
      <div
        ref={box}
        class="chart"
        role="img"
        aria-label={`Connections by minute: ${formatCount(total)}, ${formatCount(denied)} denied`}
      />
      <div class="times">
        <Slider
          name="From"
          value={first}
          range={[earliest, latest]}
          onChange={(minute) => choose(minute, Math.max(minute, last))}
        />
        <Slider
          name="To"
          value={last}
          range={[earliest, latest]}
          onChange={(minute) => choose(Math.min(minute, first), minute)}
        />
        {split === undefined ? (
          <button type="button" class="small" onClick={compare}>
            Before and after…
          </button>
        ) : (
          <Slider
            name="Change"
            value={split}
            range={[earliest + 1, latest]}
            onChange={(minute) => look({ split: minute }, 'replace')}
          />
        )}
      </div>
    </section>
  );
}

function Slider({
  name,
  value,
  range: [min, max],
  onChange,
}: {
  name: string;
  value: number;
  range: readonly [number, number];
  onChange: (minute: number) => void;
}): JSX.Element {
  return (
    <label class="slider">
      <span>{name}</span>
      <input
        type="range"
        min={min}
        max={max}
        value={value}
        aria-valuetext={formatMinute(value)}
        onInput={({ currentTarget }) => onChange(Number(currentTarget.value))}
      />
      <output>{formatMinute(value)}</output>
    </label>
  );
}
