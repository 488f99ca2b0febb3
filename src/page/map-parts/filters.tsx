import type { JSX } from 'preact';
import { sorted } from '../../lib/sort.ts';
import { nameOfNode } from '../panel/node-name.tsx';
import { openNamespace } from '../panel/node-panel.tsx';
import { look, policyMap, seen, view } from '../state.ts';
import { Name, visible } from '../text.tsx';

export function Filters(): JSX.Element {
  const { search, onlyDenied, hidden } = view.value;
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <label class="field">
        <span class="hidden-text">Search</span>
        <input
          type="search"
          placeholder="Search: name, namespace, port"
          value={search}
          onInput={({ currentTarget }) => look({ search: currentTarget.value }, 'replace')}
        />
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={onlyDenied}
          onChange={({ currentTarget }) => look({ onlyDenied: currentTarget.checked })}
        />
        Only with denials
      </label>
      <Namespaces />
      {hidden.length > 0 && (
        <fieldset>
          <legend>Hidden</legend>
          <ul class="tags">
            {hidden.map((id) => (
              <li>
                <Name text={nameOfNode(id)} />
                <button
                  type="button"
                  class="small"
                  aria-label={`Show ${visible(nameOfNode(id))} again`}
                  onClick={() => look({ hidden: hidden.filter((each) => each !== id) })}
                >
                  ×
                </button>
              </li>
            ))}
          </ul>
        </fieldset>
      )}
    </form>
  );
}

/** Which namespaces are drawn, and which of them as one node. */
function Namespaces(): JSX.Element {
  const { namespaces, collapsed } = view.value;
  const sizes = new Map<string, number>();
  for (const { namespace } of policyMap.value?.nodes ?? [])
    if (namespace !== undefined) sizes.set(namespace, (sizes.get(namespace) ?? 0) + 1);
  const all = sorted(sizes.keys());
  const tooLarge = new Set(seen.value?.tooLarge);
  const isClosed = (name: string): boolean => collapsed.includes(name) || tooLarge.has(name);
  const choose = (name: string, isChosen: boolean): void => {
    const now = namespaces.length === 0 ? [] : namespaces;
    look({ namespaces: isChosen ? [...now, name] : now.filter((each) => each !== name) });
  };
  return (
    <details class="namespaces" open={all.length <= 12}>
      <summary>
        Namespaces{' '}
        <span class="quiet">
          {namespaces.length === 0 ? `all ${all.length}` : `${namespaces.length} of ${all.length}`}
        </span>
      </summary>
      {tooLarge.size > 0 && (
        <p class="quiet">
          {tooLarge.size === 1 ? 'One is' : `${tooLarge.size} are`} collapsed, because a map of everything cannot be
          read. Choose namespaces to see inside.
        </p>
      )}
      <ul>
        {all.map((name) => (
          <li key={name}>
            <label class="check">
              <input
                type="checkbox"
                checked={namespaces.includes(name)}
                onChange={({ currentTarget }) => choose(name, currentTarget.checked)}
              />
              <Name text={name} />
              <span class="quiet">{sizes.get(name)}</span>
            </label>
            <button
              type="button"
              class="fold"
              aria-expanded={!isClosed(name)}
              aria-label={`${isClosed(name) ? 'Open' : 'Collapse'} ${visible(name)}`}
              title={isClosed(name) ? 'Open' : 'Collapse into one node'}
              onClick={() => (isClosed(name) ? openNamespace(name) : look({ collapsed: [...collapsed, name] }))}
            >
              {isClosed(name) ? '+' : '−'}
            </button>
          </li>
        ))}
      </ul>
      {namespaces.length > 0 && (
        <button type="button" class="small" onClick={() => look({ namespaces: [] })}>
          Show all
        </button>
      )}
    </details>
  );
}
