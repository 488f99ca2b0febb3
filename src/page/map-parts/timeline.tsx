import type { JSX } from 'preact';

export function Timeline(): JSX.Element | null {
  return null;
}
