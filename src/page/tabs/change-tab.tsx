import type { JSX } from 'preact';

export function ChangeTab(): JSX.Element {
  return <p>…</p>;
}
