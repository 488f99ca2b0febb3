import { init, use } from 'echarts/core';
import { LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import { SVGRenderer } from 'echarts/renderers';
import type { Result } from './figure.ts';

use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

const size = { width: 760, height: 400 };

/** One SVG per chart of the figures, by name: the rate relative to the same path without rules, over the number of policies. */
export function plotCurves(results: readonly Result[]): Map<string, string> {
  const charts = Map.groupBy(
    results.filter(({ curve }) => curve),
    ({ curve }) => curve!.chart,
  );
  return new Map([...charts].map(([title, points]) => [title, plot(title, points)]));
}

function plot(title: string, points: readonly Result[]): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...size });
  const lines = Map.groupBy(points, ({ curve }) => curve!.line);
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    title: { text: title, subtext: 'of the same path without rules; medians', left: 'center' },
    legend: { bottom: 0, itemGap: 40 },
    grid: { left: 60, right: 30, top: 70, bottom: 90 },
    xAxis: { type: 'log', name: 'policies', nameLocation: 'middle', nameGap: 28 },
    yAxis: { type: 'value', min: 0, max: (value: { max: number }) => Math.max(1, Math.ceil(value.max * 10) / 10) },
    series: [...lines].map(([name, each]) => ({
      name,
      type: 'line',
      data: each.map(({ curve, median }) => [curve!.x, Number(median.toFixed(3))]).sort((a, b) => a[0]! - b[0]!),
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${svg}\n`;
}
