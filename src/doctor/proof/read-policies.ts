import { isJsonObject, listAt, textAt } from '../../lib/json.ts';
import { leftOutReasons, type HeldPod, type HeldPolicy, type NodePolicies } from '../../model/node-policies.ts';

/** Reads the parsed page `/policies` of an agent. Returns `undefined` for another form, for example of another version. */
export function readNodePolicies(page: unknown): NodePolicies | undefined {
  if (!isJsonObject(page) || ['node', 'version'].some((field) => textAt(page, field) === undefined)) return undefined;
  const { doubt = '', silentSeconds = 0, comparedSecondsAgo, policies, pods } = page;
  if (typeof doubt !== 'string' || typeof silentSeconds !== 'number') return undefined;
  const areAges =
    isJsonObject(comparedSecondsAgo) && Object.values(comparedSecondsAgo).every((each) => typeof each === 'number');
  if (!areAges || !Array.isArray(policies) || !Array.isArray(pods)) return undefined;
  const isWhole = policies.every(isPolicy) && pods.every((pod) => isPod(pod, policies.length));
  return isWhole ? (page as unknown as NodePolicies) : undefined;
}

function isPolicy(value: unknown): value is HeldPolicy {
  if (!isJsonObject(value)) return false;
  const { id, uid, generation, resourceVersion = '', leftOut, issues } = value;
  const isReason = leftOut === undefined || leftOutReasons.some((each) => each === leftOut);
  return (
    [id, uid, resourceVersion].every((each) => typeof each === 'string') &&
    typeof generation === 'number' &&
    isReason &&
    areIssues(issues)
  );
}

function areIssues(value: unknown = []): boolean {
  const isIssue = (each: unknown): boolean =>
    ['code', 'effect', 'message'].every((field) => textAt(each, field) !== undefined);
  return Array.isArray(value) && value.every(isIssue);
}

function isPod(value: unknown, policies: number): value is HeldPod {
  if (!isJsonObject(value)) return false;
  const { pod, uid, addresses, issues } = value;
  const isIndex = (each: unknown): boolean =>
    typeof each === 'number' && Number.isInteger(each) && each >= 0 && each < policies;
  return (
    typeof pod === 'string' &&
    typeof uid === 'string' &&
    Array.isArray(addresses) &&
    addresses.every((each) => typeof each === 'string') &&
    Array.isArray(value['policies']) &&
    listAt(value, 'policies').every(isIndex) &&
    areIssues(issues)
  );
}
