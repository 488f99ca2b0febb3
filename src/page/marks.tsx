import type { JSX } from 'preact';
import type { BadgeKind, EdgePort, MapChange, MapVerdict } from '../map/policy-map.ts';
import type { SeenVerdict } from '../flows/kept-flow.ts';

/** How a verdict or a change looks: each has a colour, a dash pattern and a word, so that none of them is needed. */
export interface Mark {
  readonly word: string;
  /** The name of a colour in `style/colors.css`. */
  readonly color: string;
  /** Of an edge, in pixels; missing: a solid line. */
  readonly dashes?: readonly number[];
}

export const verdictMarks: Readonly<Record<MapVerdict, Mark>> = {
  allowed: { word: 'allowed', color: 'allowed' },
  denied: { word: 'denied', color: 'denied', dashes: [7, 5] },
  both: { word: 'allowed and denied', color: 'both', dashes: [12, 4, 2, 4] },
  unknown: { word: 'not judged', color: 'unknown', dashes: [2, 4] },
};

export const changeMarks: Readonly<Record<MapChange, Mark>> = {
  cut: { word: 'cut', color: 'denied', dashes: [7, 5] },
  opened: { word: 'opened', color: 'opened' },
  both: { word: 'cut and opened', color: 'both', dashes: [12, 4, 2, 4] },
};

/** Of an edge that a change does not touch. */
export const sameMark: Mark = { word: 'unchanged', color: 'faint' };

export const seenWords: Readonly<Record<SeenVerdict, string>> = {
  allowed: 'answered',
  unanswered: 'unanswered',
  denied: 'denied',
};

export const badgeWords: Readonly<Record<BadgeKind, string>> = {
  'no-ingress-isolation': 'open for ingress',
  'no-egress-isolation': 'open for egress',
  'not-enforced': 'not enforced',
  'no-match': 'unused rules',
};

/** A line as on the map. */
export function Line({ mark }: { mark: Mark }): JSX.Element {
  return (
    <svg class={`line ${mark.color}`} width="28" height="8" aria-hidden="true">
      <line x1="1" y1="4" x2="27" y2="4" stroke-dasharray={mark.dashes?.join(' ')} />
    </svg>
  );
}

export function Chip({ mark }: { mark: Mark }): JSX.Element {
  return <span class={`chip ${mark.color}`}>{mark.word}</span>;
}

/** The verdict of a port, and what it becomes. A port that is allowed and denied can be so for other pods after a change. */
export function Moved({ port: { verdict, after, change } }: { port: EdgePort }): JSX.Element {
  return (
    <>
      <Chip mark={verdictMarks[verdict]} />
      {after !== undefined && after !== verdict && (
        <>
          {' '}
          → <Chip mark={verdictMarks[after]} />
        </>
      )}
      {change && after === verdict && (
        <>
          {' '}
          <Chip mark={changeMarks[change]} /> <span class="quiet">for some pods</span>
        </>
      )}
    </>
  );
}
