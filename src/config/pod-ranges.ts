import { formatCidr, parseCidr, type AddressRange } from '../model/address.ts';

/** Ranges without pod addresses. A gate on them would block other traffic. */
const neverPods = ['127.0.0.0/8', '224.0.0.0/4', '::1/128', 'fe80::/10', 'ff00::/8'].map((cidr) => parseCidr(cidr)!);

/** Parses `CIDR[,CIDR]…` to canonical CIDRs. `undefined` if one of them is invalid, or cannot contain pod addresses. */
export function parsePodRanges(text: string): readonly string[] | undefined {
  const ranges = text.split(',').map((each) => parseCidr(each.trim()));
  if (!ranges.every((range) => range !== undefined && !neverPods.some((other) => overlaps(range, other)))) {
    return undefined;
  }
  return ranges.map((range) => formatCidr(range!));
}

function overlaps(a: AddressRange, b: AddressRange): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}
