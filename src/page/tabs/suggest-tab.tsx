import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { EndNames, findWorkloads } from '../../flows/workloads.ts';
import { sorted } from '../../lib/sort.ts';
import type { Judged, WhyNot } from '../../suggest/needs.ts';
import type { Suggestion } from '../../suggest/suggest.ts';
import { putInto } from '../edit-change.ts';
import { formatCount, shortLabel } from '../format.ts';
import { Yaml } from '../panel/policy-yaml.tsx';
import { atlas, data, look, policyMap, view } from '../state.ts';
import { Name, visible } from '../text.tsx';
import { commentText } from '../yaml/comment-text.ts';
import { policyText } from '../yaml/policy-text.ts';

const reasons: Readonly<Record<WhyNot, string>> = {
  denied: 'a policy denied it; choose Allow… in Denials if it is wanted',
  unanswered: 'never answered',
  'no-ports': 'a NetworkPolicy cannot allow ICMP without all ports',
  'other-ports': 'more ports than an agent keeps apart',
  'other-ends': 'an end that no rule can name',
  gone: 'its pods have gone and had no labels: a rule would allow all pods of the namespace',
  'of-the-cluster': 'its address is now inside the cluster',
};
const mostPolicies = 30;

export function SuggestTab(): JSX.Element {
  const hasFlows = data.value!.histories.length > 0;
  return (
    <div class="page-wide">
      <h2>Suggest policies</h2>
      <p class="quiet">
        The smallest policies that allow what was seen, and DNS. Each isolates its pods in both directions. Read them
        before you apply them: traffic of an attacker looks like traffic.
      </p>
      <Chooser />
      {hasFlows ? (
        <Suggested />
      ) : (
        <p class="hint">No flows: suggestions need what was seen. Ask a cluster or a lab instead of manifests.</p>
      )}
    </div>
  );
}

