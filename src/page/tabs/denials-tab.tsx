import type { JSX } from 'preact';
import { edgeId } from '../../map/lines.ts';
import type { DenialGroup } from '../../map/policy-map.ts';
import { formatCount, formatSpan, shortLabel } from '../format.ts';
import { putInto } from '../edit-change.ts';
import { atlas, data, denials, keyOfDenial, look, silenced, view } from '../state.ts';
import { Name, visible } from '../text.tsx';
import { commentText } from '../yaml/comment-text.ts';
import { policyText } from '../yaml/policy-text.ts';

const mostRows = 300;

export function DenialsTab(): JSX.Element {
  const all = denials.value;
  const shown = all.filter((each) => !silenced.value.has(keyOfDenial(each)));
  const hidden = all.length - shown.length;
  if (all.length === 0) return <Nothing />;
  return (
    <div class="page-wide">
      <h2>Denials</h2>
      <p class="quiet">
        What nodes denied, by ends and port, the latest first. The reasons are those of the current policies.
        <Slice />
        {hidden > 0 && (
          <>
            {' '}
            {hidden} silenced.{' '}
            <button type="button" class="link inline" onClick={() => (silenced.value = new Set())}>
              Show all
            </button>
          </>
        )}
      </p>
      <table class="rows">
        <thead>
          <tr>
            <th scope="col">From</th>
            <th scope="col">To</th>
            <th scope="col">Port</th>
            <th scope="col" class="right">
              Connections
            </th>
            <th scope="col">Seen</th>
            <th scope="col">Why</th>
            <th scope="col">
              <span class="hidden-text">What to do</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.slice(0, mostRows).map((group) => (
            <Row group={group} key={keyOfDenial(group)} />
          ))}
        </tbody>
      </table>
      {shown.length > mostRows && (
        <p class="quiet">
          And {formatCount(shown.length - mostRows)} more: silence some, or choose a part of the time.
        </p>
      )}
    </div>
  );
}

/** The part of the time that is chosen on the map also holds here. */
function Slice(): JSX.Element | null {
  const { minutes } = view.value;
  if (!minutes) return null;
  return (
    <>
      {' '}
      Only those of {formatSpan(...minutes)}, the time that is chosen on the map.{' '}
      <button type="button" class="link inline" onClick={() => look({ minutes: undefined })}>
        All times
      </button>
    </>
  );
}

function Row({ group }: { group: DenialGroup }): JSX.Element {
  const { from, to, fromId, toId, port, connections, first, last, reasons, finalDeny } = group;
  const [reason, ...others] = reasons;
  const name = `${visible(shortLabel(from))} to ${visible(shortLabel(to))}, ${port}`;
  const suggestion = suggestFor(group);
  return (
    <tr>
      <td>
        <Name text={shortLabel(from)} />
      </td>
      <td>
        <Name text={shortLabel(to)} />
      </td>
      <td class="mono">{port}</td>
      <td class="right number">{connections === 0 ? 'since before' : formatCount(connections)}</td>
      <td class="number nowrap">{formatSpan(first, last)}</td>
      <td class="why">
        {reason === undefined ? (
          <span class="quiet">The current policies allow it, or an end has gone.</span>
        ) : (
          <span>{visible(reason)}</span>
        )}
        {others.length > 0 && (
          <details>
            <summary class="quiet">{others.length} more, of other pods</summary>
            <ul>
              {others.map((each) => (
                <li>{visible(each)}</li>
              ))}
            </ul>
          </details>
        )}
      </td>
      <td class="row-actions">
        <button
          type="button"
          class="small"
          aria-label={`Show on the map: ${name}`}
          onClick={() => look({ tab: 'map', selected: edgeId(fromId, toId) })}
        >
          Map
        </button>
        {reason !== undefined && (
          <button
            type="button"
            class="small"
            aria-label={`What would allow it: ${name}`}
            disabled={!suggestion}
            title={
              finalDeny &&
              `No NetworkPolicy can allow it: ${visible(finalDeny)} denies it in tier Admin. Edit that policy.`
            }
            onClick={() => suggestion?.()}
          >
            Allow…
          </button>
        )}
        <button
          type="button"
          class="small"
          aria-label={`Silence: ${name}`}
          onClick={() => (silenced.value = new Set([...silenced.value, keyOfDenial(group)]))}
        >
          Silence
        </button>
      </td>
    </tr>
  );
}

/** Puts the policies into the tab Change that would allow a denial, at each end that denies it. Missing if no end is a workload, or if no NetworkPolicy can allow it. */
function suggestFor({ fromId, toId, port, finalDeny }: DenialGroup): (() => void) | undefined {
  const nodeIds = [fromId, toId].filter((id) => id.startsWith('workload '));
  if (nodeIds.length === 0 || finalDeny !== undefined) return undefined;
  return () => {
    const pairs = atlas.value!.explain(edgeId(fromId, toId), port);
    const denying = [
      ...(pairs.some(({ decision }) => decision.egress.verdict === 'denied') ? [fromId] : []),
      ...(pairs.some(({ decision }) => decision.ingress.verdict === 'denied') ? [toId] : []),
    ].filter((id) => nodeIds.includes(id));
    const { suggestions, notes } = atlas.value!.suggest({ nodeIds: denying, denied: { fromId, toId, port } });
    if (suggestions.length === 0) putInto([commentText(['the page can suggest no policy for this', ...notes])]);
    else putInto(suggestions.map((each) => commentText(each.notes) + policyText(each.policy)));
  };
}

function Nothing(): JSX.Element {
  const hasFlows = (data.value?.histories.length ?? 0) > 0;
  return (
    <div class="page-wide">
      <h2>Denials</h2>
      <p class="quiet">
        {hasFlows
          ? 'Nothing was denied in this time.'
          : 'No flows: manifests alone have no denials. Ask a cluster or a lab to see them.'}
        <Slice />
      </p>
    </div>
  );
}
