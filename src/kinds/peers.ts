import { parseCidr, subtractRanges, type AddressRange } from '../model/address.ts';
import type { GroupId, Peer, Selection } from '../model/policy.ts';
import type { Field } from './field.ts';
import { readSelector } from './selector.ts';

/** One entry of `from` or `to`; `undefined` if it matches nothing (S9.5, S2.T5). */
export function readPeer(
  field: Field,
  namespace: string,
  addGroup: (selection: Selection) => GroupId,
): Peer | undefined {
  if (!field.hasOnly(['podSelector', 'namespaceSelector', 'ipBlock'], 'invalid-peer')) return undefined;
  const pods = field.get('podSelector');
  const namespaces = field.get('namespaceSelector');
  const ipBlock = field.get('ipBlock');
  if (!ipBlock.absent) {
    if (pods.absent && namespaces.absent) return readIpBlock(ipBlock);
    ipBlock.report('invalid-peer', 'must not be combined with a selector');
    return undefined;
  }
  if (pods.absent && namespaces.absent) {
    field.report('invalid-peer', 'must have a podSelector, a namespaceSelector or an ipBlock');
    return undefined;
  }
  const podTerms = readSelector(pods);
  const namespaceTerms = readSelector(namespaces);
  if (!podTerms.complete || !namespaceTerms.complete) return undefined;
  const selection: Selection = {
    namespaces: namespaces.absent ? { name: namespace } : { selector: namespaceTerms.selector },
    pods: podTerms.selector,
  };
  return { kind: 'pods', group: addGroup(selection) };
}

function readIpBlock(field: Field): Peer | undefined {
  if (!field.hasOnly(['cidr', 'except'], 'invalid-peer')) return undefined;
  const cidr = field.get('cidr');
  const range = typeof cidr.value === 'string' ? parseCidr(cidr.value) : undefined;
  if (!range) {
    cidr.report('invalid-cidr', 'must be a CIDR such as 10.0.0.0/24 or fd00::/8');
    return undefined;
  }
  const except = field.get('except');
  const items = except.items();
  if (!items) {
    except.report('invalid-except', 'must be a list of CIDRs');
    return undefined;
  }
  const holes: AddressRange[] = [];
  for (const item of items) {
    const hole = typeof item.value === 'string' ? parseCidr(item.value) : undefined;
    // S9.6: we do not know what to subtract, so the block matches nothing.
    if (!hole) {
      item.report('invalid-except', 'must be a CIDR');
      return undefined;
    }
    if (hole.family !== range.family || hole.last < range.first || hole.first > range.last) {
      item.report('invalid-except', `is not inside ${String(cidr.value)}`, 'ignored');
    } else if (hole.first <= range.first && hole.last >= range.last) {
      item.report('invalid-except', `excludes all of ${String(cidr.value)}`);
    }
    holes.push(hole);
  }
  return { kind: 'cidr', ranges: subtractRanges(range, holes) };
}
