import { compareText } from '../lib/sort.ts';
import { sortInSteps } from '../lib/sort-in-steps.ts';
import type { GroupId, Policy, PolicyId } from '../model/policy.ts';
import type { Member, PodKey } from '../model/snapshot.ts';
import type { SavedPod, SavedState } from './saved-state.ts';
import type { StateCopy } from './state-copy.ts';
import { MemberTable, type Entry } from './member-table.ts';
import { readTagged, writeTagged } from './tagged-json.ts';

/** Members of one record. */
const perRecord = 4096;

type Rest = Pick<SavedState, 'denied' | 'gatedRanges' | 'nodeAddresses'>;

/** One line each. A pod that many groups select has one record, and the groups have its number: the n-th `member`, from 0. */
type StateRecord =
  | readonly ['pod', SavedPod]
  | readonly ['policy', Policy]
  | readonly ['member', PodKey, Member]
  | readonly ['group', GroupId, readonly number[]]
  | readonly ['rest', Rest];

/** These have Maps, Sets and bigints. */
const taggedKinds: ReadonlySet<string> = new Set(['policy', 'rest'] satisfies StateRecord[0][]);

/** Yields the lines of a state, and `undefined` after steps without a line. Equal states have equal lines. */
export function* writeRecords(state: StateCopy): Generator<string | undefined, void> {
  const { denied, gatedRanges, nodeAddresses } = state;
  yield lineOf(['rest', { denied: new Set(denied), gatedRanges, nodeAddresses }]);
  const pods = yield* sortInSteps(state.localPods, (a, b) => compareText(a.key, b.key));
  for (const pod of pods) yield lineOf(['pod', pod]);
  const policies = yield* sortInSteps(state.policies, compareIds);
  for (const policy of policies) yield lineOf(['policy', policy]);
  const groups = yield* sortInSteps(state.groups, compareIds);
  const table = new MemberTable();
  const filled: [GroupId, Entry[]][] = [];
  for (const group of groups) filled.push([group.id, yield* table.add(group)]);
  for (const [index, entry] of (yield* table.sort()).entries()) {
    entry.index = index;
    yield lineOf(['member', entry.key, entry.member]);
  }
  for (const [id, members] of filled) yield* writeGroup(id, members);
}

/** Never returns a part of a state: throws if a line is none of ours. */
export function readRecords(lines: Iterable<string>): SavedState {
  const localPods = new Map<PodKey, SavedPod>();
  const policies = new Map<PolicyId, Policy>();
  const members: (readonly [PodKey, Member])[] = [];
  const groups = new Map<GroupId, { id: GroupId; members: Map<PodKey, Member> }>();
  let rest: Rest | undefined;
  for (const line of lines) {
    const record = recordOf(line);
    switch (record[0]) {
      case 'pod':
        localPods.set(record[1].key, record[1]);
        break;
      case 'policy':
        policies.set(record[1].id, record[1]);
        break;
      case 'member':
        members.push([record[1], record[2]]);
        break;
      case 'group': {
        const [, id, indices] = record;
        if (!groups.has(id)) groups.set(id, { id, members: new Map() });
        for (const index of indices) groups.get(id)!.members.set(...memberAt(members, index));
        break;
      }
      case 'rest':
        [, rest] = record;
        break;
      default:
        throw new Error(`unknown record ${String(record[0])}`);
    }
  }
  if (!rest) throw new Error('no record of the node');
  return { localPods, policies, groups, ...rest };
}

function memberAt(members: readonly (readonly [PodKey, Member])[], index: number): readonly [PodKey, Member] {
  const member = members[index];
  if (!member) throw new Error(`no member ${index}`);
  return member;
}

/** A large group has several records. */
function* writeGroup(id: GroupId, members: readonly Entry[]): Generator<string> {
  const indices = Uint32Array.from(members, ({ index }) => index).sort();
  for (let at = 0; at === 0 || at < indices.length; at += perRecord) {
    yield lineOf(['group', id, [...indices.subarray(at, at + perRecord)]]);
  }
}

function lineOf(record: StateRecord): string {
  return `${taggedKinds.has(record[0]) ? writeTagged(record) : JSON.stringify(record)}\n`;
}

function recordOf(line: string): StateRecord {
  const kind = line.slice('["'.length, line.indexOf('"', '["'.length));
  return (taggedKinds.has(kind) ? readTagged(line) : JSON.parse(line)) as StateRecord;
}

function compareIds(a: { readonly id: string }, b: { readonly id: string }): number {
  return compareText(a.id, b.id);
}
