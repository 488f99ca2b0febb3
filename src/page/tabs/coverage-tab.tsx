import type { JSX } from 'preact';

export function CoverageTab(): JSX.Element {
  return <p>…</p>;
}
