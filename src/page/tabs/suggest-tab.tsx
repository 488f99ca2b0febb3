import type { JSX } from 'preact';

export function SuggestTab(): JSX.Element {
  return <p>…</p>;
}
