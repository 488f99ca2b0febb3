import type { JSX } from 'preact';

export function DenialsTab(): JSX.Element {
  return <p>…</p>;
}
