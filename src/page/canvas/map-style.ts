import type { StylesheetJson } from 'cytoscape';
import { changeMarks, sameMark, verdictMarks, type Mark } from '../marks.tsx';
import type { Colors } from './colors.ts';

export const font = 'system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif';

/** How the map looks. Elements have the classes that `elements.ts` gives them. */
export function mapStyle(colors: Colors): StylesheetJson {
  const color = (name: string): string => colors[name]!;
  const line = (selector: string, { color: name, dashes }: Mark): StylesheetJson[number] => ({
    selector,
    style: {
      'line-color': color(name),
      'target-arrow-color': color(name),
      ...(dashes ? { 'line-style': 'dashed', 'line-dash-pattern': [...dashes] } : { 'line-style': 'solid' }),
    },
  });
  return [
    {
      selector: 'node',
      style: {
        shape: 'round-rectangle',
        label: 'data(label)',
        'font-family': font,
        'font-size': 12,
        color: color('ink'),
        'text-valign': 'center',
        'text-halign': 'center',
        'text-wrap': 'ellipsis',
        'text-max-width': '180px',
        'background-color': color('raised'),
        'border-width': 1.5,
        'border-color': color('soft'),
        'min-zoomed-font-size': 6,
        'overlay-opacity': 0,
        // Boxes below edges below nodes. By default, cytoscape looks for the boxes of both elements in each comparison.
        'z-compound-depth': 'orphan',
      },
    },
    { selector: 'node[width]', style: { width: 'data(width)', height: 'data(height)' } },
    {
      selector: 'node.box',
      style: {
        shape: 'round-rectangle',
        'background-color': color('surface'),
        'background-opacity': 1,
        'border-width': 1,
        'border-color': color('rule'),
        'text-valign': 'top',
        'text-halign': 'center',
        'text-margin-y': -6,
        'font-size': 13,
        'font-weight': 'bold',
        color: color('soft'),
        padding: '18px',
        'z-compound-depth': 'bottom',
      },
    },
    { selector: 'node.open', style: { 'border-style': 'dashed', 'border-color': color('faint') } },
    {
      selector: 'node.outside',
      style: { shape: 'cut-rectangle', 'background-color': color('ground'), 'border-color': color('soft') },
    },
    { selector: 'node.namespace', style: { 'font-weight': 'bold', 'border-width': 3, 'border-style': 'double' } },
    { selector: 'node.gone', style: { color: color('soft'), 'border-style': 'dotted', 'font-style': 'italic' } },
    {
      selector: 'node.alarm',
      style: { 'border-color': color('denied'), 'border-width': 3, 'border-style': 'double' },
    },
    {
      selector: 'edge',
      style: {
        'curve-style': 'bezier',
        'control-point-step-size': 34,
        width: 'data(width)',
        'target-arrow-shape': 'triangle',
        'arrow-scale': 0.9,
        'font-family': font,
        'font-size': 10.5,
        color: color('ink'),
        'text-background-color': color('ground'),
        'text-background-opacity': 0.9,
        'text-background-padding': '2px',
        'text-background-shape': 'roundrectangle',
        'min-zoomed-font-size': 7,
        'overlay-opacity': 0,
        'z-compound-depth': 'orphan',
      },
    },
    { selector: 'edge.many', style: { 'curve-style': 'straight' } },
    ...Object.entries(verdictMarks).map(([verdict, mark]) => line(`edge.${verdict}`, mark)),
    line('edge.same', sameMark),
    ...Object.entries(changeMarks).map(([change, mark]) => line(`edge.change-${change}`, mark)),
    { selector: 'edge[change]', style: { opacity: 1, 'z-index': 5 } },
    { selector: 'edge.labelled', style: { label: 'data(label)' } },
    { selector: '.dim', style: { opacity: 0.14 } },
    { selector: 'node.near', style: { 'border-color': color('ink') } },
    { selector: 'node.chosen', style: { 'border-color': color('accent'), 'border-width': 3, 'border-style': 'solid' } },
    {
      selector: 'edge.chosen',
      style: {
        ...{ label: 'data(label)', opacity: 1, 'z-index': 9 },
        ...{ 'underlay-color': color('accent'), 'underlay-opacity': 0.28, 'underlay-padding': 5 },
      },
    },
    { selector: '.hovered', style: { label: 'data(label)', opacity: 1, 'z-index': 9 } },
  ];
}
