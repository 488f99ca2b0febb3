import uPlot from 'uplot';
import type { TimelineMinute } from '../../map/policy-map.ts';
import { readColors } from '../canvas/colors.ts';
import { font } from '../canvas/map-style.ts';

/** The part of the height that denied connections have, below those that were allowed. They have a scale of their own, as they are few. */
const deniedPart = 0.35;
const height = 92;

/** Connections by minute: allowed upwards, denied downwards. */
export class TimelineChart {
  readonly #plot: uPlot;
  readonly #line: { at: number | undefined } = { at: undefined };

  /** @param onSelect with the minutes that a mouse has chosen */
  constructor(box: HTMLElement, onSelect: (minutes: readonly [first: number, last: number]) => void) {
    const colors = readColors();
    const bars = uPlot.paths.bars!({ size: [0.7, 14] });
    const color = (name: string): string => colors[name]!;
    const fill = (name: string, scale: string): uPlot.Series => ({
      ...{ scale, paths: bars, fill: color(name), stroke: color(name), width: 0, points: { show: false } },
    });
    const range =
      (share: number) =>
      (_: uPlot, __: number, max: number): uPlot.Range.MinMax => {
        const most = Math.max(1, max);
        return [(-most * share) / (1 - share), most];
      };
    this.#plot = new uPlot(
      {
        ...{ width: box.clientWidth, height, padding: [6, 8, 0, 8] },
        legend: { show: false },
        cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
        scales: {
          // Half a minute more at each end, for the halves of its bars.
          x: { time: true, range: (_, min, max) => [min - 30, max + 30] },
          up: { range: range(deniedPart) },
          down: { range: range(1 - deniedPart), dir: -1 },
        },
        axes: [
          {
            ...{ stroke: color('soft'), font: `11px ${font}`, size: 20, gap: 3, space: 70 },
            ...{ grid: { show: false }, ticks: { show: false } },
            values: '{HH}:{mm}',
          },
        ],
        series: [{}, fill('allowed', 'up'), fill('denied', 'down')],
        hooks: {
          setSelect: [
            (plot) => {
              const { left, width } = plot.select;
              if (width < 2) return;
              const ends = [left, left + width].map((at) => Math.round(plot.posToVal(at, 'x') / 60));
              onSelect([ends[0]!, ends[1]!]);
            },
          ],
          draw: [(plot) => this.#drawLine(plot, color('accent'))],
        },
      },
      [[], [], []],
      box,
    );
  }

  draw(
    minutes: readonly TimelineMinute[],
    chosen: readonly [number, number] | undefined,
    splitAt: number | undefined,
  ): void {
    this.#line.at = splitAt;
    this.#plot.setData([
      minutes.map(({ minute }) => minute * 60),
      minutes.map(({ allowed, unanswered }) => allowed + unanswered),
      minutes.map(({ denied }) => denied),
    ]);
    const [left, right] = (chosen ?? [0, 0]).map((minute) => this.#plot.valToPos(minute * 60, 'x'));
    const select = chosen ? { left: left!, width: Math.max(3, right! - left!) } : { left: 0, width: 0 };
    this.#plot.setSelect({ ...select, top: 0, height: this.#plot.over.clientHeight }, false);
  }

  resize(width: number): void {
    this.#plot.setSize({ width, height });
  }

  destroy(): void {
    this.#plot.destroy();
  }

  #drawLine(plot: uPlot, color: string): void {
    if (this.#line.at === undefined) return;
    const { ctx, bbox } = plot;
    const x = plot.valToPos(this.#line.at * 60 - 30, 'x', true);
    ctx.save();
    ctx.strokeStyle = color;
    ctx.lineWidth = 2;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.restore();
  }
}