function Chooser(): JSX.Element {
  const workloads = policyMap.value!.nodes.filter(({ kind }) => kind === 'workload');
  const namespaces = sorted(new Set(workloads.map(({ namespace }) => namespace!)));
  const { namespace, nodeId } = chosen();
  return (
    <div class="choose wide">
      <label class="field">
        <span>Namespace</span>
        <select
          value={namespace ?? ''}
          onChange={({ currentTarget }) => look({ selected: `namespace ${currentTarget.value}` })}
        >
          {namespace === undefined && <option value="">Choose…</option>}
          {namespaces.map((each) => (
            <option key={each} value={each}>
              {visible(each)}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        <span>Workload</span>
        <select
          value={nodeId ?? ''}
          disabled={namespace === undefined}
          onChange={({ currentTarget }) => look({ selected: currentTarget.value || `namespace ${namespace}` })}
        >
          <option value="">All of the namespace</option>
          {workloads
            .filter((each) => each.namespace === namespace)
            .map(({ id, label }) => (
              <option key={id} value={id}>
                {visible(shortLabel(label))}
              </option>
            ))}
        </select>
      </label>
    </div>
  );
}

/** What the selection of the view means here. */
function chosen(): { readonly namespace?: string; readonly nodeId?: string } {
  const { selected } = view.value;
  if (selected === undefined) return {};
  const node = policyMap.value!.nodes.find(({ id }) => id === selected);
  if (node?.kind === 'workload') return { namespace: node.namespace!, nodeId: node.id };
  return selected.startsWith('namespace ') ? { namespace: selected.slice('namespace '.length) } : {};
}

function Suggested(): JSX.Element | null {
  const { namespace, nodeId } = chosen();
  const answer = useMemo(() => {
    if (nodeId !== undefined) return atlas.value!.suggest({ nodeIds: [nodeId] });
    return namespace === undefined ? undefined : atlas.value!.suggest({ namespace });
  }, [atlas.value, namespace, nodeId]);
  const names = useMemo(() => new EndNames(findWorkloads(data.value!.objects)), [data.value]);
  if (!answer) return <p class="quiet">Choose a namespace, or a workload.</p>;
  const { suggestions, notes } = answer;
  // Who reads the file may not have the page.
  const missing = [...data.value!.notes, ...atlas.value!.notes].map((note) => `WARNING: ${note}`);
  const head = commentText(['Suggested from what was seen. Read it before you apply it.', ...missing, ...notes]);
  const texts = suggestions.map(({ policy }) => policyText(policy));
  const files = suggestions.map((each, index) => commentText(each.notes) + texts[index]!);
  return (
    <>
      {notes.map((note) => (
        <p class="hint">{visible(note)}</p>
      ))}
      {suggestions.length === 0 && <p class="quiet">There is nothing to suggest here.</p>}
      {suggestions.length > 1 && (
        <p class="actions">
          <Save text={head + files.join('---\n')} file={`${namespace}.yaml`} what={`all ${suggestions.length}`} />
          <button type="button" class="small" onClick={() => putInto(texts)}>
            Try all
          </button>
        </p>
      )}
      {suggestions.slice(0, mostPolicies).map((suggestion, index) => (
        <Card
          key={texts[index]}
          suggestion={suggestion}
          text={texts[index]!}
          file={head + files[index]!}
          names={names}
        />
      ))}
      {suggestions.length > mostPolicies && (
        <p class="quiet">And {suggestions.length - mostPolicies} more: the file has them all.</p>
      )}
    </>
  );
}

function Card({
  suggestion,
  text,
  file,
  names,
}: {
  suggestion: Suggestion;
  /** The policy, and the file with its notes. */
  text: string;
  file: string;
  names: EndNames;
}): JSX.Element {
  const { namespace, workloads, allowed, leftOut, replay, notes } = suggestion;
  const isGood = replay.denied.length === 0;
  const name = `${namespace}/${shortLabel(workloads[0] ?? '')}`;
  return (
    <section class="card" aria-label={`Policy for ${visible(name)}`}>
      <header>
        <h3>
          <Name text={`${namespace}/${workloads.map(shortLabel).join(', ')}`} />
        </h3>
        <span class={`chip ${isGood ? 'allowed' : 'denied'}`}>
          {isGood
            ? `replayed: all ${formatCount(replay.flows)} flows are allowed`
            : `replayed: ${replay.denied.length} of ${replay.flows} flows are denied`}
        </span>
      </header>
      {!isGood && <p class="hint bad">Do not apply this policy, and report a bug.</p>}
      {notes.map((note) => (
        <p class="hint">{visible(note)}</p>
      ))}
      <Yaml text={text} label={`Suggested policy for ${name}`} />
      <p class="actions">
        <button type="button" class="small primary" onClick={() => putInto([text])}>
          Try it
        </button>
        <Save text={file} file={`${namespace}-${shortLabel(workloads[0] ?? 'policy')}.yaml`} what="" />
      </p>
      <Flows title="It comes from" rows={allowed} names={names} />
      <Flows title="Left out" rows={leftOut} names={names} />
    </section>
  );
}

function Flows({
  title,
  rows,
  names,
}: {
  title: string;
  rows: readonly Judged[];
  names: EndNames;
}): JSX.Element | null {
  if (rows.length === 0) return null;
  return (
    <details>
      <summary>
        {title} <span class="count">{rows.length}</span>
      </summary>
      <ul class="seen-flows">
        {rows.map(({ seen, whyNot }) => (
          <li>
            <Name text={shortLabel(names.nameOf(seen.from))} /> → <Name text={shortLabel(names.nameOf(seen.to))} />{' '}
            <span class="mono">
              {seen.protocol}
              {seen.port !== undefined && `/${seen.port}`}
            </span>
            {whyNot !== undefined && <span class="quiet">: {reasons[whyNot]}</span>}
          </li>
        ))}
      </ul>
    </details>
  );
}

/** Copies a text, or saves it as a file. */
function Save({ text, file, what }: { text: string; file: string; what: string }): JSX.Element {
  const [isCopied, setCopied] = useState(false);
  const download = (): void => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], { type: 'application/yaml' }));
    // A name of a file, whatever the workload is called.
    link.download = file.replaceAll(/[^A-Za-z0-9.-]+/g, '-');
    link.click();
    URL.revokeObjectURL(link.href);
  };
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <>
      <button type="button" class="small" onClick={() => void copy()}>
        {isCopied ? 'Copied' : `Copy ${what}`}
      </button>
      <button type="button" class="small" onClick={download}>
        Download {what}
      </button>
    </>
  );
}
