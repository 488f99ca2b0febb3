import type { JSX } from 'preact';
import type { Decision, End, TierRuleRef } from '../../evaluator/decision.ts';
import type { ExplainedPair } from '../../map/policy-map.ts';
import { verdictMarks, Chip } from '../marks.tsx';
import { Name, visible } from '../text.tsx';
import { PolicyPart, type Side } from './policy-yaml.tsx';

/** Pairs of pods that the same rules decide. */
interface Group {
  readonly first: ExplainedPair;
  readonly pairs: ExplainedPair[];
}

/** Why a port is allowed or denied: one explanation for all pairs that have the same. */
export function Explanation({ pairs }: { pairs: readonly ExplainedPair[] }): JSX.Element {
  if (pairs.length === 0)
    return <p class="quiet">Policies cannot judge this: an end has gone, has no name, or stands for several ports.</p>;
  return (
    <>
      {groupPairs(pairs).map(({ first, pairs: all }) => (
        <section class="pair">
          <p class="pair-ends">
            <Name text={first.from} class="mono" /> → <Name text={first.to} class="mono" />{' '}
            <span class="quiet">{first.family === 'ipv4' ? 'IPv4' : 'IPv6'}</span>
          </p>
          {first.after ? (
            <>
              <h4>Now</h4>
              <Decided decision={first.decision} side="now" isOpen={false} />
              <h4>After the change</h4>
              <Decided decision={first.after} side="after" isOpen />
            </>
          ) : (
            <Decided decision={first.decision} side="now" isOpen />
          )}
          {all.length > 1 && (
            <details class="more">
              <summary>{all.length - 1} more with the same answer</summary>
              <ul>
                {all.slice(1).map(({ from, to, family }) => (
                  <li class="mono">
                    <Name text={from} /> → <Name text={to} /> {family === 'ipv6' && 'IPv6'}
                  </li>
                ))}
              </ul>
            </details>
          )}
        </section>
      ))}
    </>
  );
}

function groupPairs(pairs: readonly ExplainedPair[]): Group[] {
  const groups = new Map<string, Group>();
  for (const pair of pairs) {
    const key = JSON.stringify([pair.decision, pair.after].map((decision) => decision && keyOf(decision)));
    const known = groups.get(key);
    if (known) known.pairs.push(pair);
    else groups.set(key, { first: pair, pairs: [pair] });
  }
  return [...groups.values()];
}

/** Equal for decisions by the same rules. The reasons name pods, so they do not count. */
function keyOf({ egress, ingress }: Decision): unknown {
  return [egress, ingress].map(({ verdict, judged, isolatedBy, allowedBy, nearMisses, tiers }) => [
    ...[verdict, judged, isolatedBy, allowedBy, tiers],
    nearMisses.map(({ policy, path }) => [policy, path]),
  ]);
}

function Decided({ decision, side, isOpen }: { decision: Decision; side: Side; isOpen: boolean }): JSX.Element {
  return (
    <div class="ends">
      <EndView title="Leaving" end={decision.egress} side={side} isOpen={isOpen} />
      <EndView title="Arriving" end={decision.ingress} side={side} isOpen={isOpen} />
    </div>
  );
}

function EndView({ title, end, side, isOpen }: { title: string; end: End; side: Side; isOpen: boolean }): JSX.Element {
  const { verdict, reason, isolatedBy, allowedBy, nearMisses, tiers } = end;
  const decided = tiers?.decidedBy;
  const others = isolatedBy.filter((policy) => !allowedBy.some((rule) => rule.policy === policy));
  return (
    <div class={`end ${verdict}`}>
      <p class="end-head">
        <strong>{title}</strong> <Chip mark={verdictMarks[verdict]} />
      </p>
      <p class="reason">{visible(reason)}</p>
      {decided && <Tier side={side} rule={decided} word="Decided by" isOpen={isOpen} />}
      {tiers?.passedBy.map((rule) => (
        <Tier side={side} rule={rule} word="Passed on by" isOpen={false} />
      ))}
      {allowedBy.length > 0 && <h5>Allowed by</h5>}
      {allowedBy.map(({ policy, path }, index) => (
        <PolicyPart side={side} policy={policy} path={path} open={isOpen && !decided && index === 0} />
      ))}
      {nearMisses.length > 0 && <h5>What nearly allows it</h5>}
      {nearMisses.map(({ policy, path, reason: text }, index) => (
        <>
          <p class="reason">{visible(text)}</p>
          <PolicyPart side={side} policy={policy} path={path} open={isOpen && !decided && index === 0} />
        </>
      ))}
      {others.length > 0 && <h5>Isolated by</h5>}
      {others.map((policy) => (
        <PolicyPart side={side} policy={policy} />
      ))}
      {tiers?.passedOver.map((rule) => (
        <Tier side={side} rule={rule} word="Comes too late:" isOpen={false} />
      ))}
    </div>
  );
}

function Tier({
  rule,
  word,
  side,
  isOpen,
}: {
  rule: TierRuleRef;
  word: string;
  side: Side;
  isOpen: boolean;
}): JSX.Element {
  const { tier, priority, action, name, policy, path, undecided, isUnreadable } = rule;
  return (
    <>
      <p class="reason">
        {word} {action} of tier {tier}, priority {priority}
        {name !== undefined && (
          <>
            , rule <Name text={name} />
          </>
        )}
        {isUnreadable && '; the rule cannot be read, so it denies'}
        {undecided !== undefined && `; ${visible(undecided)}`}
      </p>
      <PolicyPart side={side} policy={policy} path={path} open={isOpen} />
    </>
  );
}
