import type { JSX } from 'preact';
import { formatTime } from './format.ts';
import { failure } from './load.ts';
import { atlas, data } from './state.ts';
import { visible } from './text.tsx';

/** What is missing on this page, and why. */
export function Banners(): JSX.Element {
  const notes = [...(data.value?.notes ?? []), ...(atlas.value?.notes ?? [])];
  return (
    <div class="banners">
      {failure.value !== undefined && (
        <div class="banner bad" role="alert">
          <strong>Postern does not answer: {visible(failure.value)}.</strong>{' '}
          {data.value && `The page shows what was read at ${formatTime(Date.parse(data.value.readAt))}. `}
          It asks again every few seconds. If the command <code>postern ui</code> has ended, start it again and open the
          address that it prints.
        </div>
      )}
      {notes.length === 1 && <p class="banner">{visible(notes[0]!)}</p>}
      {notes.length > 1 && (
        <details class="banner">
          <summary>Parts are missing: {notes.length} notes</summary>
          <ul>
            {notes.map((note) => (
              <li>{visible(note)}</li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}
