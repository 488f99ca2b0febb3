import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { putInto } from '../edit-change.ts';
import { atlas, whatIf } from '../state.ts';
import { Name, visible } from '../text.tsx';
import { findPolicy, linesOf, policyText } from '../yaml/policy-text.ts';

/** Lines above a marked one that are in sight. */
const linesAbove = 4;

/** Whether the policies of the cluster decide, or those after the change that is tried. */
export type Side = 'now' | 'after';

/** A policy with the lines of a field marked, folded until somebody opens it. */
export function PolicyPart({
  policy,
  path,
  side,
  open = false,
}: {
  policy: string;
  path?: string;
  side: Side;
  open?: boolean;
}): JSX.Element {
  const [isOpen, setOpen] = useState(open);
  return (
    <details class="policy" open={isOpen} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <Name text={policy} class="mono" />
        {path !== undefined && <span class="path mono">{visible(path)}</span>}
      </summary>
      {isOpen && <PolicyBody policy={policy} path={path} side={side} />}
    </details>
  );
}

function PolicyBody({ policy, path, side }: { policy: string; path: string | undefined; side: Side }): JSX.Element {
  const given = side === 'after' ? findPolicy(whatIf.value?.given ?? [], policy) : undefined;
  const object = given ?? findPolicy(atlas.value?.data.objects ?? [], policy);
  const text = useMemo(() => object && policyText(object), [object]);
  if (text === undefined) return <p class="quiet">The page has no YAML of this policy.</p>;
  return (
    <>
      <Yaml text={text} path={path} label={`YAML of policy ${policy}`} />
      <button type="button" class="small" onClick={() => putInto([text])}>
        Edit in Change
      </button>
    </>
  );
}

export function Yaml({ text, path, label }: { text: string; path?: string | undefined; label: string }): JSX.Element {
  const [first, last] = useMemo(() => (path === undefined ? undefined : linesOf(text, path)) ?? [0, 0], [text, path]);
  const box = useRef<HTMLPreElement>(null);
  const lines = text.trimEnd().split('\n');
  useEffect(() => {
    const mark = box.current?.querySelector('mark');
    if (mark) box.current!.scrollTop = mark.offsetTop - linesAbove * mark.offsetHeight;
  }, [text, first]);
  return (
    <pre ref={box} class="yaml" tabIndex={0} aria-label={visible(label)}>
      {lines.map((line, index) => {
        const number = index + 1;
        const isMarked = number >= first && number <= last;
        const content = (
          <>
            <span class="number" aria-hidden="true">
              {number}
            </span>
            <bdi>{visible(line)}</bdi>
            {'\n'}
          </>
        );
        return isMarked ? <mark class={number === first ? 'first' : ''}>{content}</mark> : <span>{content}</span>;
      })}
    </pre>
  );
}
