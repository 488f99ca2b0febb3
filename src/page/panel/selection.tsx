import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { edgesById, look, nodesById, view } from '../state.ts';
import { visible } from '../text.tsx';
import { EdgePanel } from './edge-panel.tsx';
import { NodePanel } from './node-panel.tsx';

/** Details of what is selected. */
export function Selection({ otherwise, back = 'Overview' }: { otherwise: JSX.Element; back?: string }): JSX.Element {
  const { selected } = view.value;
  const scroller = useRef<HTMLDivElement>(null);
  useEffect(() => scroller.current?.scrollTo(0, 0), [selected]);
  const edge = edgesById.value.get(selected ?? '');
  const node = nodesById.value.get(selected ?? '');
  // A whole namespace can be chosen for suggestions, and is no node while it is open.
  if (selected === undefined || (!node && selected.startsWith('namespace '))) return otherwise;
  return (
    <div ref={scroller} class="scroll">
      <button type="button" class="small back" onClick={() => look({ selected: undefined })}>
        ← {back}
      </button>
      {edge ? (
        <EdgePanel edge={edge} key={selected} />
      ) : node ? (
        <NodePanel node={node} key={selected} />
      ) : (
        <p class="details quiet">
          The map has no <span class="mono">{visible(selected)}</span> in this view and time.
        </p>
      )}
    </div>
  );
}
