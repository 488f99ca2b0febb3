import { sorted } from '../lib/sort.ts';

export const tabs = ['map', 'denials', 'coverage', 'change', 'suggest'] as const;
export type Tab = (typeof tabs)[number];

/** What a user looks at. The part of the URL after `#` holds it, so that a view can be sent as a link. */
export interface View {
  readonly tab: Tab;
  /** Shown namespaces; all if empty. */
  readonly namespaces: readonly string[];
  /** Namespaces drawn as one node each. */
  readonly collapsed: readonly string[];
  /** Ids of nodes that are not drawn. */
  readonly hidden: readonly string[];
  readonly search: string;
  /** Only edges with a denial, seen or by policy. */
  readonly onlyDenied: boolean;
  /** The first and last minute (since 1970); missing: all. */
  readonly minutes?: readonly [first: number, last: number];
  /** The minute (since 1970) to compare before and after. */
  readonly split?: number;
  /** Id of a node or an edge. */
  readonly selected?: string;
}

export const wholeView: View = {
  tab: 'map',
  namespaces: [],
  collapsed: [],
  hidden: [],
  search: '',
  onlyDenied: false,
};

/** `#tab=map&ns=shop&ns=web` */
export function viewToHash(view: View): string {
  const parameters = new URLSearchParams();
  if (view.tab !== wholeView.tab) parameters.set('tab', view.tab);
  for (const each of sorted(view.namespaces)) parameters.append('ns', each);
  for (const each of sorted(view.collapsed)) parameters.append('closed', each);
  for (const each of sorted(view.hidden)) parameters.append('hide', each);
  if (view.search !== '') parameters.set('q', view.search);
  if (view.onlyDenied) parameters.set('denied', '1');
  if (view.minutes) parameters.set('t', view.minutes.join('-'));
  if (view.split !== undefined) parameters.set('split', String(view.split));
  if (view.selected !== undefined) parameters.set('at', view.selected);
  const text = parameters.toString();
  return text === '' ? '' : `#${text}`;
}

/** Reads any text: what is not as expected is as if it were missing. */
export function hashToView(hash: string): View {
  const parameters = new URLSearchParams(hash.replace(/^#/, ''));
  const [, first = '', last = ''] = /^([0-9]{1,9})-([0-9]{1,9})$/.exec(parameters.get('t') ?? '') ?? [];
  const split = /^[0-9]{1,9}$/.exec(parameters.get('split') ?? '')?.[0];
  const selected = parameters.get('at');
  const hasMinutes = first !== '' && Number(first) <= Number(last);
  return {
    tab: tabs.find((each) => each === parameters.get('tab')) ?? wholeView.tab,
    namespaces: parameters.getAll('ns'),
    collapsed: parameters.getAll('closed'),
    hidden: parameters.getAll('hide'),
    search: parameters.get('q') ?? '',
    onlyDenied: parameters.get('denied') === '1',
    ...(hasMinutes && { minutes: [Number(first), Number(last)] as const }),
    ...(split !== undefined && { split: Number(split) }),
    ...(selected !== null && { selected }),
  };
}
