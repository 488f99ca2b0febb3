import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { textAt, type JsonObject } from '../../lib/json.ts';
import { sorted } from '../../lib/sort.ts';
import { putInto, tryDraft } from '../edit-change.ts';
import { data, draft, tryChange, whatIf } from '../state.ts';
import { Name, visible } from '../text.tsx';
import { findPolicy, policyText } from '../yaml/policy-text.ts';
import type { TextProblem } from '../yaml/read-text.ts';

const example = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: …
  namespace: …
spec: …`;

/** YAML to try, and policies to take away. Nothing is applied to the cluster. */
export function Editor(): JSX.Element {
  const [problems, setProblems] = useState<readonly TextProblem[]>([]);
  const area = useRef<HTMLTextAreaElement>(null);
  const { text, removed } = draft.value;
  const run = (): void => setProblems(tryDraft());
  // What other tabs put here is tried at once, and so is a policy that is taken away.
  useEffect(run, [removed]);
  const clear = (): void => {
    draft.value = { text: '', removed: [] };
    setProblems([]);
    tryChange(undefined);
    area.current?.focus();
  };
  const goTo = (line: number): void => {
    const lines = text.split('\n');
    const start = lines.slice(0, line - 1).join('\n').length + (line > 1 ? 1 : 0);
    area.current?.focus();
    area.current?.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
  };
  const keys = (event: KeyboardEvent): void => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) run();
  };
  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault();
        run();
      }}
    >
      <h2>Try a change</h2>
      <p class="quiet">
        Paste policies, edit some, or take some away. The page works out what it would cut and open. Nothing is applied.
      </p>
      <Policies />
      {removed.length > 0 && (
        <ul class="tags" aria-label="Taken away">
          {removed.map((each) => (
            <li>
              <span class="chip denied">taken away</span> <Name text={each} />
              <button
                type="button"
                class="small"
                aria-label={`Keep ${visible(each)}`}
                onClick={() => (draft.value = { text, removed: removed.filter((other) => other !== each) })}
              >
                ×
              </button>
            </li>
          ))}
        </ul>
      )}
      <label class="field grow-field">
        <span>YAML of policies</span>
        <textarea
          ref={area}
          spellcheck={false}
          autocomplete="off"
          placeholder={example}
          value={text}
          aria-invalid={problems.length > 0}
          aria-describedby="problems"
          onInput={({ currentTarget }) => (draft.value = { text: currentTarget.value, removed })}
          // The text is there after the event.
          onPaste={() => setTimeout(run)}
          onKeyDown={keys}
        />
      </label>
      <div id="problems" role="status">
        {problems.map(({ line, message }) => (
          <p class="hint bad">
            <button type="button" class="link inline" onClick={() => goTo(line)}>
              Line {line}
            </button>
            : {visible(message)}
          </p>
        ))}
      </div>
      <p class="actions">
        <button type="submit" class="primary" title="Ctrl+Enter">
          Try it
        </button>
        <button type="button" onClick={clear} disabled={text === '' && removed.length === 0 && !whatIf.value}>
          Clear
        </button>
      </p>
    </form>
  );
}

/** Chooses a policy of the cluster, to edit it or to take it away. */
function Policies(): JSX.Element | null {
  const [chosen, setChosen] = useState('');
  const policies = (data.value?.objects ?? []).filter(
    ({ kind }) => kind === 'NetworkPolicy' || kind === 'ClusterNetworkPolicy',
  );
  const keys = sorted(policies.map(keyOfPolicy));
  if (keys.length === 0) return <p class="quiet">There are no policies yet.</p>;
  const at = keys.includes(chosen) ? chosen : keys[0]!;
  const edit = (): void => {
    const policy = findPolicy(policies, at.replace(/^NetworkPolicy /, ''));
    if (policy) putInto([policyText(policy)]);
  };
  const { text, removed } = draft.value;
  return (
    <div class="choose">
      <label class="field">
        <span class="hidden-text">A policy of the cluster</span>
        <select value={at} onChange={({ currentTarget }) => setChosen(currentTarget.value)}>
          {keys.map((key) => (
            <option value={key} key={key}>
              {visible(key)}
            </option>
          ))}
        </select>
      </label>
      <button type="button" class="small" onClick={edit}>
        Edit
      </button>
      <button
        type="button"
        class="small"
        disabled={removed.includes(at)}
        onClick={() => (draft.value = { text, removed: [...removed, at] })}
      >
        Take away
      </button>
    </div>
  );
}

/** As the atlas names objects: `NetworkPolicy shop/web`. */
function keyOfPolicy(policy: JsonObject): string {
  const name = textAt(policy, 'metadata', 'name') ?? '';
  if (policy['kind'] === 'ClusterNetworkPolicy') return `ClusterNetworkPolicy ${name}`;
  return `NetworkPolicy ${textAt(policy, 'metadata', 'namespace') ?? 'default'}/${name}`;
}
