import { formatCidr, parseCidr, type AddressRange } from '../model/address.ts';

/** In which no pod has its address. A gate on them would hold up what is not a pod's. */
const neverPods = ['127.0.0.0/8', '224.0.0.0/4', '::1/128', 'fe80::/10', 'ff00::/8'].map((cidr) => parseCidr(cidr)!);

/** `CIDR[,CIDR]…`, canonical; `undefined` if one of them is none, or none that pods can have their addresses from. */
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
